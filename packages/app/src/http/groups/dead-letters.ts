/** What was set aside, for the admin to look at and to bring back. */
import { DeadLetter, DeadLetterList, DeadLetters, DeadLetterTopic, ReplayReport } from "@sluice/coupons"
import { Count, type Unavailable, winsTopic } from "@sluice/domain"
import { Effect, Schema } from "effect"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { Audited } from "../Audited.ts"
import { Guard, ofInput } from "../Guard.ts"
import { Admin } from "../Identity.ts"
import { problem } from "../Problems.ts"
import { api, wholeNumber } from "./documents.ts"

const errors = [...ofInput, problem<Unavailable>("unavailable")] as const

const Letter = Schema.Struct({ ...DeadLetter.fields, partition: Count, attempts: Count })
const List = Schema.Struct({ ...DeadLetterList.fields, total: Count, deadLetters: Schema.Array(Letter) }).annotate({
  identifier: "DeadLetters"
})
const Report = Schema.Struct({ ...ReplayReport.fields, replayed: Count, remaining: Count }).annotate({
  identifier: "ReplayReport"
})

const topic = DeadLetterTopic.pipe(Schema.withDecodingDefaultKey(Effect.succeed(winsTopic)))

export const DeadLetterAdministration = HttpApiGroup.make("dead-letters")
  .add(
    HttpApiEndpoint.get("list", "/admin/dead-letters", {
      query: { topic, limit: wholeNumber(1, 1000).pipe(Schema.withDecodingDefaultKey(Effect.succeed("100"))) },
      success: List,
      error: errors
    }).annotateMerge(
      OpenApi.annotations({
        summary: "List dead letters",
        description: "Events that could not be applied, the oldest first, each with its reason; `total` counts all of them."
      })
    ),
    HttpApiEndpoint.post("replay", "/admin/dead-letters/replay", {
      query: { topic, limit: Schema.optionalKey(wholeNumber(1, 1_000_000)) },
      success: Report,
      error: errors
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Replay dead letters",
        description: "Brings them back to their topic, at least once each. Without `limit` all that are there now."
      })
    )
  )
  .annotateMerge(OpenApi.annotations({ title: "dead letters (admin)", description: "Events that were set aside." }))

export const deadLettersApi = api.add(DeadLetterAdministration).middleware(Audited).middleware(Admin).middleware(Guard)

export const layerDeadLetters = HttpApiBuilder.group(
  deadLettersApi,
  "dead-letters",
  Effect.fnUntraced(function* (handlers) {
    const deadLetters = yield* DeadLetters
    return handlers.handleAll({
      list: ({ query }) => deadLetters.list(query.topic, query.limit),
      replay: ({ query }) => deadLetters.replay(query.topic, query.limit)
    })
  })
)
