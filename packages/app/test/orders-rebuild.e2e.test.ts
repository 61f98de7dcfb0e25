/** The order view built anew in processes of their own: one killed half-way, while orders come in, and with projectors beside it. */
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join as path } from "node:path"
import { freshDatabase } from "@sluice/testkit/database"
import { clusterEnv, isLive, liveUrl } from "@sluice/testkit/live"
import { startSluice, stopAll } from "@sluice/testkit/processes"
import { MongoClient } from "mongodb"
import { afterEach, assert, describe, it } from "vitest"
import { caughtUp, generations, place, post, rebuild, selling, shop, verified } from "./orders-rebuild-kit.ts"

type Env = Record<string, string>

const closing: Array<() => Promise<void>> = []

afterEach(async () => {
  await stopAll()
  for (const close of closing.splice(0)) await close()
})

const cluster = async (view: "mongodb" | "mariadb"): Promise<Env> => {
  const database = await freshDatabase(liveUrl("SLUICE_MARIADB_URL"))
  closing.push(database.drop)
  const mongodb = new URL(liveUrl("SLUICE_MONGODB_URL"))
  mongodb.pathname = `/sluice_${process.pid}_${Date.now()}`
  closing.push(async () => {
    const client = new MongoClient(mongodb.href)
    await client.db().dropDatabase()
    await client.close()
  })
  return {
    ...clusterEnv(),
    SLUICE_MARIADB_URL: database.url,
    SLUICE_MONGODB_URL: mongodb.href,
    SLUICE_DATA_DIR: mkdtempSync(path(tmpdir(), "sluice-e2e-")),
    SLUICE_ORDER_VIEW: view
  }
}

describe.runIf(isLive())("the order view built anew, on real servers", () => {
  for (const view of ["mongodb", "mariadb"] as const) {
    it(`while orders come in, with two projectors beside it: all are in the new one and the former one on ${view}`, async () => {
      const env = await cluster(view)
      const start = (roles: string, more: Env = {}) =>
        startSluice({ args: ["serve", "--roles", roles], env: { ...env, ...more } })
      const [{ url }, dying] = [
        await start("gateway,relay,projector"),
        await start("gateway", { SLUICE_CRASH_AT: "rebuild.copied" })
      ]
      await start("projector")
      await shop(url)
      const before = await place(url, 100)
      const sold = selling(url)
      await post(dying.url, "rebuild").catch(() => undefined)
      assert.strictEqual(await dying.ended, "SIGKILL")
      assert.include(["running", "interrupted"], (await generations(url)).rebuild?.state)
      const report = await rebuild(url)
      assert.deepInclude(report, { live: 1, former: 0, building: null })
      assert.strictEqual(report.rebuild?.state, "done")
      const all = [...before, ...(await sold.stop())]
      await caughtUp(url)
      const checked = (await verified(url)).checked
      assert.isAtLeast(checked, all.length)
      assert.deepInclude(await verified(url), { differing: 0, onlyInView: 0 })
      assert.deepInclude((await post(url, "generations/back")).body, { live: 0, former: 1 })
      await new Promise((resolve) => setTimeout(resolve, 1_100))
      assert.deepInclude(await verified(url), { checked, differing: 0, onlyInView: 0 })
      assert.deepInclude((await post(url, "generations/drop")).body, { live: 0, former: null })
      assert.strictEqual((await post(url, "generations/back")).status, 409)
      assert.deepInclude(await verified(url), { checked, differing: 0 })
    })
  }
})
