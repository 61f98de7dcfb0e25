/** A Kafka of one node for one test file, which speaks TLS with a certificate of its own and asks for a name and a password. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { freePort } from "./processes.ts"
import { jarsOf, properties } from "./stack/kafka.ts"
import { canConnect, end, launch, run, StackError, untilAnswered } from "./stack/processes.ts"

/** Instead of the plain listener of the stack's. */
const secured = (port: number, certificate: string, user: string, password: string) => `
listeners=SASL_SSL://127.0.0.1:${port},CONTROLLER://127.0.0.1:CONTROLLER_PORT
advertised.listeners=SASL_SSL://127.0.0.1:${port}
listener.security.protocol.map=SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name=SASL_SSL
sasl.mechanism.inter.broker.protocol=PLAIN
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username="${user}" password="${password}" user_${user}="${password}";
ssl.keystore.type=PEM
ssl.keystore.location=${certificate}.both
ssl.truststore.type=PEM
ssl.truststore.location=${certificate}
`

export const startSecuredKafka = async (user: string, password: string) => {
  const work = await mkdtemp(join(tmpdir(), "sluice-kafka-secured-"))
  const [port, controllerPort] = [await freePort(), await freePort()]
  const [certificate, key, config] = ["ca.pem", "key.pem", "server.properties"].map((name) => join(work, name)) as [
    string,
    string,
    string
  ]
  const subject = ["-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
  await run({
    program: "openssl",
    args: ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, ...subject]
  })
  await writeFile(`${certificate}.both`, (await readFile(key, "utf8")) + (await readFile(certificate, "utf8")), { mode: 0o600 })
  const plain = properties({ source: "native", password: "", port, controllerPort }, join(work, "data"))
  const others = plain.split("\n").filter((line) => !/^(advertised\.)?listener(s|\.security)/.test(line))
  const own = secured(port, certificate, user, password).replace("CONTROLLER_PORT", String(controllerPort))
  await writeFile(config, others.join("\n") + own, { mode: 0o600 })
  const jars = await jarsOf(() => {})
  const java = (...args: ReadonlyArray<string>) => ({
    program: "java",
    args: ["-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", join(jars, "*"), ...args]
  })
  await run(java("kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c", config))
  const log = join(work, "kafka.log")
  const broker = await launch({ ...java("kafka.Kafka", config), cwd: work }, log)
  const stop = async () => {
    await end(broker, "SIGKILL")
    await rm(work, { recursive: true, force: true })
  }
  try {
    await untilAnswered(async () => {
      if (!(await canConnect("127.0.0.1", port))) throw new StackError(`Kafka does not listen: ${await readFile(log, "utf8")}`)
    }, 60_000)
  } catch (error) {
    await stop()
    throw error
  }
  return { brokers: `127.0.0.1:${port}`, certificate, stop }
}
