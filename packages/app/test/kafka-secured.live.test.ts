import { execFile } from "node:child_process"
import { mkdtempSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { hasProgram } from "@sluice/testkit/ci"
import { clusterEnv, isLive } from "@sluice/testkit/live"
import { startSecuredKafka } from "@sluice/testkit/securedKafka"
import { afterAll, assert, beforeAll, describe, it } from "vitest"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

interface Finding {
  readonly about: string
  readonly check: string
  readonly state: string
  readonly means: string
  readonly mend?: string
}

/** What the doctor, which creates a topic, publishes, reads and commits, says of Kafka. */
const examine = (env: Readonly<Record<string, string>>) =>
  new Promise<ReadonlyArray<Finding>>((resolve, reject) => {
    execFile(
      process.execPath,
      [main, "doctor", "--json"],
      { env: { ...process.env, ...clusterEnv(), ...env } },
      (_, out, err) => {
        try {
          const { findings } = JSON.parse(out) as { readonly findings: ReadonlyArray<Finding> }
          resolve(findings.filter(({ about }) => about === "kafka"))
        } catch (cause) {
          reject(new Error(`${out}\n${err}`, { cause }))
        }
      }
    )
  })

describe.runIf(isLive() && hasProgram("java") && hasProgram("openssl"))("a Kafka that asks for TLS and a password", () => {
  let kafka: Awaited<ReturnType<typeof startSecuredKafka>>
  let env: Record<string, string>
  const folder = mkdtempSync(join(tmpdir(), "sluice-sasl-"))
  const saslFile = (text: string) => {
    const file = join(folder, String(text.length))
    writeFileSync(file, text, { mode: 0o600 })
    return file
  }

  beforeAll(async () => {
    kafka = await startSecuredKafka("sluice", "MARKED-password")
    env = {
      SLUICE_KAFKA_BROKERS: kafka.brokers,
      SLUICE_KAFKA_SSL: "true",
      SLUICE_KAFKA_SASL_FILE: saslFile("sluice:MARKED-password"),
      SLUICE_KAFKA_REPLICATION: "1",
      NODE_EXTRA_CA_CERTS: kafka.certificate
    }
  })
  afterAll(() => kafka?.stop())

  it("is published to and read", async () => {
    const found = await examine(env)
    assert.deepStrictEqual(
      found.filter(({ state }) => state === "problem"),
      []
    )
    assert.isTrue(
      found.some(({ check, state }) => check === "permissions" && state === "ok"),
      JSON.stringify(found)
    )
  })

  it("with a wrong password the setting to mend is named, and no password", async () => {
    const [refused] = await examine({ ...env, SLUICE_KAFKA_SASL_FILE: saslFile("sluice:MARKED-wrong") })
    assert.deepInclude(refused, { state: "problem", check: "reachable" })
    assert.include(refused!.mend, "SLUICE_KAFKA_SASL")
    assert.notInclude(JSON.stringify(refused), "MARKED")
  })
})
