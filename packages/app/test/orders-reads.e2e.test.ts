/** Orders from their placing to their readers, in processes of their own: equal in every field, and none lost while nobody projects. */
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join as path } from "node:path"
import { freshDatabase } from "@sluice/testkit/database"
import { clusterEnv, isLive, liveUrl } from "@sluice/testkit/live"
import { call, eventually, type SluiceProcess, startSluice, stopAll } from "@sluice/testkit/processes"
import { afterEach, assert, describe, it } from "vitest"

const closing: Array<() => Promise<void>> = []

afterEach(async () => {
  await stopAll()
  for (const close of closing.splice(0)) await close()
})

type Env = Record<string, string>
const start = (env: Env, roles: string) => startSluice({ args: ["serve", "--roles", roles], env })
const dataDir = () => mkdtempSync(path(tmpdir(), "sluice-e2e-"))

const cluster = async (view: "mongodb" | "mariadb"): Promise<Env> => {
  const database = await freshDatabase(liveUrl("SLUICE_MARIADB_URL"))
  closing.push(database.drop)
  return { ...clusterEnv(), SLUICE_MARIADB_URL: database.url, SLUICE_DATA_DIR: dataDir(), SLUICE_ORDER_VIEW: view }
}

interface Placed {
  readonly orderId: string
  readonly version: number
}

/** Customers of this run alone: a view of real servers outlives it. */
const customerId = `c-${process.pid}-${Date.now()}`
const customer = { id: customerId, name: "Ada $1", level: "gold" }

const stock = async (url: string) => {
  const address = { street: "1 High Street", city: "Town", zipcode: "12345" }
  await call(`${url}/customers/${customerId}`, "PUT", { name: customer.name, level: customer.level, address }, true)
  await call(`${url}/products/p1`, "PUT", { name: "Tea", category: "tea", price: 125 }, true)
  await call(`${url}/products/p2`, "PUT", { name: "Cup ☕", category: "cups", price: 300 }, true)
}

const place = async (url: string, quantity: number): Promise<Placed> => {
  const lines = [
    { productId: "p1", quantity },
    { productId: "p2", quantity: 1 }
  ]
  const { body, status } = await call<Placed>(`${url}/orders`, "POST", { customerId, lines })
  assert.strictEqual(status, 201)
  return body
}

const many = (url: string, count: number) => Promise.all(Array.from({ length: count }, (_, i) => place(url, (i % 9) + 1)))

/** As a client does: a group that has only begun to consume may take longer than a reader waits. */
const readVersion = async (url: string, { orderId, version }: Placed) => {
  for (let tries = 0; ; tries++) {
    const answer = await call(`${url}/orders/${orderId}?version=${version}`)
    if (answer.status !== 503 || tries === 15) return answer
  }
}

const readsBack = async ({ url }: SluiceProcess) => {
  const placed = await many(url, 200)
  await Promise.all(
    placed.map(async ({ orderId, version }, i) => {
      const { body, status } = await readVersion(url, { orderId, version })
      assert.strictEqual(status, 200)
      const quantity = (i % 9) + 1
      const { history, placedAt, ...rest } = body as { history: ReadonlyArray<{ at: string }>; placedAt: string }
      assert.match(placedAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
      assert.deepStrictEqual(history, [{ state: "placed", at: history[0]!.at, version: 1 }] as never)
      assert.deepStrictEqual(rest as unknown, {
        orderId,
        version: 1,
        state: "placed",
        customer,
        lines: [
          { productId: "p1", name: "Tea", category: "tea", price: 125, quantity },
          { productId: "p2", name: "Cup ☕", category: "cups", price: 300, quantity: 1 }
        ],
        total: quantity * 125 + 300,
        payment: null
      })
    })
  )
  return placed
}

const pagesOf = async (url: string, query = "") => {
  const ids: Array<string> = []
  let cursor: string | null = ""
  while (cursor !== null) {
    const page: { body: { orders: ReadonlyArray<Placed>; nextCursor: string | null } } = await call(
      `${url}/customers/${customerId}/orders?limit=30${query}${cursor === "" ? "" : `&cursor=${cursor}`}`
    )
    ids.push(...page.body.orders.map(({ orderId }) => orderId))
    cursor = page.body.nextCursor
  }
  return ids
}

const whole = async (sluice: SluiceProcess) => {
  const { url } = sluice
  await stock(url)
  const placed = await readsBack(sluice)
  const first = placed[0]!.orderId
  const paid = await call<Placed>(`${url}/orders/${first}/pay`, "POST")
  const read = await readVersion(url, paid.body)
  assert.strictEqual(read.body.state, "paid")
  assert.isNotNull(read.body.payment)
  assert.strictEqual((await call(`${url}/orders/${first}?version=9`)).status, 503)
  assert.strictEqual((await call(`${url}/orders/unknown-order`)).status, 404)
  const ids = await pagesOf(url)
  assert.deepStrictEqual(ids.toSorted(), placed.map(({ orderId }) => orderId).toSorted())
  assert.deepStrictEqual(await pagesOf(url, "&state=paid"), [first])
}

describe("orders and their readers, embedded", () => {
  it("200 orders are read back equal in every field, by version, and once over the pages", async () => {
    await whole(await startSluice({ env: { SLUICE_DATA_DIR: dataDir() } }))
  })

  for (const point of ["projector.received", "projector.applied", "projector.committed"]) {
    it(`a process that dies at ${point}: every order that was answered is read after it is back`, async () => {
      const env = { SLUICE_DATA_DIR: dataDir() }
      const dying = await startSluice({ env: { ...env, SLUICE_CRASH_AT: `${point}:6` } })
      const placed: Array<Placed> = []
      await stock(dying.url)
      try {
        while (placed.length < 200) placed.push(await place(dying.url, 1))
      } catch (cause) {
        if (!(cause instanceof TypeError)) throw cause
      }
      assert.strictEqual(await dying.ended, "SIGKILL")
      assert.isAbove(placed.length, 0)
      const { url } = await startSluice({ env })
      for (const { orderId } of placed) {
        await eventually("read", async () => (await call(`${url}/orders/${orderId}?version=1`)).status === 200)
      }
    })
  }
})

describe.runIf(isLive())("orders and their readers, on real servers", () => {
  for (const view of ["mongodb", "mariadb"] as const) {
    it(`200 orders are read back equal in every field from ${view}`, async () => {
      await whole(await start(await cluster(view), "gateway,relay,projector"))
    })
  }

  it("300 orders without relay and projector are taken, and read after these are back", async () => {
    const env = await cluster("mongodb")
    const { url } = await start(env, "gateway")
    await stock(url)
    const placed = await many(url, 300)
    assert.strictEqual((await call(`${url}/orders/${placed[0]!.orderId}?version=1`)).status, 503)
    await Promise.all([start(env, "relay,projector"), start(env, "projector")])
    await eventually("all are read", async () => {
      const found = await Promise.all(placed.map(({ orderId }) => call(`${url}/orders/${orderId}`)))
      return found.every(({ status }) => status === 200)
    })
  })
})
