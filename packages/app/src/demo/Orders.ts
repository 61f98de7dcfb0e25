/** Scenario 3: orders by holders of coupons, written by one side and read from the other. */
import { count } from "../commands/Output.ts"
import type { LagReport } from "../Lag.ts"
import type { Seen } from "./Demo.ts"
import { campaignId } from "./Drop.ts"
import { progress } from "./Screen.ts"
import { DemoFailure, type Stage } from "./Stage.ts"

interface Placed {
  readonly orderId: string
  readonly version: number
}

interface Holder {
  readonly user_id: string
  readonly code: string
}

const hands = 8

/** `f` of each, by a few at a time. */
const each = async <A, B>(items: ReadonlyArray<A>, f: (item: A, i: number) => Promise<B>): Promise<Array<B>> => {
  const results: Array<B> = []
  let next = 0
  const work = async () => {
    for (let i = next++; i < items.length; i = next++) results[i] = await f(items[i]!, i)
  }
  await Promise.all(Array.from({ length: hands }, work))
  return results
}

const watchLag = (stage: Stage) => {
  const most = { events: 0, milliseconds: 0, looks: 0 }
  let isOver = false
  const look = async () => {
    const { body, status } = await stage.call<LagReport>("GET", "/lag")
    if (status !== 200) throw new DemoFailure(`GET /lag answered ${status}`)
    most.looks++
    most.events = Math.max(most.events, body.relay.events + body.projector.events)
    most.milliseconds = Math.max(most.milliseconds, body.relay.milliseconds, body.projector.milliseconds)
    return body.relay.events + body.projector.events
  }
  const watching = (async () => {
    while (!isOver) {
      await look()
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  })()
  watching.catch(() => {})
  return {
    most,
    stop: async () => {
      isOver = true
      await watching
    },
    /** Until nothing waits any more. */
    drained: async () => {
      const until = Date.now() + 30_000
      while ((await look()) > 0 && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 50))
      return look()
    }
  }
}

export const orders = async (stage: Stage, wanted: number): Promise<ReadonlyArray<Seen>> => {
  const { call, json, query, screen } = stage
  screen.title(`Orders: ${count(wanted)} placed by holders of coupons, written here and read there`)
  const holders = query<Holder>(
    `SELECT user_id, code FROM issuances WHERE campaign_id = '${campaignId}' ORDER BY serial LIMIT ${wanted}`
  )
  const expect = <A>(
    what: string,
    { body, status }: { readonly body: A; readonly status: number },
    ...codes: Array<number>
  ): A => {
    if (!codes.includes(status)) throw new DemoFailure(`${what} answered ${status}: ${JSON.stringify(body)}`)
    return body
  }
  const address = { street: "1 High Street", city: "Town", zipcode: "12345" }
  await each(holders, async ({ user_id }) =>
    expect("PUT /customers", await call("PUT", `/customers/${user_id}`, { name: user_id, level: "gold", address }), 200)
  )
  const products = ["tea", "coffee", "cocoa"]
  await each(products, async (name, i) =>
    expect("PUT /products", await call("PUT", `/products/${name}`, { name, category: "drinks", price: 100 + 25 * i }), 200)
  )

  const lag = watchLag(stage)
  const bodyOf = (i: number) => {
    const { code, user_id } = holders[i % holders.length]!
    const lines = products.slice(0, 1 + (i % products.length)).map((productId) => ({ productId, quantity: 1 + (i % 4) }))
    return { customerId: user_id, lines, ...(i < holders.length ? { couponCode: code } : {}) }
  }
  const post = (i: number, key = `demo-${i}`) => call<Placed>("POST", "/orders", bodyOf(i), { "idempotency-key": key })
  let done = 0
  const waits: Array<number> = []
  const placed = await each(Array.from({ length: wanted }), async (_, i) => {
    const order = expect("POST /orders", await post(i), 201)
    const writtenAt = performance.now()
    const { orderId, version } = order
    expect("GET /orders", await call("GET", `/orders/${orderId}?version=${version}`), 200)
    waits.push(performance.now() - writtenAt)
    screen.live(progress(++done / wanted, `${count(done)} of ${count(wanted)} orders`))
    return order
  })
  const some = placed.slice(0, Math.ceil(wanted / 4))
  const paid = await each(some, async ({ orderId }) => expect("pay", await call<Placed>("POST", `/orders/${orderId}/pay`), 200))
  await each(paid.slice(0, Math.ceil(paid.length / 2)), async ({ orderId }) =>
    expect("ship", await call("POST", `/orders/${orderId}/ship`), 200)
  )
  const again = await each(some, async (_, i) => (await post(i)).body.orderId === placed[i]!.orderId)
  const twice = await each(holders.slice(0, 20), (_, i) => post(i, `demo-second-${i}`))
  screen.step(
    `${count(placed.length)} placed, ${count(paid.length)} paid, and ${count(twice.length)} coupons tried a second time`
  )

  const left = await lag.drained()
  await lag.stop()
  const longest = Math.ceil(Math.max(...waits))
  screen.step(`each was read back within ${count(longest)} ms; GET /lag said at most ${count(lag.most.events)} events`)
  const verified = await json<{ readonly checked: number; readonly differing: number }>(["orders", "verify"], [0, 3])
  const [written] = query<{ n: number; coupons: number }>(
    "SELECT COUNT(*) AS n, COUNT(DISTINCT coupon_code) AS coupons FROM orders"
  )
  const used = Math.min(holders.length, wanted)
  const refused = twice.filter(({ status }) => status === 409).length
  return [
    {
      scenario: "orders",
      promise: "each order answered 201 is written once, also when it is sent again",
      seen: `${count(written!.n)} written of ${count(placed.length)}; ${count(again.filter(Boolean).length)} of ${count(again.length)} sent again got the same answer`,
      kept: written!.n === placed.length && new Set(placed.map(({ orderId }) => orderId)).size === wanted && again.every(Boolean)
    },
    {
      scenario: "orders",
      promise: "a coupon is used once",
      seen: `${count(written!.coupons)} of ${count(used)} used, ${count(refused)} of ${count(twice.length)} refused the second time`,
      kept: written!.coupons === used && refused === twice.length
    },
    {
      scenario: "orders",
      promise: "what was written is read, equal in every field",
      seen: `${count(verified.checked)} compared, ${count(verified.differing)} differ`,
      kept: verified.checked === placed.length && verified.differing === 0
    },
    {
      scenario: "orders",
      promise: "who writes reads it back, and readers catch up",
      seen: `${count(waits.length)} of ${count(wanted)} read back within ${count(longest)} ms; lag at most ${count(lag.most.events)} events in ${count(lag.most.looks)} looks, ${count(left)} at the end`,
      kept: waits.length === wanted && left === 0
    }
  ]
}
