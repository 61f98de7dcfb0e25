/**
 * Takes orders and moves them on: `placed` to `paid` to `shipped`, and until then to `cancelled`.
 *
 * Each change is one guarded statement, so of two that contradict each other one is refused, and it is committed together with its
 * history and its event, which carries the whole order. Nothing here waits for a reader or for the event log. Cancelling gives a coupon
 * back to its customer, who may spend it on another order; what was paid stays on record.
 */
import { randomBytes } from "node:crypto"
import {
  type NewOrder,
  OrderForbidden,
  type OrderId,
  OrderNotFound,
  type OrderState,
  OrderStateRefused,
  Unavailable,
  type UserId
} from "@sluice/domain"
import { crashPoint, Tracing, transact } from "@sluice/engines"
import { Clock, Context, Effect, Layer, Metric, Result } from "effect"
import { SqlClient } from "effect/sql"
import * as Convoy from "./Convoy.ts"
import { bodyHash } from "./OrderKeys.ts"
import { makeOrdersRead } from "./OrdersRead.ts"
import { Outbox } from "./Outbox.ts"
import { makePlaceAll, type Placed, type PlaceError } from "./PlaceOrders.ts"
import { changedBy } from "./Statements.ts"

export type NextState = Exclude<OrderState, "placed">

export interface Changed {
  readonly orderId: OrderId
  readonly version: number
  readonly state: OrderState
}

export class Orders extends Context.Service<
  Orders,
  {
    /** With a key, the same answer however often it is asked. */
    readonly place: (order: NewOrder, key?: string) => Effect.Effect<Placed, PlaceError>
    /** `by`: only an order of this customer. */
    readonly change: (
      orderId: OrderId,
      state: NextState,
      by?: UserId
    ) => Effect.Effect<Changed, OrderNotFound | OrderForbidden | OrderStateRefused | Unavailable>
  }
>()("sluice/Orders") {}

export interface Options {
  /** Transactions that place orders at once; SQLite has one. */
  readonly lanes?: number
  readonly maxBatch?: number
}

/** Of this process. */
export const placedTotal = Metric.counter("sluice_orders_placed_total", { description: "Orders committed.", incremental: true })
const changedTotal = Metric.counter("sluice_order_changes_total", {
  description: "Orders paid, shipped or cancelled.",
  incremental: true
})

const from: Readonly<Record<NextState, ReadonlyArray<OrderState>>> = {
  paid: ["placed"],
  shipped: ["paid"],
  cancelled: ["placed", "paid"]
}

const maxWaiting = 20_000

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

/** 48 bits of milliseconds, then 80 random ones, in 26 characters: ids ascend with time and can't be guessed. */
export const newOrderId = (nowMs: number): OrderId => {
  let time = ""
  for (let rest = nowMs; time.length < 10; rest = Math.floor(rest / 32)) time = alphabet[rest % 32] + time
  let id = time
  for (const byte of randomBytes(16)) id += alphabet[byte & 31]
  return id
}

const unavailable = new Unavailable({ engine: "sql", retryAfterSeconds: 1 })

const make = Effect.fnUntraced(function* (options: Options) {
  const sql = yield* SqlClient.SqlClient
  const outbox = yield* Outbox
  const read = makeOrdersRead(sql)
  const convoy = yield* Convoy.make({
    run: makePlaceAll(sql, outbox),
    lanes: options.lanes ?? sql.onDialectOrElse({ mysql: () => 2, orElse: () => 1 }),
    maxBatch: options.maxBatch ?? 64
  })

  const place = Effect.fnUntraced(function* (order: NewOrder, key?: string) {
    if (convoy.waiting() >= maxWaiting) return yield* new Unavailable({ engine: "orders", retryAfterSeconds: 1 })
    const orderId = newOrderId(yield* Clock.currentTimeMillis)
    const span = yield* Tracing.currentSpan
    const outcome = yield* convoy.request({
      orderId,
      order,
      key,
      bodyHash: key === undefined ? "" : bodyHash(order),
      trace: span && Tracing.traceparentOf(span)
    })
    if (Result.isFailure(outcome)) return yield* Effect.fail(outcome.failure)
    if (outcome.success.orderId === orderId) yield* Metric.update(placedTotal, 1)
    return outcome.success
  })

  const refusal = Effect.fnUntraced(function* (orderId: OrderId, by: UserId | undefined) {
    const [row] = yield* sql<{
      state: OrderState
      customer_id: string
    }>`SELECT state, customer_id FROM orders WHERE id = ${orderId}`
    if (row === undefined) return yield* new OrderNotFound({ orderId })
    if (by !== undefined && row.customer_id !== by) return yield* new OrderForbidden()
    return yield* new OrderStateRefused({ orderId, state: row.state })
  })

  const change = Effect.fnUntraced(function* (orderId: OrderId, state: NextState, atMs: number, by: UserId | undefined) {
    const ownedBy = by === undefined ? sql.literal("") : sql`AND customer_id = ${by}`
    const changed = yield* changedBy(
      sql`UPDATE orders SET state = ${state}, version = version + 1
        WHERE id = ${orderId} AND ${sql.in("state", from[state])} ${ownedBy}`.raw
    )
    if (changed === 0) return yield* refusal(orderId, by)
    yield* sql`INSERT INTO order_history (order_id, version, state, at_ms)
      SELECT id, version, state, ${atMs} FROM orders WHERE id = ${orderId}`
    if (state === "paid") {
      yield* sql`INSERT INTO payments (order_id, amount, paid_at_ms) SELECT id, total, ${atMs} FROM orders WHERE id = ${orderId}`
    }
    if (state === "cancelled") yield* sql`DELETE FROM coupon_spendings WHERE order_id = ${orderId}`
    const events = yield* read.byIds([orderId])
    const span = yield* Tracing.currentSpan
    yield* outbox.append(events, [span && Tracing.traceparentOf(span)])
    yield* crashPoint("orders.inserted")
    return { orderId, version: events[0]!.order.version, state }
  })

  /** After a failure: an order enters a state once, so its time tells whether this change is committed. */
  const settle = (orderId: OrderId, state: NextState, atMs: number) =>
    sql<{ version: number }>`SELECT version FROM order_history
      WHERE order_id = ${orderId} AND state = ${state} AND at_ms = ${atMs}`.pipe(
      Effect.mapError(() => unavailable),
      Effect.flatMap(([row]) =>
        row === undefined ? Effect.fail(unavailable) : Effect.succeed({ orderId, version: row.version, state })
      )
    )

  return Orders.of({
    place,
    change: Effect.fnUntraced(function* (orderId, state, by) {
      const atMs = yield* Clock.currentTimeMillis
      const result = yield* transact(sql)(change(orderId, state, atMs, by)).pipe(
        Effect.tap(() => crashPoint("orders.committed")),
        Effect.catchTag("SqlError", () => settle(orderId, state, atMs))
      )
      yield* Metric.update(Metric.withAttributes(changedTotal, { state }), 1)
      return result
    })
  })
})

export const layer = (options: Options = {}): Layer.Layer<Orders, never, SqlClient.SqlClient | Outbox> =>
  Layer.effect(Orders, make(options))
