/** Orders while an engine, or whoever carries them to their readers, is away: every answer is an answer, and what was answered is kept. */
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join as path } from "node:path"
import { type Database, freshDatabase } from "@sluice/testkit/database"
import { areOurs, clusterEnv, isLive, liveUrl } from "@sluice/testkit/live"
import { call, eventually, type SluiceProcess, startSluice, stopAll } from "@sluice/testkit/processes"
import { type Name, restart, stop } from "@sluice/testkit/stack/index"
import { afterEach, assert, describe, it } from "vitest"

const broken = new Set<Name>()
const databases: Array<Database> = []

afterEach(async () => {
  await stopAll()
  for (const name of broken) await restart(name)
  broken.clear()
  for (const database of databases.splice(0)) await database.drop()
})

const start = async (roles: string, former?: Record<string, string>) => {
  const database = former === undefined ? await freshDatabase(liveUrl("SLUICE_MARIADB_URL")) : undefined
  if (database !== undefined) databases.push(database)
  const env = former ?? {
    ...clusterEnv(),
    SLUICE_MARIADB_URL: database!.url,
    SLUICE_DATA_DIR: mkdtempSync(path(tmpdir(), "sluice-e2e-"))
  }
  return { env, sluice: await startSluice({ args: ["serve", "--roles", roles], env }) }
}

const customerId = `c-${process.pid}-${Date.now()}`
const address = { street: "1 High Street", city: "Town", zipcode: "12345" }

const stock = async ({ url }: SluiceProcess) => {
  await call(`${url}/customers/${customerId}`, "PUT", { name: "Ada", level: "gold", address }, true)
  await call(`${url}/products/p1`, "PUT", { name: "Tea", category: "tea", price: 125 }, true)
}

interface Seen {
  readonly what: "place" | "read"
  readonly status: number
  readonly retryAfter: string | null
  readonly ms: number
}

interface Placed {
  readonly orderId: string
  readonly total: number
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Places orders and reads them by their version, all the time: each order is asked for until it is answered. */
const shoppers = ({ url }: SluiceProcess) => {
  const placed = new Map<string, Placed>()
  const seen: Array<Seen> = []
  let isOver = false
  let next = 0
  const ask = async (what: Seen["what"], target: string, init: RequestInit = {}) => {
    const asked = performance.now()
    const answer = await fetch(target, { ...init, signal: AbortSignal.timeout(20_000) })
    const body = (await answer.json()) as Placed
    seen.push({ what, status: answer.status, retryAfter: answer.headers.get("retry-after"), ms: performance.now() - asked })
    return { status: answer.status, body }
  }
  const place = (key: string, quantity: number) =>
    ask("place", `${url}/orders`, {
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": key },
      body: JSON.stringify({ customerId, lines: [{ productId: "p1", quantity }] })
    })
  const shopper = async () => {
    while (!isOver) {
      const quantity = ++next
      const key = `key-${quantity}`
      while (true) {
        const { body, status } = await place(key, quantity)
        if (status === 201) {
          placed.set(key, body)
          break
        }
        await pause(200)
      }
      await ask("read", `${url}/orders/${placed.get(key)!.orderId}?version=1`)
      await pause(20)
    }
  }
  const shopping = Promise.all(Array.from({ length: 6 }, shopper))
  return {
    placed,
    seen,
    place,
    stop: () => {
      isOver = true
      return shopping
    }
  }
}

/** Orders and readers before, while and after `fault`; at the end everything that was answered is there, and read. */
const through = async (fault: (shopping: ReturnType<typeof shoppers>) => Promise<void>) => {
  const { sluice } = await start("gateway,relay,projector")
  const { url } = sluice
  await stock(sluice)
  const shopping = shoppers(sluice)
  try {
    await eventually("some are placed", async () => shopping.placed.size >= 20)
    await fault(shopping)
    const before = shopping.placed.size
    await eventually("orders are placed again", async () => shopping.placed.size >= before + 20)
  } finally {
    await shopping.stop()
  }
  for (const { ms, retryAfter, status, what } of shopping.seen) {
    assert.include(what === "place" ? [201, 503] : [200, 503], status, `${what}\n${sluice.output()}`)
    if (status === 503) assert.match(String(retryAfter), /^[1-9]\d*$/)
    assert.isBelow(ms, 15_000)
  }
  for (const [key, { orderId, total }] of shopping.placed) {
    const again = await shopping.place(key, Number(key.slice(4)))
    assert.deepStrictEqual([again.status, again.body.orderId, again.body.total], [201, orderId, total])
    await eventually("read", async () => {
      const { body, status } = await call(`${url}/orders/${orderId}?version=1`)
      return status === 200 && body.total === total
    })
  }
  return shopping.seen
}

const away = async (name: Name, ms: number, whileAway?: () => Promise<void>) => {
  broken.add(name)
  await stop(name, "SIGKILL")
  await pause(ms)
  await whileAway?.()
  await restart(name)
}

const statusesOf = (seen: ReadonlyArray<Seen>, of: Seen["what"]) =>
  new Set(seen.filter(({ what }) => what === of).map(({ status }) => status))

describe.runIf(await areOurs())("orders while an engine is away", () => {
  it("MariaDB killed and back: 201 or 503, and each that was answered is there once", async () => {
    const seen = await through(() => away("mariadb", 3000))
    assert.isTrue(statusesOf(seen, "place").has(503))
  })

  it("Kafka killed and back: every order is taken meanwhile, and read afterwards", async () => {
    const seen = await through(async ({ placed }) => {
      const before = placed.size
      await away("kafka", 3000, () => eventually("orders are placed without Kafka", async () => placed.size >= before + 6))
    })
    assert.deepStrictEqual([...statusesOf(seen, "place")], [201])
  })

  it("MongoDB killed and back: every order is taken meanwhile, readers are told, and read afterwards", async () => {
    const seen = await through(async ({ placed }) => {
      const before = placed.size
      await away("mongodb", 3000, () => eventually("orders are placed without MongoDB", async () => placed.size >= before + 6))
    })
    assert.deepStrictEqual([...statusesOf(seen, "place")], [201])
    assert.isTrue(statusesOf(seen, "read").has(503))
  })
})

describe.runIf(isLive())("orders while nobody carries them to their readers", () => {
  it("relay and projector killed while 300 orders come in: all are taken, and read after they are back", async () => {
    const { env, sluice } = await start("gateway")
    await stock(sluice)
    let carrier = (await start("relay,projector", env)).sluice
    const place = async () =>
      (await call<Placed>(`${sluice.url}/orders`, "POST", { customerId, lines: [{ productId: "p1", quantity: 1 }] })).body
    const placed: Array<Placed> = []
    for (let i = 0; i < 300; i += 30) {
      if (i === 120) await carrier.kill("SIGKILL")
      placed.push(...(await Promise.all(Array.from({ length: 30 }, place))))
    }
    assert.isTrue(placed.every(({ total }) => total === 125))
    carrier = (await start("relay,projector", env)).sluice
    await eventually("all are read", async () => {
      const found = await Promise.all(placed.map(({ orderId }) => call(`${sluice.url}/orders/${orderId}`)))
      return found.every(({ body, status }) => status === 200 && body.total === 125)
    })
    assert.isNull(carrier.child.exitCode)
  })
})
