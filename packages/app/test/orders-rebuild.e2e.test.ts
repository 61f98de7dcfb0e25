/** The order view built anew in processes of their own: killed at every point, while orders come in, and with projectors beside it. */
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join as path } from "node:path"
import type { RebuildReport, VerifyOrders } from "@sluice/orders"
import { freshDatabase } from "@sluice/testkit/database"
import { clusterEnv, isLive, liveUrl } from "@sluice/testkit/live"
import { call, eventually, startSluice, stopAll } from "@sluice/testkit/processes"
import { MongoClient } from "mongodb"
import { afterEach, assert, describe, it } from "vitest"

type Report = RebuildReport.RebuildReport
type Env = Record<string, string>

const closing: Array<() => Promise<void>> = []

afterEach(async () => {
  await stopAll()
  for (const close of closing.splice(0)) await close()
})

const customerId = `c-${process.pid}-${Date.now()}`

const shop = async (url: string) => {
  const address = { street: "1 High Street", city: "Town", zipcode: "12345" }
  await call(`${url}/customers/${customerId}`, "PUT", { name: "Ada", level: "gold", address }, true)
  await call(`${url}/products/p1`, "PUT", { name: "Tea", category: "tea", price: 125 }, true)
}

/** Places and pays orders until it is told to stop, or the process is away; gives those that were answered. */
const selling = (url: string) => {
  let isOpen = true
  const placed: Array<string> = []
  const one = async () => {
    while (isOpen) {
      const lines = [{ productId: "p1", quantity: 1 }]
      const { body, status } = await call<{ orderId: string }>(`${url}/orders`, "POST", { customerId, lines })
      if (status === 201) placed.push(body.orderId)
      if (status === 201 && placed.length % 3 === 0) await call(`${url}/orders/${body.orderId}/pay`, "POST")
      await new Promise((resolve) => setTimeout(resolve, 3))
    }
  }
  const done = Promise.allSettled(Array.from({ length: 4 }, one))
  return {
    stop: async () => {
      isOpen = false
      await done
      return placed
    }
  }
}

const place = async (url: string, count: number) => {
  const sold = selling(url)
  await new Promise((resolve) => setTimeout(resolve, 50))
  let placed = await sold.stop()
  while (placed.length < count) placed = [...placed, ...(await place(url, count - placed.length))]
  return placed
}

const generations = async (url: string) => (await call<Report>(`${url}/admin/orders/generations`, "GET", undefined, true)).body

const post = (url: string, what: string) => call<Report>(`${url}/admin/orders/${what}`, "POST", undefined, true)

/** As an operator does, who is told that another one may be under way. */
const rebuild = async (url: string) => {
  await eventually("it is begun", async () => (await post(url, "rebuild")).status === 202)
  let report = await generations(url)
  await eventually("it has ended", async () => {
    report = await generations(url)
    return report.rebuild?.state !== "running"
  })
  return report
}

const verified = async (url: string, query = "") =>
  (await call<VerifyOrders.VerifyReport>(`${url}/admin/orders/verify${query}`, "POST", undefined, true)).body

const caughtUp = (url: string) =>
  eventually("both sides are equal", async () => {
    const { differing, onlyInView } = await verified(url)
    return differing + onlyInView === 0
  })

describe("the order view built anew, embedded", () => {
  const points = ["rebuild.created", "rebuild.named", "rebuild.copied", "rebuild.compared", "rebuild.switched"]
  for (const point of points) {
    it(`a process that dies at ${point}: readers have every order, and the next rebuild ends it`, async () => {
      const env = { SLUICE_DATA_DIR: mkdtempSync(path(tmpdir(), "sluice-e2e-")) }
      const dying = await startSluice({ env: { ...env, SLUICE_CRASH_AT: point } })
      await shop(dying.url)
      const before = await place(dying.url, 100)
      const sold = selling(dying.url)
      await post(dying.url, "rebuild").catch(() => undefined)
      assert.strictEqual(await dying.ended, "SIGKILL")
      const during = await sold.stop()

      const { url } = await startSluice({ env })
      const all = [...before, ...during]
      await caughtUp(url)
      const left = await generations(url)
      assert.strictEqual(left.live, point === "rebuild.switched" ? 1 : 0)
      assert.strictEqual(left.former, point === "rebuild.switched" ? 0 : null)
      const after = selling(url)
      const report = await rebuild(url)
      const later = await after.stop()
      assert.strictEqual(report.rebuild?.state, "done")
      assert.deepInclude(report, point === "rebuild.switched" ? { live: 2, former: 1 } : { live: 1, former: 0 })
      await caughtUp(url)
      const whole = await verified(url)
      assert.deepInclude(whole, { differing: 0, onlyInView: 0 })
      assert.isAtLeast(whole.checked, all.length + later.length)
    })
  }
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
