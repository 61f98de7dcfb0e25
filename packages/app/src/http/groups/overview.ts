/** How the whole system does, for the admin. */
import { Effect, Option, Schema, Stream } from "effect"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import * as Overviews from "../../overview/Overview.ts"
import { EventStreams } from "../EventStreams.ts"
import { Guard, ofInput } from "../Guard.ts"
import { Admin } from "../Identity.ts"
import { overloaded } from "../Problems.ts"
import { api, eventsOf } from "./documents.ts"

const Overview = Schema.Struct({
  at: Schema.String,
  engines: Schema.NullOr(
    Schema.Array(
      Schema.Struct({
        name: Schema.String,
        state: Schema.Literals(["up", "down"]),
        required: Schema.Boolean,
        detail: Schema.optionalKey(Schema.String),
        milliseconds: Schema.Finite
      })
    )
  ).annotate({ description: "As in `/health/ready`." }),
  lag: Schema.NullOr(
    Schema.Array(Schema.Struct({ consumer: Schema.String, events: Schema.Finite, milliseconds: Schema.Finite }))
  ).annotate({ description: "As in `/lag`." }),
  outbox: Schema.NullOr(Schema.Struct({ events: Schema.Finite, oldestMs: Schema.Finite })).annotate({
    description: "Events written and not yet published, and the age of the oldest."
  }),
  orders: Schema.Struct({
    placed: Schema.Finite.annotate({ description: "By this process since it started." }),
    placedPerSecond: Schema.NullOr(Schema.Finite)
  }),
  admitted: Schema.NullOr(
    Schema.Array(
      Schema.Struct({ campaignId: Schema.String, perSecond: Schema.NullOr(Schema.Finite), ratePerSecond: Schema.Finite })
    )
  ).annotate({
    description: "Users who passed to the gate, by all processes together, beside what may pass; the 100 busiest campaigns."
  }),
  process: Schema.Struct({ uptimeSeconds: Schema.Finite, rssBytes: Schema.Finite, version: Schema.String })
}).annotate({
  identifier: "Overview",
  description: "What can't be known now is null: an engine did not answer in time, or a rate has only one reading so far.",
  examples: [
    {
      at: "2026-11-24T12:00:00.000Z",
      engines: [{ name: "sqlite", state: "up", required: true, milliseconds: 0.4 }],
      lag: [{ consumer: "issuer", events: 12, milliseconds: 40 }],
      outbox: { events: 0, oldestMs: 0 },
      orders: { placed: 1200, placedPerSecond: 14.5 },
      admitted: [{ campaignId: "spring-sale", perSecond: 100, ratePerSecond: 100 }],
      process: { uptimeSeconds: 3600, rssBytes: 180_000_000, version: "0.1.0" }
    }
  ]
})

export const OverviewGroup = HttpApiGroup.make("overview")
  .add(
    HttpApiEndpoint.get("get", "/overview", { success: Overview, error: ofInput }).annotateMerge(
      OpenApi.annotations({ summary: "How the system does" })
    ),
    HttpApiEndpoint.get("watch", "/overview/events", { success: eventsOf("Overview"), error: ofInput }).annotateMerge(
      OpenApi.annotations({ summary: "Watch how the system does", description: "One event a second." })
    )
  )
  .annotateMerge(OpenApi.annotations({ title: "overview (admin)", description: "How the whole system does." }))

export const overviewApi = api.add(OverviewGroup).middleware(Admin).middleware(Guard)

export const layerOverview = HttpApiBuilder.group(
  overviewApi,
  "overview",
  Effect.fnUntraced(function* (handlers) {
    const overviews = yield* Overviews.make
    const streams = yield* EventStreams
    return handlers.handleAll({
      get: () =>
        Effect.flatMap(Stream.runHead(overviews), (first) =>
          Option.isSome(first) ? Effect.succeed(first.value) : Effect.fail(overloaded)
        ),
      watch: ({ request }) => streams.answer(request, overviews)
    })
  })
)
