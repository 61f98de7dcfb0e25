import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { adminKey, call, eventually, freePort, startSluice, stopAll } from "@sluice/testkit/processes"
import { afterEach, assert, describe, it } from "vitest"
import type { Page } from "../src/audit/AuditLog.ts"

afterEach(stopAll)

const entriesOf = async (url: string) => {
  const { body, status } = await call<Page>(`${url}/audit`, "GET", undefined, true)
  assert.strictEqual(status, 200)
  return body.entries.map(({ action, change, outcome, target }) => ({ action, change, outcome, target }))
}

const sale = { id: "sale", name: "Sale", stock: 10, ratePerSecond: 5 }
const created = { action: "campaign.create", target: "sale", change: sale, outcome: "done" }
const faster = (before: number, after: number) => ({
  action: "campaign.change",
  target: "sale",
  change: { ratePerSecond: { before, after } },
  outcome: "done"
})

describe("the audit log of a server", () => {
  it("survives it, never makes a change fail, and catches up with what it could not store", async () => {
    const port = await freePort()
    const dir = mkdtempSync(join(tmpdir(), "sluice-e2e-"))
    const env = { SLUICE_DATA_DIR: dir }
    const first = await startSluice({ port, env })
    const { url } = first
    const set = (ratePerSecond: number) => call(`${url}/campaigns/sale`, "PATCH", { ratePerSecond }, true)
    await call(`${url}/campaigns`, "POST", sale, true)
    await set(6)
    await first.kill("SIGKILL")
    const second = await startSluice({ port, env })
    assert.deepStrictEqual(await entriesOf(url), [faster(5, 6), created])

    const db = new DatabaseSync(join(dir, "sluice.db"), { timeout: 5000 })
    try {
      db.exec("ALTER TABLE sluice_audit RENAME TO audit_away")
      const changed = await set(7)
      assert.deepStrictEqual([changed.status, changed.body.ratePerSecond], [200, 7])
      const unread = await call(`${url}/audit`, "GET", undefined, true)
      assert.deepStrictEqual([unread.status, unread.body.code], [503, "unavailable"])
      assert.include(second.output(), "campaign.change")
      db.exec("ALTER TABLE audit_away RENAME TO sluice_audit")
    } finally {
      db.close()
    }
    await eventually("the entry is stored", async () => (await entriesOf(url)).length === 3)
    assert.deepStrictEqual((await entriesOf(url))[0], faster(6, 7))
    assert.notInclude(second.output(), adminKey)

    await set(8)
    await second.kill("SIGTERM")
    await startSluice({ port, env })
    assert.deepStrictEqual(await entriesOf(url), [faster(7, 8), faster(6, 7), faster(5, 6), created])
  })
})
