/** How far each consumer is behind, for the admin. */
import type { Unavailable } from "@sluice/domain"
import { Effect } from "effect"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { Lag, LagReport } from "../../Lag.ts"
import { Guard, ofInput } from "../Guard.ts"
import { Admin } from "../Identity.ts"
import { problem } from "../Problems.ts"
import { api } from "./documents.ts"

export const LagOfConsumers = HttpApiGroup.make("lag")
  .add(
    HttpApiEndpoint.get("report", "/lag", {
      success: LagReport.annotate({ identifier: "Lag" }),
      error: [...ofInput, problem<Unavailable>("unavailable")]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "How far each consumer is behind",
        description: "The issuer of coupons, the relay of the outbox, and the projector of the order view."
      })
    )
  )
  .annotateMerge(OpenApi.annotations({ title: "lag (admin)", description: "How far each consumer is behind." }))

export const lagApi = api.add(LagOfConsumers).middleware(Admin).middleware(Guard)

export const layerLag = HttpApiBuilder.group(
  lagApi,
  "lag",
  Effect.fnUntraced(function* (handlers) {
    const lag = yield* Lag
    return handlers.handleAll({ report: () => lag.report })
  })
)
