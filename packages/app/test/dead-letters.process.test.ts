import { execFile } from "node:child_process"
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { winsTopic } from "@sluice/domain"
import { adminKey, eventually, startSluice, stopAll } from "@sluice/testkit/processes"
import { afterEach, assert, it } from "vitest"

afterEach(stopAll)

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

const dlq = async (url: string, ...args: ReadonlyArray<string>) => {
  const env = { ...process.env, SLUICE_URL: url, SLUICE_ADMIN_KEY: adminKey }
  const { stdout } = await promisify(execFile)(process.execPath, [main, "dlq", ...args, "--json"], { env })
  return JSON.parse(stdout)
}

it("an event that can't be read is set aside with its reason; sluice dlq shows it and brings it back", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "sluice-e2e-"))
  const env = { SLUICE_DATA_DIR: dataDir }
  await (await startSluice({ env })).kill("SIGTERM")
  const log = new DatabaseSync(join(dataDir, "sluice.db"))
  log
    .prepare("INSERT INTO log_events (topic, key, value, headers, at_ms) VALUES (?, 'somebody', '{broken', '{}', ?)")
    .run(winsTopic, Date.now())
  log.close()
  const { url } = await startSluice({ env })
  await eventually("it is set aside", async () => (await dlq(url, "list")).total === 1)
  const [letter] = (await dlq(url, "list")).deadLetters
  assert.deepInclude(letter, { key: "somebody", value: "{broken" })
  assert.isNotEmpty(letter.reason)
  assert.strictEqual((await dlq(url, "replay")).replayed, 1)
  await eventually("it is set aside again", async () => {
    const { deadLetters, total } = await dlq(url, "list")
    return total === 1 && deadLetters[0].origin !== letter.origin
  })
})
