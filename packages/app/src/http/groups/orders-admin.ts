/** Whether readers see what was written, and the order view built anew where they don't, for the admin. */
import { OrderId, type RebuildRefused, type Unavailable } from "@sluice/domain"
import { type OrdersRead, type OrderViews, RebuildOrders, RebuildReport, VerifyOrders } from "@sluice/orders"
import { Context, Effect, Layer, Schema } from "effect"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Audited } from "../Audited.ts"
import { Guard, ofInput } from "../Guard.ts"
import { Admin } from "../Identity.ts"
import { problem } from "../Problems.ts"
import { answers, api, wholeNumber } from "./documents.ts"

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

const query = {
  sample: Schema.optionalKey(wholeNumber(1, 1_000_000_000, "About this many orders, taken by chance; without it all.")),
  repair: Schema.optionalKey(
    Schema.Literals(["true", "false"]).annotate({
      description: "Overwrite what differs with what was written, and remove what was not."
    })
  ),
  after: Schema.optionalKey(OrderId.annotate({ description: "Only orders behind this one: `next` of the part before." })),
  limit: Schema.optionalKey(wholeNumber(1, 1_000_000_000, "Only a part of about this many orders."))
}

const VerifyReport = VerifyOrders.VerifyReport.annotate({
  identifier: "VerifyReport",
  description:
    "`checked` orders of the write side were compared. `differing` counts every order that differs, `onlyInView` those of them that were " +
    "never written. `next` is null at the end."
})

const Generations = RebuildReport.RebuildReport.annotate({ identifier: "OrderViewGenerations" })

const unavailable = problem<Unavailable>("unavailable")

export const OrderAdministration = HttpApiGroup.make("orders-admin")
  .add(
    HttpApiEndpoint.post("verify", "/admin/orders/verify", {
      query,
      success: VerifyReport,
      error: [...ofInput, unavailable]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Compare the order view with the write side",
        description:
          "Field by field, in both directions; the first 200 differences are listed. Changes that are on their way are given two seconds. " +
          "Many orders are best compared in parts, by `limit` and `after`."
      })
    ),
    HttpApiEndpoint.get("generations", "/admin/orders/generations", {
      success: Generations,
      error: [...ofInput, unavailable]
    }).annotateMerge(
      OpenApi.annotations({ summary: "See the generations of the order view", description: "And how its last rebuild goes." })
    ),
    HttpApiEndpoint.post("rebuild", "/admin/orders/rebuild", {
      success: Generations.pipe(HttpApiSchema.status(202)),
      error: [...ofInput, problem<RebuildRefused>("rebuild_running"), unavailable]
    })
      .annotateMerge(answers({ 202: "It goes on in this process; ask for the generations to see how." }))
      .annotateMerge(
        OpenApi.annotations({
          summary: "Build the order view anew",
          description:
            "From the write side, beside the live one, while orders come in; drops the former one at its beginning. When it is equal to the " +
            "write side, readers are switched over. One that was stopped or has died goes on where it was."
        })
      ),
    HttpApiEndpoint.post("back", "/admin/orders/generations/back", {
      success: Generations,
      error: [...ofInput, problem<RebuildRefused>("no_former_view", "rebuild_running"), unavailable]
    }).annotateMerge(
      OpenApi.annotations({ summary: "Go back to the former order view", description: "Once more goes forth again." })
    ),
    HttpApiEndpoint.post("drop", "/admin/orders/generations/drop", {
      success: Generations,
      error: [...ofInput, problem<RebuildRefused>("rebuild_running"), unavailable]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Drop every order view but the live one",
        description: "The former one, and one that was not finished."
      })
    )
  )
  .annotateMerge(
    OpenApi.annotations({
      title: "orders (admin)",
      description: "Whether readers see what was written, and the order view built anew where they don't."
    })
  )

export const ordersAdminApi = api.add(OrderAdministration).middleware(Audited).middleware(Admin).middleware(Guard)

export const layerOrdersAdmin = HttpApiBuilder.group(
  ordersAdminApi,
  "orders-admin",
  Effect.fnUntraced(function* (handlers) {
    const verifier = yield* OrderVerifier
    const { back, drop, start, status } = yield* RebuildOrders.RebuildOrders
    return handlers.handleAll({
      verify: ({ query: { repair, ...options } }) => verifier.verify({ ...options, repair: repair === "true" }),
      generations: () => Effect.map(status, RebuildReport.reportOf),
      rebuild: () => Effect.map(start, RebuildReport.reportOf),
      back: () => Effect.map(back, RebuildReport.reportOf),
      drop: () => Effect.map(drop, RebuildReport.reportOf)
    })
  })
)
