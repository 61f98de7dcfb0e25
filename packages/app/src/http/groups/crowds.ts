/** Crowds that the server sends to itself, for an operator to see what a drop does. */
import type { IncomingMessage } from "node:http"
import { NodeHttpServerRequest } from "@effect/platform-node"
import { Drop } from "@sluice/coupons"
import { CampaignId, type CampaignNotFound, Count, matches, Ordinal, type Unavailable } from "@sluice/domain"
import { Effect, Schema } from "effect"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import type { CrowdNotFound, CrowdRunning } from "../../crowd/CrowdErrors.ts"
import * as Crowds from "../../crowd/Crowds.ts"
import { Audited } from "../Audited.ts"
import { EventStreams } from "../EventStreams.ts"
import { Guard, ofInput, ofJsonBody } from "../Guard.ts"
import { Admin, Identity } from "../Identity.ts"
import { Lifecycle } from "../Lifecycle.ts"
import { Problem, problem } from "../Problems.ts"
import { answers, api, eventsOf } from "./documents.ts"

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

/** More of them would leave too little of this process to real users. */
const maxPerSecond = 2000
const usualPerSecond = 500

const New = Schema.Struct({
  campaignId: CampaignId,
  users: between(1, 20_000),
  seconds: Schema.optionalKey(
    between(1, 600).annotate({ description: "In which they arrive; by default 500 a second, in 5 s at least." })
  )
})
  .annotate({
    description: "Its users are users like others: what they win is issued to them.",
    examples: [{ campaignId: "demo", users: 2000, seconds: 10 }]
  })
  .check(
    Schema.makeFilter(
      ({ seconds, users }) =>
        seconds === undefined ||
        users / seconds <= maxPerSecond || { path: ["seconds"], issue: `Expected at most ${maxPerSecond} arrivals a second` }
    )
  )
  .annotate({ identifier: "NewCrowd" })

const Figure = Schema.NullOr(Schema.Finite)

const Crowd = Schema.Struct({
  crowd: Schema.String,
  campaignId: Schema.String,
  state: Schema.Literals(["running", "done", "failed", "stopped"]),
  users: Count,
  joined: Count,
  waiting: Count,
  issued: Count,
  soldOut: Count,
  others: Count.annotate({ description: "Ended otherwise: refused, failed, or the campaign was closed." }),
  errors: Count,
  seconds: Schema.Finite,
  joinsPerSecond: Schema.Finite,
  p50Ms: Figure.annotate({ description: "Of joins, from the moment at which a user meant to arrive." }),
  p99Ms: Figure,
  problems: Schema.Array(Schema.String),
  verdicts: Schema.Array(
    Schema.Struct({
      promise: Ordinal,
      title: Schema.String,
      outcome: Schema.Literals(["pass", "fail", "not_applicable"]),
      detail: Schema.String
    })
  ).annotate({ description: "On each promise of the drop; empty until the end." }),
  startedAt: Schema.String,
  endedAt: Schema.NullOr(Schema.String)
}).annotate({
  identifier: "Crowd",
  description: "`failed`: a promise was broken, or nobody could join; `problems` says what."
})

const params = {
  crowd: Schema.String.check(
    matches(/^[0-9a-f]{16}$/, "16 hexadecimal digits, as starting a crowd gave", { minLength: 16, maxLength: 16 })
  ).annotate({
    description: "What starting it gave; only the process that sent the crowd knows it.",
    examples: ["5f0c1d2e3a4b5c6d"]
  })
}
const errors = [...ofInput, problem<CrowdNotFound>("crowd_not_found")] as const

export const CrowdGroup = HttpApiGroup.make("crowds")
  .add(
    HttpApiEndpoint.post("start", "/crowds", {
      payload: New,
      success: Schema.Struct({ crowd: Schema.String }).pipe(HttpApiSchema.status(202)),
      error: [
        ...ofJsonBody,
        problem<CampaignNotFound>("campaign_not_found"),
        problem<CrowdRunning>("crowd_running", "crowd_refused"),
        problem<Unavailable>("unavailable")
      ]
    })
      .annotateMerge(answers({ 202: "It is on its way." }))
      .annotateMerge(
        OpenApi.annotations({
          summary: "Send a crowd",
          description:
            "What `sluice rush` does, from inside this process against its own address: users who arrive independently of each other, join, " +
            "and ask until they know. One at a time in a process. It ends with the verdict on each promise of the drop. Where requests of " +
            "one address are limited, so is a crowd."
        })
      ),
    HttpApiEndpoint.get("list", "/crowds", {
      success: Schema.Array(Crowd).annotate({ description: "The last 20 of this process, the newest first." }),
      error: ofInput
    }).annotateMerge(OpenApi.annotations({ summary: "List crowds" })),
    HttpApiEndpoint.get("get", "/crowds/:crowd", { params, success: Crowd, error: errors }).annotateMerge(
      OpenApi.annotations({ summary: "Get one crowd" })
    ),
    HttpApiEndpoint.get("watch", "/crowds/:crowd/events", { params, success: eventsOf("Crowd"), error: errors }).annotateMerge(
      OpenApi.annotations({ summary: "Watch a crowd", description: "Ends when the crowd has: close the connection then." })
    ),
    HttpApiEndpoint.delete("stop", "/crowds/:crowd", { params, success: HttpApiSchema.NoContent, error: errors })
      .annotateMerge(
        answers({ 204: "It has stopped; what its users have won stays theirs. One that has ended is left as it is." })
      )
      .annotateMerge(OpenApi.annotations({ summary: "Stop a crowd" }))
  )
  .annotateMerge(OpenApi.annotations({ title: "crowds (admin)", description: "Crowds to try a campaign with." }))

export const crowdsApi = api.add(CrowdGroup).middleware(Audited).middleware(Admin).middleware(Guard)

/** Where the request came in, and so where this very process can be reached. */
const ownUrl = ({ socket: { localAddress = "127.0.0.1", localPort } }: IncomingMessage) => {
  const address = localAddress.replace(/^::ffff:/, "")
  return `http://${address.includes(":") ? `[${address}]` : address}:${localPort}`
}

const tokensNeeded = new Problem({
  code: "crowd_refused",
  detail: "Users need a token of their own here, which a crowd does not have."
})

export const layerCrowds = HttpApiBuilder.group(
  crowdsApi,
  "crowds",
  Effect.fnUntraced(function* (handlers) {
    const drop = yield* Drop
    const streams = yield* EventStreams
    const { verifyUser } = yield* Identity
    const { closing } = yield* Lifecycle
    const crowds = yield* Crowds.make(closing)
    return handlers.handleAll({
      start: Effect.fnUntraced(function* ({ payload: { campaignId, seconds, users }, request }) {
        if (verifyUser !== undefined) return yield* tokensNeeded
        yield* drop.campaign(campaignId)
        const url = ownUrl(NodeHttpServerRequest.toIncomingMessage(request) as IncomingMessage)
        return yield* crowds.start({ campaignId, users, seconds: seconds ?? Math.max(5, users / usualPerSecond), url })
      }),
      list: () => crowds.list,
      get: ({ params }) => crowds.find(params.crowd),
      watch: ({ params, request }) => streams.answer(request, crowds.watch(params.crowd)),
      stop: ({ params }) => crowds.stop(params.crowd)
    })
  })
)
