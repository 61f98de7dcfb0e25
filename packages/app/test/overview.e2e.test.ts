import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { freshDatabase } from "@sluice/testkit/database"
import { clusterEnv, isLive, liveUrl } from "@sluice/testkit/live"
import { adminKey, call, eventually, startSluice, stopAll } from "@sluice/testkit/processes"
import { proxyOf } from "@sluice/testkit/proxy"
import { afterEach, assert, describe, it } from "vitest"
import type { Page } from "../src/audit/AuditLog.ts"
import type { Overview } from "../src/overview/Overview.ts"

afterEach(stopAll)

/** What the stream has told so far. */
const watch = async (url: string) => {
  const ending = new AbortController()
  const answer = await fetch(`${url}/overview/events`, {
    headers: { authorization: `Bearer ${adminKey}` },
    signal: ending.signal
  })
  assert.strictEqual(answer.status, 200)
  const seen: Array<Overview> = []
  const reading = (async () => {
    let text = ""
    for await (const part of answer.body!.pipeThrough(new TextDecoderStream())) {
      const events = (text + part).split("\n\n")
      text = events.pop()!
      for (const event of events) if (event.startsWith("data: ")) seen.push(JSON.parse(event.slice(6)))
    }
  })().catch(() => {})
  const stateOf = (name: string) => seen.at(-1)?.engines?.find((engine) => engine.name === name)?.state
  const end = async () => {
    ending.abort()
    await reading
  }
  return { seen, stateOf, end }
}

describe.runIf(isLive())("the overview on real servers", () => {
  it("goes on while MariaDB is silent, says so, and knows more when it is back; so does the audit log", async () => {
    const database = await freshDatabase(liveUrl("SLUICE_MARIADB_URL"))
    const proxy = await proxyOf(database.url)
    try {
      const dir = mkdtempSync(join(tmpdir(), "sluice-e2e-"))
      const env = { ...clusterEnv(), SLUICE_MARIADB_URL: proxy.url, SLUICE_DATA_DIR: dir }
      const gateway = await startSluice({ args: ["serve", "--roles", "gateway"], env })
      const { url } = gateway
      const { end, seen, stateOf } = await watch(url)
      const names = ["mariadb", "redis", "kafka", "mongodb"]
      await eventually("all engines are up", async () => names.every((name) => stateOf(name) === "up"))
      assert.isNotNull(seen.at(-1)!.lag)

      proxy.silence()
      await eventually("MariaDB is down", async () => stateOf("mariadb") === "down")
      const before = seen.length
      await eventually("the stream goes on", async () => seen.length >= before + 4)
      const dark = seen.at(-1)!
      assert.deepStrictEqual([dark.lag, dark.admitted, stateOf("redis")], [null, null, "up"])
      const stopped = await call(`${url}/crowds/0123456789abcdef`, "DELETE", undefined, true)
      assert.deepStrictEqual([stopped.status, stopped.body.code], [404, "crowd_not_found"])

      // More at once, and twice, than there are connections.
      for (let round = 1; round <= 2; round++) {
        const paths = Array.from({ length: 30 }, (_, i) => ["/campaigns", "/campaigns/c1", "/users/u1/coupons", "/loads"][i % 4]!)
        const answers = await Promise.all(paths.map((path) => call(url + path, "GET", undefined, true)))
        assert.deepStrictEqual([...new Set(answers.map(({ status }) => status))], [503])
      }

      proxy.heal()
      await eventually("MariaDB is up", async () => stateOf("mariadb") === "up" && seen.at(-1)!.lag !== null)
      await eventually("what was asked meanwhile is in the audit log", async () => {
        const { body } = await call<Page>(`${url}/audit`, "GET", undefined, true)
        return body.entries.some(({ action, outcome }) => action === "crowd.stop" && outcome === "crowd_not_found")
      })
      await end()
      await gateway.kill("SIGTERM")
    } finally {
      await proxy.close()
      await database.drop()
    }
  }, 90_000)
})
