/** Orders as their customers write them: place, pay, ship, cancel. */
import {
  Count,
  type CouponSpent,
  type IdempotencyKeyReused,
  matches,
  NewOrder,
  type OrderForbidden,
  OrderId,
  type OrderInProgress,
  type OrderNotFound,
  type OrderRefused,
  OrderState,
  type OrderStateRefused,
  Ordinal
} from "@sluice/domain"
import { Orders } from "@sluice/orders"
import { Effect, Schema } from "effect"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Guard, ofInput, ofJsonBody } from "../Guard.ts"
import { Identity } from "../Identity.ts"
import { Limits } from "../Limits.ts"
import { problem } from "../Problems.ts"
import { answers, api } from "./documents.ts"

const orderId = "01kb2x3v9qf4m7t0zr8c5w6yhd"

const IdempotencyKey = Schema.String.check(
  matches(/^[ -~]{1,255}$/, "1 to 255 printable ASCII characters", { minLength: 1, maxLength: 255 })
).annotate({
  description:
    "Names this order among those of its customer: asked again with the same key, the answer is the same. Kept for a week.",
  examples: ["0b9f2a52-6c1e-4a0e-9d1c-6f6f0b1d2c3e"]
})

const Order = NewOrder.annotate({
  identifier: "NewOrder",
  description:
    "The server prices. Lines are kept as they are sent, also when a product stands in two of them. `couponCode` is a coupon of the " +
    "customer as user (the same id); one order spends it, and a cancelled one gives it back.",
  examples: [{ customerId: "c1", lines: [{ productId: "p1", quantity: 2 }] }]
})

const version = Ordinal.annotate({ description: "For reading your own write: `GET /orders/{id}?version=`." })

const Placed = Schema.Struct({
  orderId: OrderId,
  version,
  total: Count.annotate({ description: "In the currency's smallest unit." })
}).annotate({ identifier: "PlacedOrder", examples: [{ orderId, version: 1, total: 2500 }] })

const Changed = Schema.Struct({ orderId: OrderId, version, state: OrderState }).annotate({
  identifier: "ChangedOrder",
  examples: [{ orderId, version: 2, state: "paid" }]
})

const params = { id: OrderId.annotate({ description: "The id of the order.", examples: [orderId] }) }
const security = { security: [{}, { userToken: [] }, { adminKey: [] }] }

const change = <const Name extends string, const Path extends `/${string}`>(name: Name, path: Path, description: string) =>
  HttpApiEndpoint.post(name, path, {
    params,
    success: Changed,
    error: [
      ...ofInput,
      problem("unauthorized"),
      problem<OrderForbidden>("forbidden"),
      problem<OrderNotFound>("order_not_found"),
      problem<OrderStateRefused>("order_state")
    ]
  })
    .annotateMerge(answers({ 200: "The order with its new version." }))
    .annotateMerge(
      OpenApi.annotations({
        summary: `${name.charAt(0).toUpperCase()}${name.slice(1)} an order`,
        description: `${description} Only for the customer and the admin, where users send a token of their own.`,
        override: security
      })
    )

export const OrderWrites = HttpApiGroup.make("orders")
  .add(
    HttpApiEndpoint.post("place", "/orders", {
      headers: { "idempotency-key": Schema.optionalKey(IdempotencyKey) },
      payload: Order,
      success: Placed.pipe(HttpApiSchema.status(201)),
      error: [
        ...ofJsonBody,
        problem("unauthorized"),
        problem("forbidden"),
        problem<CouponSpent | OrderInProgress>("coupon_spent", "order_in_progress"),
        problem<OrderRefused | IdempotencyKeyReused>("order_refused", "idempotency_key_reused")
      ]
    })
      .annotateMerge(answers({ 201: "The order is committed." }))
      .annotateMerge(
        OpenApi.annotations({
          summary: "Place an order",
          description:
            "Committed when it is answered; readers see it soon after. Send an `Idempotency-Key` and ask again after a 503 or a lost " +
            "connection: the order is placed once. The same key with another body is 422. An unknown customer or product, and a coupon " +
            "that the customer does not have, are 422 with the path of the field; a coupon that is spent is 409.",
          override: security
        })
      ),
    change("pay", "/orders/:id/pay", "A placed order becomes paid."),
    change("ship", "/orders/:id/ship", "A paid order becomes shipped."),
    change("cancel", "/orders/:id/cancel", "A placed or paid order becomes cancelled, and its coupon can be spent again.")
  )
  .annotateMerge(OpenApi.annotations({ description: "Orders." }))

export const ordersApi = api.add(OrderWrites).middleware(Guard)

export const layerOrders = HttpApiBuilder.group(
  ordersApi,
  "orders",
  Effect.fnUntraced(function* (handlers) {
    const orders = yield* Orders.Orders
    const identity = yield* Identity
    const limits = yield* Limits

    /** Who must own the order; undefined where the caller is trusted, and for the admin. */
    const owner = Effect.fnUntraced(function* (authorization: string | undefined, named?: string) {
      if (identity.verifyUser === undefined || identity.isAdmin(authorization)) return undefined
      const user = yield* identity.user(authorization, named)
      yield* limits.user(user)
      return user
    })
    const move = (state: Orders.NextState) =>
      Effect.fnUntraced(function* (id: OrderId, authorization: string | undefined) {
        return yield* orders.change(id, state, yield* owner(authorization))
      })
    const [pay, ship, cancel] = [move("paid"), move("shipped"), move("cancelled")]

    return handlers.handleAll({
      place: Effect.fnUntraced(function* ({ headers, payload, request }) {
        yield* owner(request.headers.authorization, payload.customerId)
        return yield* orders.place(payload, headers["idempotency-key"])
      }),
      pay: ({ params, request }) => pay(params.id, request.headers.authorization),
      ship: ({ params, request }) => ship(params.id, request.headers.authorization),
      cancel: ({ params, request }) => cancel(params.id, request.headers.authorization)
    })
  })
)
