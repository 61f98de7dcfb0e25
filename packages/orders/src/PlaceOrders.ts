/**
 * Many orders in one transaction, each with its own outcome: what is wrong with one does not touch the others.
 *
 * The server prices: name, category and price are copied from the products as they are. Keys and coupons are claimed by inserting them,
 * in one order for everybody, and before anything else is written. A commit whose outcome is not known is settled by looking whether the
 * order is there; where that can't be said, the answer is `Unavailable`, and the same key asked again tells.
 */
import {
  CouponSpent,
  IdempotencyKeyReused,
  type NewOrder,
  type OrderChanged,
  type OrderId,
  OrderInProgress,
  type OrderLine,
  OrderRefused,
  Unavailable
} from "@sluice/domain"
import { crashPoint, Tracing, transact } from "@sluice/engines"
import { Clock, Effect, Result } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { claimKeys, type KeyClaim, keyId, releaseKey } from "./OrderKeys.ts"
import { instant } from "./OrdersRead.ts"
import type { Outbox } from "./Outbox.ts"
import { insertAll } from "./Statements.ts"

export interface Ask {
  readonly orderId: OrderId
  readonly order: NewOrder
  /** Undefined: the caller gave no key. */
  readonly key: string | undefined
  readonly bodyHash: string
  /** The `traceparent` of who asks, where it is traced. */
  readonly trace?: string | undefined
}

export interface Placed {
  readonly orderId: OrderId
  readonly version: number
  readonly total: number
}

export type PlaceError = OrderRefused | CouponSpent | IdempotencyKeyReused | OrderInProgress | Unavailable
export type Outcome = Result.Result<Placed, PlaceError>

/** An order that knows its prices. */
interface Draft {
  readonly ask: Ask
  readonly customer: CustomerRow
  readonly lines: ReadonlyArray<OrderLine>
  readonly total: number
}

interface CustomerRow {
  readonly id: string
  readonly name: string
  readonly level: string
  readonly version: number
}

interface ProductRow {
  readonly id: string
  readonly name: string
  readonly category: string
  readonly price: number
}

const unavailable = new Unavailable({ engine: "sql", retryAfterSeconds: 1 })
const inProgress = new OrderInProgress({ retryAfterSeconds: 1 })

const placed = ({ ask, total }: Draft): Outcome => Result.succeed({ orderId: ask.orderId, version: 1, total })

const claimOf = ({ ask, total }: Draft): KeyClaim | undefined =>
  ask.key === undefined
    ? undefined
    : { customerId: ask.order.customerId, key: ask.key, bodyHash: ask.bodyHash, orderId: ask.orderId, total }

const isLost = ({ reason }: SqlError.SqlError) => reason._tag === "ConnectionError" || reason._tag === "UnknownError"

