import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { hasProgram } from "@sluice/testkit/ci"
import { areOurs, isLive } from "@sluice/testkit/live"
import { servers } from "@sluice/testkit/stack/index"
import { afterEach, assert, describe, it, vi } from "vitest"

afterEach(() => vi.unstubAllEnvs())

const given = {
  SLUICE_MARIADB_URL: "mysql://u:p@127.0.0.1:1/sluice",
  SLUICE_REDIS_URL: "redis://127.0.0.1:1",
  SLUICE_KAFKA_BROKERS: "127.0.0.1:1",
  SLUICE_MONGODB_URL: "mongodb://127.0.0.1:1/sluice"
}
const set = (env: Readonly<Record<string, string>>) => {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
}
const none = Object.fromEntries(Object.keys(given).map((name) => [name, ""]))

describe.each(["true", "1"])("with CI=%s", (CI) => {
  it("a server that is missing is an error", () => {
    set({ ...given, SLUICE_REDIS_URL: "", CI })
    assert.throws(isLive, "SLUICE_REDIS_URL not set")
  })

  it("servers that no test may stop are an error", async () => {
    set({ ...given, CI })
    const error = await areOurs(["kafka", "redis"]).catch((cause: Error) => cause)
    assert.include(String(error), `unset ${servers.kafka.variable}, ${servers.redis.variable} and run \`npm test\``)
  })

  it("a program that is missing is an error", () => {
    set({ PATH: mkdtempSync(join(tmpdir(), "sluice-no-programs-")), CI })
    assert.throws(() => hasProgram("fish"), /fish.*not installed[\s\S]*apt-get install -y fish/)
  })
})

describe("without CI", () => {
  it("what is missing, and what is somebody else's, is left out", async () => {
    set({ ...none, CI: "" })
    assert.isFalse(isLive())
    assert.isFalse(await areOurs())
    set({ ...given, CI: "", PATH: mkdtempSync(join(tmpdir(), "sluice-no-programs-")) })
    assert.isFalse(await areOurs())
    assert.isFalse(hasProgram("fish"))
  })
})
