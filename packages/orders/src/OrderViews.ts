/**
 * The read model of orders: one document an order, everything a reader needs, no joins.
 *
 * What every layer keeps:
 * - an order in the view has the highest version that was ever applied, and its customer is of the highest customer version that was ever
 *   applied to the order or to the customer: applied twice, late, in any order or by many at once, the same events give the same view;
 * - what `apply` has applied is durable and seen by every `find`, `page` and `scan` that begins after it;
 * - `apply` writes without reading what it overwrites; one that failed may have been applied in part, and can be applied again.
 */
import type { CustomerId, OrderChanged, OrderEvent, OrderId, OrderState } from "@sluice/domain"
import { Context, type Effect, Schema } from "effect"

export interface StoredOrder {
  readonly orderId: OrderId
  readonly version: number
  readonly customerId: CustomerId
  readonly placedAtMs: number
  /** The `OrderView` as JSON text, ready to be sent. */
  readonly json: string
}

/** Each by its index; undefined where the view has none. */
export type Found = ReadonlyArray<StoredOrder | undefined>

export interface Position {
  readonly placedAtMs: number
  readonly orderId: OrderId
}

export interface PageOptions {
  readonly customerId: CustomerId
  readonly state?: OrderState | undefined
  /** Only what stands behind it. */
  readonly after?: Position | undefined
  readonly limit: number
}

export class OrderViewError extends Schema.TaggedError<OrderViewError>()("OrderViewError", {
  /** The events are at fault: applying them again will not help. */
  refused: Schema.Boolean,
  cause: Schema.Defect()
}) {}

export class OrderViews extends Context.Service<
  OrderViews,
  {
    /** Any number of events, in a bounded few calls to the engine. */
    readonly apply: (events: ReadonlyArray<OrderEvent>) => Effect.Effect<void, OrderViewError>
    /** As `apply`, but overwrites what has the same version too: for what stands there and should not. */
    readonly mend: (events: ReadonlyArray<OrderEvent>) => Effect.Effect<void, OrderViewError>
    readonly find: (ids: ReadonlyArray<OrderId>) => Effect.Effect<Found, OrderViewError>
    /** As `find`, without a fiber as far as the engine can: `done` is given the answers as an `Exit`, or what is left to do for them. */
    readonly findUnsafe: (ids: ReadonlyArray<OrderId>, done: (found: Effect.Effect<Found, OrderViewError>) => void) => void
    /** Of one customer, newest first, those of one instant by descending id. */
    readonly page: (options: PageOptions) => Effect.Effect<ReadonlyArray<StoredOrder>, OrderViewError>
    /** All orders by id, ascending, from the one after `after` ("" is the start). */
    readonly scan: (after: string, limit: number) => Effect.Effect<ReadonlyArray<StoredOrder>, OrderViewError>
    /** Takes orders out that should not be there: for `verify`, no event does this. */
    readonly remove: (ids: ReadonlyArray<OrderId>) => Effect.Effect<void, OrderViewError>
    readonly ping: Effect.Effect<void, OrderViewError>
  }
>()("sluice/OrderViews") {}

/** An order as the layers keep it: its customer stands apart, so that each part can be overwritten by its own version. */
export interface Kept {
  readonly order_id: string
  readonly version: number
  readonly customer_id: string
  readonly customer_version: number
  readonly state: string
  readonly placed_at_ms: number
  readonly document: string
  readonly customer: string
}

export const toKept = ({ customerVersion, order: { customer, ...rest } }: OrderChanged): Kept => ({
  order_id: rest.orderId,
  version: rest.version,
  customer_id: customer.id,
  customer_version: customerVersion,
  state: rest.state,
  placed_at_ms: Date.parse(rest.placedAt),
  document: JSON.stringify(rest),
  customer: JSON.stringify(customer)
})

type Read = Pick<Kept, "order_id" | "version" | "customer_id" | "placed_at_ms" | "document" | "customer">

/** Both parts are JSON text and are joined as text. */
export const fromKept = (kept: Read): StoredOrder => ({
  orderId: kept.order_id,
  version: Number(kept.version),
  customerId: kept.customer_id,
  placedAtMs: Number(kept.placed_at_ms),
  json: `${kept.document.slice(0, -1)},"customer":${kept.customer}}`
})

/** Each answer to the one who asked for it. */
export const byAsked = (ids: ReadonlyArray<OrderId>, orders: ReadonlyArray<StoredOrder>): Found => {
  const found = new Map(orders.map((order) => [order.orderId, order]))
  return ids.map((id) => found.get(id))
}

export interface Parts {
  readonly orders: ReadonlyArray<Kept>
  readonly profiles: ReadonlyArray<{ readonly customer_id: string; readonly version: number; readonly customer: string }>
}

/** Sorted by key, so that two who apply at once lock rows in the same order. */
export const partsOf = (events: ReadonlyArray<OrderEvent>): Parts => {
  const by = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
  const orders = events.filter((event) => event.type === "OrderChanged").map(toKept)
  const profiles = events
    .filter((event) => event.type === "CustomerChanged")
    .map(({ customer, customerVersion }) => ({
      customer_id: customer.id,
      version: customerVersion,
      customer: JSON.stringify(customer)
    }))
  return {
    orders: orders.sort((a, b) => by(a.order_id, b.order_id) || a.version - b.version),
    profiles: profiles.sort((a, b) => by(a.customer_id, b.customer_id) || a.version - b.version)
  }
}
