/**
 * Why an order is not taken or not changed.
 */
import { Schema } from "effect"
import { OrderId, OrderState } from "./Order.ts"

export class OrderNotFound extends Schema.TaggedError<OrderNotFound>()(
  "OrderNotFound",
  { orderId: OrderId },
  { httpApiStatus: 404 }
) {}

/** The order belongs to somebody else. */
export class OrderForbidden extends Schema.TaggedError<OrderForbidden>()("OrderForbidden", {}, { httpApiStatus: 403 }) {}

/** The order's state does not allow the change. */
export class OrderStateRefused extends Schema.TaggedError<OrderStateRefused>()(
  "OrderStateRefused",
  { orderId: OrderId, state: OrderState },
  { httpApiStatus: 409 }
) {}

/** Well formed, but it names what the shop does not know: each such field by its path. */
export class OrderRefused extends Schema.TaggedError<OrderRefused>()(
  "OrderRefused",
  { errors: Schema.Array(Schema.Struct({ path: Schema.String, message: Schema.String })) },
  { httpApiStatus: 422 }
) {}

export class CouponSpent extends Schema.TaggedError<CouponSpent>()("CouponSpent", {}, { httpApiStatus: 409 }) {}

/** The same key came with another body before. */
export class IdempotencyKeyReused extends Schema.TaggedError<IdempotencyKeyReused>()(
  "IdempotencyKeyReused",
  {},
  { httpApiStatus: 422 }
) {}

/** Not now: `running`, the order view is being built anew already; `no_former`, there is none to go back to. */
export class RebuildRefused extends Schema.TaggedError<RebuildRefused>()(
  "RebuildRefused",
  { reason: Schema.Literals(["running", "no_former"]) },
  { httpApiStatus: 409 }
) {}

/** Another order under this key is being written. */
export class OrderInProgress extends Schema.TaggedError<OrderInProgress>()(
  "OrderInProgress",
  { retryAfterSeconds: Schema.Int },
  { httpApiStatus: 409 }
) {}
