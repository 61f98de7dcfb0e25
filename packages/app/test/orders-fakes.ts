/** Fakes of the write side of the shop; what each id does is in its name. */
import {
  CouponSpent,
  IdempotencyKeyReused,
  OrderForbidden,
  OrderInProgress,
  OrderNotFound,
  OrderRefused,
  OrderStateRefused,
  RebuildRefused,
  Unavailable
} from "@sluice/domain"
import { Customers, OrderGenerations, OrderReads, Orders, Products, RebuildOrders } from "@sluice/orders"
import { Effect, Exit, Layer } from "effect"
import { OrderVerifier } from "../src/http/groups/orders-admin.ts"
import { Lag } from "../src/Lag.ts"

export const orderId = "01kb2x3v9qf4m7t0zr8c5w6yhd"

const generations: { readonly state: OrderGenerations.State } = { state: OrderGenerations.firstState }

const rebuilt: OrderGenerations.Run = {
  owner: "somebody",
  state: "done",
  phase: "comparing",
  after: orderId,
  total: 10,
  copied: 10,
  compared: 10,
  mended: 0,
  differing: 0,
  problem: null,
  startedAtMs: 1_790_000_000_000,
  updatedAtMs: 1_790_000_002_000
}

/** `told` hears every call that reached a service. */
export const layerShopFakes = (told: (name: string, ...args: ReadonlyArray<unknown>) => Effect.Effect<unknown>) =>
  Layer.mergeAll(
    Layer.succeed(
      Orders.Orders,
      Orders.Orders.of({
        place: Effect.fnUntraced(function* (order, key) {
          yield* told("place", order, ...(key === undefined ? [] : [key]))
          if (order.customerId === "nobody") {
            return yield* new OrderRefused({ errors: [{ path: "customerId", message: "There is no such customer" }] })
          }
          if (order.customerId === "down") return yield* new Unavailable({ engine: "sql", retryAfterSeconds: 1 })
          if (order.customerId === "defect") return yield* Effect.die(new Error("secret-internals"))
          if (key === "reused") return yield* new IdempotencyKeyReused()
          if (key === "busy") return yield* new OrderInProgress({ retryAfterSeconds: 1 })
          if (order.couponCode === "SPEN-TTTT-TTTT-TTTT") return yield* new CouponSpent()
          return { orderId, version: 1, total: 2500 }
        }),
        change: Effect.fnUntraced(function* (id, state, by) {
          yield* told("change", id, state, ...(by === undefined ? [] : [by]))
          if (id === "unknown") return yield* new OrderNotFound({ orderId: id })
          if (id === "shipped") return yield* new OrderStateRefused({ orderId: id, state: "shipped" })
          if (by !== undefined && by !== "u1") return yield* new OrderForbidden()
          return { orderId: id, version: 2, state }
        })
      })
    ),
    Layer.succeed(OrderVerifier, {
      verify: (options) =>
        Effect.as(told("verify", options), {
          checked: 5,
          differing: 1,
          onlyInView: 0,
          repaired: options.repair ? 1 : 0,
          differences: [{ orderId, path: "total", written: "1", read: "2" }],
          next: options.limit === undefined || options.after === orderId ? null : orderId
        })
    }),
    Layer.sync(RebuildOrders.RebuildOrders, () => {
      let { state } = generations
      const answer = (name: string, next: Partial<OrderGenerations.State>) =>
        Effect.map(told(name), () => {
          state = { ...state, ...next }
          return { revision: 1, isHeld: state.run?.state === "running", state }
        })
      const run = { ...rebuilt, state: "running", phase: "orders", copied: 7, compared: 0 } as const
      return RebuildOrders.RebuildOrders.of({
        status: Effect.suspend(() => {
          const now = state
          if (now.building !== null) state = { ...now, live: 1, former: 0, building: null, run: rebuilt }
          return Effect.as(told("generations"), { revision: 1, isHeld: now.building !== null, state: now })
        }),
        start: Effect.suspend(() =>
          state.building === null
            ? answer("rebuild", { building: 1, last: 1, run })
            : Effect.fail(new RebuildRefused({ reason: "running" }))
        ),
        back: Effect.suspend(() =>
          state.former === null
            ? Effect.fail(new RebuildRefused({ reason: "no_former" }))
            : answer("back", { live: state.former, former: state.live })
        ),
        drop: answer("drop", { former: null })
      })
    }),
    Layer.succeed(Lag, {
      report: Effect.as(told("lag"), {
        issuer: { events: 0, milliseconds: 0 },
        relay: { events: 1, milliseconds: 20 },
        projector: { events: 2, milliseconds: 30 }
      })
    }),
    Layer.succeed(
      OrderReads.OrderReads,
      OrderReads.OrderReads.of({
        find: Effect.fnUntraced(function* (id, version) {
          yield* told("findOrder", id, ...(version === undefined ? [] : [version]))
          if (id === "unknown") return yield* new OrderNotFound({ orderId: id })
          if (id === "defect" || id === "throws") return yield* Effect.die(new Error("secret-internals"))
          if (id === "down" || version === 9) return yield* new Unavailable({ engine: "order-view", retryAfterSeconds: 1 })
          return { orderId: id, version: version ?? 1, customerId: "u1", placedAtMs: 1, json: `{"orderId":"${id}"}` }
        }),
        findUnsafe: (id, done) => {
          if (id === "throws") throw new Error("secret-internals")
          if (id === "unknown") done(Exit.fail(new OrderNotFound({ orderId: id })))
          else if (id === "down") done(Exit.fail(new Unavailable({ engine: "order-view", retryAfterSeconds: 1 })))
          else if (id === "defect") done(Exit.die(new Error("secret-internals")))
          else done(Exit.succeed({ orderId: id, version: 1, customerId: "u1", placedAtMs: 1, json: `{"orderId":"${id}"}` }))
        },
        page: Effect.fnUntraced(function* (request) {
          yield* told("pageOrders", request)
          if (request.customerId === "down") return yield* new Unavailable({ engine: "order-view", retryAfterSeconds: 1 })
          if (request.customerId === "defect") return yield* Effect.die(new Error("secret-internals"))
          if (request.cursor === "tampered") return yield* new OrderReads.CursorInvalid()
          const order = { orderId, version: 1, customerId: request.customerId, placedAtMs: 1, json: `{"orderId":"${orderId}"}` }
          return { orders: [order, order], nextCursor: request.cursor === undefined ? "next" : null }
        })
      })
    ),
    Layer.succeed(Customers.Customers, {
      put: (id, profile) => Effect.as(told("putCustomer", id, profile), { id, ...profile, version: 1 })
    }),
    Layer.succeed(Products.Products, {
      put: (id, product) => Effect.as(told("putProduct", id, product), { id, ...product, version: 1 })
    })
  )
