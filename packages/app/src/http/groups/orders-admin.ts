/** Whether readers see what was written, for the admin. */
import type { Unavailable } from "@sluice/domain"
import { type OrdersRead, type OrderViews, VerifyOrders } from "@sluice/orders"
import { Context, Effect, Layer, Schema } from "effect"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { Audited } from "../Audited.ts"
import { Guard, ofInput } from "../Guard.ts"
import { Admin } from "../Identity.ts"
import { problem } from "../Problems.ts"
import { api } from "./documents.ts"

export class OrderVerifier extends Context.Service<
  OrderVerifier,
  { readonly verify: (options: VerifyOrders.VerifyOptions) => Effect.Effect<VerifyOrders.VerifyReport, Unavailable> }
>()("sluice/OrderVerifier") {
  static readonly layer = Layer.effect(
    OrderVerifier,
    Effect.map(Effect.context<OrdersRead.OrdersRead | OrderViews.OrderViews>(), (context) =>
      OrderVerifier.of({ verify: (options) => Effect.provideContext(VerifyOrders.verify(options), context) })
    )
  )
}

const sample = Schema.FiniteFromString.check(Schema.isInt(), Schema.isBetween({ minimum: 1, maximum: 1_000_000_000 })).annotate({
  description: "About this many orders, taken by chance; without it all."
})
const repair = Schema.Literals(["true", "false"]).annotate({ description: "Overwrite what differs with what was written." })

export const OrderAdministration = HttpApiGroup.make("orders-admin")
  .add(
    HttpApiEndpoint.post("verify", "/admin/orders/verify", {
      query: { sample: Schema.optionalKey(sample), repair: Schema.optionalKey(repair) },
      success: VerifyOrders.VerifyReport.annotate({ identifier: "VerifyReport" }),
      error: [...ofInput, problem<Unavailable>("unavailable")]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Compare the order view with the write side",
        description: "Field by field; the first 200 differences are listed. Changes that are on their way are given two seconds."
      })
    )
  )
  .annotateMerge(OpenApi.annotations({ title: "orders (admin)", description: "Whether readers see what was written." }))

export const ordersAdminApi = api.add(OrderAdministration).middleware(Audited).middleware(Admin).middleware(Guard)

export const layerOrdersAdmin = HttpApiBuilder.group(
  ordersAdminApi,
  "orders-admin",
  Effect.fnUntraced(function* (handlers) {
    const verifier = yield* OrderVerifier
    return handlers.handleAll({
      verify: ({ query }) => verifier.verify({ sample: query.sample, repair: query.repair === "true" })
    })
  })
)
