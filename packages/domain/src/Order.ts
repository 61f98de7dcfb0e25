/**
 * An order, as the write side says it and as its readers see it.
 */
import { Schema } from "effect"
import { Count, Ordinal } from "./Counts.ts"
import { CustomerId, ProductId } from "./Ids.ts"
import { matches } from "./Text.ts"

/** Topic of orders and customers, keyed by order id and by customer id. */
export const ordersTopic = "sluice.orders"

/** In the smallest unit of the currency, a whole number. */
const Amount = Count

export const OrderId = Schema.String.check(
  matches(/^[0-9A-Za-z_-]{1,64}$/, "1 to 64 letters, digits, _ and -", { minLength: 1, maxLength: 64 })
)
export type OrderId = typeof OrderId.Type

export const OrderState = Schema.Literals(["placed", "paid", "shipped", "cancelled"])
export type OrderState = typeof OrderState.Type

export const OrderLine = Schema.Struct({
  productId: ProductId,
  name: Schema.String,
  category: Schema.String,
  price: Amount,
  quantity: Ordinal
})
export type OrderLine = typeof OrderLine.Type

export const OrderCustomer = Schema.Struct({ id: CustomerId, name: Schema.String, level: Schema.String })
export type OrderCustomer = typeof OrderCustomer.Type

/** Everything a reader needs. Instants are ISO 8601 in UTC with milliseconds. */
export const OrderView = Schema.Struct({
  orderId: OrderId,
  version: Ordinal,
  state: OrderState,
  placedAt: Schema.String,
  customer: OrderCustomer,
  lines: Schema.Array(OrderLine),
  total: Amount,
  payment: Schema.NullOr(Schema.Struct({ paidAt: Schema.String })),
  history: Schema.Array(Schema.Struct({ state: OrderState, at: Schema.String, version: Ordinal }))
})
export type OrderView = typeof OrderView.Type

/** The whole order after a change, so that applying it twice, late or out of order is harmless. */
export const OrderChanged = Schema.Struct({
  type: Schema.Literal("OrderChanged"),
  version: Schema.Literal(1),
  order: OrderView,
  /** Of the customer in `order`: whose profile is newer wins, apart from the order's own version. */
  customerVersion: Ordinal,
  committedAtMs: Schema.Int
})
export type OrderChanged = typeof OrderChanged.Type

/** A customer's profile after a change. Orders keep what was sold; the customer in them is the one of today. */
export const CustomerChanged = Schema.Struct({
  type: Schema.Literal("CustomerChanged"),
  version: Schema.Literal(1),
  customer: OrderCustomer,
  customerVersion: Ordinal,
  committedAtMs: Schema.Int
})
export type CustomerChanged = typeof CustomerChanged.Type

export const OrderEvent = Schema.Union([OrderChanged, CustomerChanged])
export type OrderEvent = typeof OrderEvent.Type

export const OrderEventJson = Schema.fromJsonString(OrderEvent)
