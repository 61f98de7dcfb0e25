/** Apache Kafka in KRaft mode, one node that is broker and controller, run from its jars on Maven Central. */

import { randomBytes } from "node:crypto"
import { existsSync, readFileSync } from "node:fs"
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { dataOf, folder, type Record } from "./checkout.ts"
import { cached, type Sums, type Tell, tool } from "./packages.ts"
import { type Command, run } from "./processes.ts"
import { addressesOfUrl, type Server } from "./server.ts"

const version = "4.1.0"

const sums: Sums = new Map(
  readFileSync(join(import.meta.dirname, "kafka.sha256"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => [line.slice(66), line.slice(0, 64)])
)

const project = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>sluice</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${version}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
`

const download = (tell: Tell) => async (directory: string) => {
  const program = tool(["mvn"], "it downloads the jars of Kafka", ["maven"])
  tell(`downloading Apache Kafka ${version} (43 MB) from Maven Central`)
  const work = await mkdtemp(join(tmpdir(), "sluice-kafka-"))
  try {
    await writeFile(join(work, "pom.xml"), project)
    const goal = "org.apache.maven.plugins:maven-dependency-plugin:2.8:copy-dependencies"
    await run({ program, args: ["-q", "-B", goal, "-DincludeScope=runtime", `-DoutputDirectory=${directory}`], cwd: work })
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** Java reads properties as ISO-8859-1, and a backslash as the beginning of an escape. */
const escaped = (value: string) =>
  value.replace(/\\|[^\x20-\x7e]/g, (unit) => (unit === "\\" ? "\\\\" : `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`))

export const properties = ({ controllerPort, port }: Record, data: string) => `
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controllerPort}
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}
advertised.listeners=PLAINTEXT://127.0.0.1:${port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=${escaped(data)}
num.partitions=4
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
`

/** Without a locale of its own Java finds no file whose path is not ASCII. */
const utf8 = { LC_ALL: "C.UTF-8" }

/** The folder that holds them, downloaded where they are missing. */
export const jarsOf = (tell: Tell): Promise<string> => cached(`kafka-${version}`, sums, download(tell), tell)

const makeData = async (record: Record, java: (...args: Array<string>) => Command) => {
  const data = dataOf("kafka")
  if (existsSync(data)) return
  const fresh = `${data}.new`
  await rm(fresh, { recursive: true, force: true })
  await mkdir(fresh, { recursive: true })
  const config = join(folder, "kafka.format.properties")
  await writeFile(config, properties(record, fresh))
  const clusterId = randomBytes(16).toString("base64url").replace(/^-/, "A")
  await run(java("kafka.tools.StorageTool", "format", "-t", clusterId, "-c", config))
  await rm(config)
  await rename(fresh, data)
}

/** kafkajs starts a timer with a negative delay, of which Node warns once a process: this is the once. */
const hideNegativeTimeoutWarning = () => {
  const emitWarning = process.emitWarning
  process.emitWarning = () => {}
  clearTimeout(setTimeout(() => {}, -1))
  process.emitWarning = emitWarning
}

export const kafka: Server = {
  name: "kafka",
  title: "Apache Kafka",
  variable: "SLUICE_KAFKA_BROKERS",
  valueOf: ({ port }) => `127.0.0.1:${port}`,
  addressesOf: addressesOfUrl(9092),
  ask: async ({ port }) => {
    hideNegativeTimeoutWarning()
    const { Kafka, logLevel } = await import("kafkajs")
    const client = new Kafka({
      brokers: [`127.0.0.1:${port}`],
      connectionTimeout: 3000,
      requestTimeout: 5000,
      retry: { retries: 0 },
      logLevel: logLevel.NOTHING
    })
    const admin = client.admin()
    try {
      await admin.connect()
      const { brokers } = await admin.describeCluster()
      if (brokers.length === 0) throw new Error("Kafka has no broker yet")
      return version
    } finally {
      await admin.disconnect()
    }
  },
  prepare: async (record, tell) => {
    const program = tool(["java"], "Kafka runs on Java 17 or newer", ["default-jre-headless"])
    const jars = await jarsOf(tell)
    const java = (...args: Array<string>): Command => ({
      program,
      env: utf8,
      args: ["-Xmx512m", "-Xms256m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", join(jars, "*"), ...args]
    })
    await makeData(record, java)
    const config = join(folder, "kafka.properties")
    await writeFile(config, properties(record, dataOf("kafka")))
    return { ...java("kafka.Kafka", config), cwd: dataOf("kafka") }
  }
}
