/** What the suites over the write side of orders share: a shop, and an event log that only records. */
import { randomUUID } from "node:crypto"
import { Issuances } from "@sluice/coupons"
import { type NewOrder, type OrderChanged, type OrderEvent, ordersTopic } from "@sluice/domain"
import { EventLog, EventLogError, type NewEvent } from "@sluice/engines"
import { Customers, Orders, OrdersRead, Outbox, Products } from "@sluice/orders"
import { Effect, Layer, Schedule } from "effect"
import { SqlClient } from "effect/sql"

export const services = Layer.mergeAll(Orders.layer(), Customers.layer, Products.layer, OrdersRead.layer).pipe(
  Layer.provideMerge(Outbox.layer)
)

export const newId = (name: string) => `${name}-${randomUUID().slice(0, 13)}`

const address = { street: "1 High Street", city: "Town", zipcode: "12345" }

/** A customer, and products that cost 100, 200 and 300. */
export const shop = Effect.gen(function* () {
  const customers = yield* Customers.Customers
  const products = yield* Products.Products
  const customerId = newId("c")
  yield* customers.put(customerId, { name: "Ada", level: "gold", address })
  const [one, two, three] = [newId("p"), newId("p"), newId("p")] as [string, string, string]
  for (const [i, id] of [one, two, three].entries()) {
    yield* products.put(id, { name: `Product ${i + 1}`, category: i < 2 ? "tea" : "cups", price: (i + 1) * 100 })
  }
  const order = (quantity = 1): NewOrder => ({
    customerId,
    lines: [
      { productId: one, quantity },
      { productId: three, quantity: 1 }
    ]
  })
  return { customerId, one, two, three, order }
})

export const anotherCustomer = Effect.gen(function* () {
  const id = newId("c")
  yield* (yield* Customers.Customers).put(id, { name: "Bob", level: "silver", address })
  return id
})

export const coupon = Effect.fnUntraced(function* (userId: string) {
  const sql = yield* SqlClient.SqlClient
  const code = Issuances.newCode()
  const row = { campaign_id: newId("k"), serial: 1, user_id: userId, seq: 1, code, issued_at_ms: 1 }
  yield* sql`INSERT INTO issuances ${sql.insert(row)}`
  return code
})

/** What waits in the outbox under these keys, oldest first. */
export const waitingEvents = Effect.fnUntraced(function* (keys: ReadonlyArray<string>) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ payload: string }>`SELECT payload FROM outbox WHERE ${sql.in("event_key", keys)} ORDER BY id`
  return rows.map(({ payload }) => JSON.parse(payload) as OrderEvent)
})

export const orderOf = (event: OrderEvent) => (event as OrderChanged).order

export interface Recorder {
  readonly published: Array<NewEvent>
  isAway: boolean
  /** How often it was asked while it was away. */
  missed: number
  /** Before a publish is done. */
  delay: Effect.Effect<void>
}

export const recorder = (): Recorder => ({ published: [], isAway: false, missed: 0, delay: Effect.void })

/** Records what is published, when its delay is over. */
export const recordingLog = (record: Recorder) =>
  Layer.mock(EventLog, {
    publish: (topic, events) =>
      Effect.gen(function* () {
        if (record.isAway) record.missed++
        if (record.isAway) return yield* new EventLogError({ cause: new Error("away") })
        yield* record.delay
        if (topic === ordersTopic) record.published.push(...events)
      })
  })

export const eventually = <A, E, R>(what: string, ask: Effect.Effect<A, E, R>, holds: (a: A) => boolean) =>
  ask.pipe(
    Effect.filterOrFail(holds, (a) => new Error(`${what}: still ${JSON.stringify(a).slice(0, 300)}`)),
    Effect.retry(Schedule.spaced("10 millis").pipe(Schedule.upTo({ times: 1500 })))
  )