export const makePlaceAll = (sql: SqlClient.SqlClient, outbox: Outbox["Service"]) => {
  const byId = <Row extends { readonly id: string }>(rows: ReadonlyArray<Row>) => new Map(rows.map((row) => [row.id, row]))

  const lookUp = Effect.fnUntraced(function* (asks: ReadonlyArray<Ask>) {
    const customerIds = [...new Set(asks.map(({ order }) => order.customerId))]
    const productIds = [...new Set(asks.flatMap(({ order }) => order.lines.map(({ productId }) => productId)))]
    const codes = asks.flatMap(({ order }) => (order.couponCode === undefined ? [] : [order.couponCode]))
    const [customers, products, coupons] = yield* Effect.all(
      [
        sql<CustomerRow>`SELECT id, name, level, version FROM customers WHERE ${sql.in("id", customerIds)}`.unprepared,
        sql<ProductRow>`SELECT p.id, p.name, c.name AS category, p.price FROM products p JOIN categories c ON c.id = p.category_id
          WHERE ${sql.in("p.id", productIds)}`.unprepared,
        codes.length === 0
          ? Effect.succeed([])
          : sql<{ id: string; user_id: string }>`SELECT code AS id, user_id FROM issuances WHERE ${sql.in("code", codes)}`
              .unprepared
      ],
      { concurrency: 3 }
    )
    return { customers: byId(customers), products: byId(products), coupons: byId(coupons) }
  })

  const drafted = (ask: Ask, known: Effect.Success<ReturnType<typeof lookUp>>): Draft | OrderRefused => {
    const { couponCode, customerId, lines } = ask.order
    const customer = known.customers.get(customerId)
    const errors: Array<{ readonly path: string; readonly message: string }> = []
    if (customer === undefined) errors.push({ path: "customerId", message: "There is no such customer" })
    if (couponCode !== undefined && known.coupons.get(couponCode)?.user_id !== customerId) {
      errors.push({ path: "couponCode", message: "The customer has no such coupon" })
    }
    let total = 0
    const sold: Array<OrderLine> = []
    for (const [i, { productId, quantity }] of lines.entries()) {
      const product = known.products.get(productId)
      if (product === undefined) errors.push({ path: `lines[${i}].productId`, message: "There is no such product" })
      else {
        const { category, name, price } = product
        sold.push({ productId, name, category, price, quantity })
        total += price * quantity
      }
    }
    return customer === undefined || errors.length > 0 ? new OrderRefused({ errors }) : { ask, customer, lines: sold, total }
  }

  /** Whose coupon it is after this: by code, the order. */
  const spend = Effect.fnUntraced(function* (drafts: ReadonlyArray<Draft>, atMs: number) {
    const rows = drafts
      .flatMap(({ ask }) => (ask.order.couponCode === undefined ? [] : [{ code: ask.order.couponCode, order_id: ask.orderId }]))
      .sort((a, b) => (a.code < b.code ? -1 : 1))
      .map((row) => ({ ...row, spent_at_ms: atMs }))
    const [first, ...rest] = rows
    if (first === undefined) return new Map<string, string>()
    const keepFirst = sql.literal(
      sql.onDialectOrElse({
        mysql: () => "ON DUPLICATE KEY UPDATE order_id = coupon_spendings.order_id",
        orElse: () => "ON CONFLICT (code) DO UPDATE SET order_id = coupon_spendings.order_id"
      })
    )
    const spent = yield* sql<{ code: string; order_id: string }>`INSERT INTO coupon_spendings ${sql.insert([first, ...rest])}
      ${keepFirst} RETURNING code, order_id`.unprepared
    return new Map(spent.map((row) => [row.code, row.order_id]))
  })

  const insert = Effect.fnUntraced(function* (drafts: ReadonlyArray<Draft>, atMs: number) {
    yield* insertAll(
      sql,
      "orders",
      drafts.map(({ ask, total }) => ({
        id: ask.orderId,
        customer_id: ask.order.customerId,
        state: "placed",
        version: 1,
        total,
        coupon_code: ask.order.couponCode ?? null,
        placed_at_ms: atMs
      }))
    )
    yield* insertAll(
      sql,
      "order_lines",
      drafts.flatMap(({ ask, lines }) =>
        lines.map(({ category, name, price, productId, quantity }, line) => ({
          order_id: ask.orderId,
          line,
          product_id: productId,
          name,
          category,
          price,
          quantity
        }))
      )
    )
    yield* insertAll(
      sql,
      "order_history",
      drafts.map(({ ask }) => ({ order_id: ask.orderId, version: 1, state: "placed", at_ms: atMs }))
    )
    yield* outbox.append(
      drafts.map((draft) => placedEvent(draft, atMs)),
      drafts.map(({ ask }) => ask.trace)
    )
  })

  const write = Effect.fnUntraced(function* (drafts: ReadonlyArray<Draft>) {
    const atMs = yield* Clock.currentTimeMillis
    const firstOfKey = new Map<string, Draft>()
    for (const draft of drafts) {
      const claim = claimOf(draft)
      if (claim !== undefined && !firstOfKey.has(keyId(claim.customerId, claim.key))) {
        firstOfKey.set(keyId(claim.customerId, claim.key), draft)
      }
    }
    const owners = yield* claimKeys(
      sql,
      [...firstOfKey.values()].map((draft) => claimOf(draft)!),
      atMs
    )
    const ownerOf = (draft: Draft) => {
      const claim = claimOf(draft)
      return claim === undefined ? undefined : owners.get(keyId(claim.customerId, claim.key))
    }
    const isNew = (draft: Draft) => {
      const owner = ownerOf(draft)
      return owner === undefined || owner.orderId === draft.ask.orderId
    }
    const fresh = drafts.filter(isNew)
    const spentBy = yield* spend(fresh, atMs)
    const hasCoupon = ({ ask }: Draft) => ask.order.couponCode === undefined || spentBy.get(ask.order.couponCode) === ask.orderId
    for (const draft of fresh) {
      const claim = claimOf(draft)
      if (!hasCoupon(draft) && claim !== undefined) yield* releaseKey(sql, claim)
    }
    const written = fresh.filter(hasCoupon)
    if (written.length > 0) yield* insert(written, atMs)
    yield* crashPoint("orders.inserted")
    const refused = new Set(fresh.filter((draft) => !hasCoupon(draft)).map(({ ask }) => ask.orderId))
    return drafts.map((draft): Outcome => {
      const owner = ownerOf(draft)
      if (owner !== undefined && owner.bodyHash !== draft.ask.bodyHash) return Result.fail(new IdempotencyKeyReused())
      if (refused.has(owner?.orderId ?? draft.ask.orderId)) return Result.fail(new CouponSpent())
      return owner === undefined ? placed(draft) : Result.succeed({ orderId: owner.orderId, version: 1, total: owner.total })
    })
  })

  /** After a failure: what is there was placed, of the rest nothing is known. */
  const settle = (drafts: ReadonlyArray<Draft>) =>
    Effect.map(
      sql<{ id: string }>`SELECT id FROM orders WHERE ${sql.in(
        "id",
        drafts.map(({ ask }) => ask.orderId)
      )}`.unprepared,
      (rows) => {
        const found = new Set(rows.map(({ id }) => id))
        return drafts.map((draft): Outcome => (found.has(draft.ask.orderId) ? placed(draft) : Result.fail(unavailable)))
      }
    ).pipe(Effect.catch(() => Effect.succeed(drafts.map((): Outcome => Result.fail(unavailable)))))

  const writeAll = (drafts: ReadonlyArray<Draft>): Effect.Effect<ReadonlyArray<Outcome>> => {
    if (drafts.length === 0) return Effect.succeed([])
    const halves = () => {
      const half = Math.ceil(drafts.length / 2)
      return Effect.zipWith(writeAll(drafts.slice(0, half)), writeAll(drafts.slice(half)), (a, b) => [...a, ...b])
    }
    return transact(sql)(write(drafts)).pipe(
      Effect.tap(() => crashPoint("orders.committed")),
      Effect.catchTag("KeyBusy", () =>
        drafts.length > 1
          ? Effect.map(
              Effect.forEach(drafts, (draft) => writeAll([draft]), { concurrency: 8 }),
              (outcomes) => outcomes.flat()
            )
          : Effect.succeed([Result.fail(inProgress)])
      ),
      Effect.catchTag("SqlError", (error) =>
        (drafts.length > 1 && !isLost(error) ? halves() : settle(drafts)).pipe(
          Effect.tap(() => Effect.logWarning("orders could not be written").pipe(Effect.annotateLogs({ error: error.message })))
        )
      )
    )
  }

  const placeAll = Effect.fnUntraced(function* (asks: ReadonlyArray<Ask>) {
    const known = yield* Effect.result(lookUp(asks))
    if (Result.isFailure(known)) return asks.map((): Outcome => Result.fail(unavailable))
    const drafts = asks.map((ask) => drafted(ask, known.success))
    const outcomes = (yield* writeAll(drafts.filter((draft): draft is Draft => !(draft instanceof OrderRefused))))[
      Symbol.iterator
    ]()
    return drafts.map((draft): Outcome => (draft instanceof OrderRefused ? Result.fail(draft) : outcomes.next().value!))
  })

  return (asks: ReadonlyArray<Ask>) => {
    const traces = asks.map(({ trace }) => trace)
    return Tracing.forEachTrace("Orders.place", "internal", traces, (sentOn) =>
      placeAll(sentOn.some((trace) => trace) ? asks.map((ask, i) => ({ ...ask, trace: sentOn[i] ?? undefined })) : asks)
    )
  }
}

const placedEvent = ({ ask, customer, lines, total }: Draft, atMs: number): OrderChanged => ({
  type: "OrderChanged",
  version: 1,
  order: {
    orderId: ask.orderId,
    version: 1,
    state: "placed",
    placedAt: instant(atMs),
    customer: { id: customer.id, name: customer.name, level: customer.level },
    lines,
    total,
    payment: null,
    history: [{ state: "placed", at: instant(atMs), version: 1 }]
  },
  customerVersion: customer.version,
  committedAtMs: atMs
})
