/** What those who run Sluice ask of every process, whatever its roles. */
import { Effect, Schema } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { PrometheusMetrics } from "effect/observability"
import { Guard } from "../Guard.ts"
import { Health } from "../Health.ts"
import { Lifecycle } from "../Lifecycle.ts"
import { processMetrics } from "../ProcessMetrics.ts"
import { api } from "./documents.ts"

const Live = Schema.Struct({ status: Schema.Literal("live") }).annotate({ description: "It is." })

const Readiness = Schema.Struct({
  status: Schema.Literals(["ready", "not_ready", "draining"]),
  engines: Schema.Array(
    Schema.Struct({
      engine: Schema.String,
      ok: Schema.Boolean,
      required: Schema.optionalKey(Schema.Boolean),
      detail: Schema.optionalKey(Schema.String),
      milliseconds: Schema.Finite
    })
  )
}).annotate({
  identifier: "Readiness",
  description: "Each engine with its state.",
  examples: [{ status: "ready", engines: [{ engine: "sqlite", ok: true, milliseconds: 0.4 }] }]
})

export const Operations = HttpApiGroup.make("operations")
  .add(
    HttpApiEndpoint.get("live", "/health/live", { success: Live }).annotateMerge(
      OpenApi.annotations({ summary: "Is the process alive?", description: "200 for as long as it can answer at all." })
    ),
    HttpApiEndpoint.get("ready", "/health/ready", {
      success: [Readiness, Readiness.pipe(HttpApiSchema.status(503))]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Should it be sent requests?",
        description:
          "Each engine with its state; 503 when one that requests need does not answer, or the process is about to end. Without an engine " +
          "that is not `required`, requests are answered and what it is for is done when it is back."
      })
    ),
    HttpApiEndpoint.get("metrics", "/metrics", {
      success: Schema.String.pipe(HttpApiSchema.asText({ contentType: "text/plain; version=0.0.4; charset=utf-8" }))
    }).annotateMerge(OpenApi.annotations({ summary: "Metrics for Prometheus" }))
  )
  .annotateMerge(OpenApi.annotations({ description: "Health and metrics." }))

export const operationsApi = api.add(Operations).middleware(Guard)

export const layerOperations = HttpApiBuilder.group(
  operationsApi,
  "operations",
  Effect.fnUntraced(function* (handlers) {
    const health = yield* Health
    const lifecycle = yield* Lifecycle
    const forget = yield* processMetrics
    return handlers.handleAll({
      live: () => Effect.succeed({ status: "live" as const }),
      ready: Effect.fnUntraced(function* () {
        const engines = yield* health.check
        const isReady = engines.every((engine) => engine.ok || engine.required === false)
        const status = lifecycle.phase !== "serving" ? "draining" : isReady ? "ready" : "not_ready"
        return HttpServerResponse.jsonUnsafe(
          { status, engines },
          status === "ready" ? {} : { status: 503, headers: { "retry-after": "1" } }
        )
      }),
      metrics: () => Effect.ensuring(PrometheusMetrics.format(), forget)
    })
  })
)
