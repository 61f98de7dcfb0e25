/** What admins changed, for the admin. */
import { Ordinal, type Unavailable } from "@sluice/domain"
import { Effect, Schema } from "effect"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { AuditLog } from "../../audit/AuditLog.ts"
import { Guard, ofInput } from "../Guard.ts"
import { Admin } from "../Identity.ts"
import { problem } from "../Problems.ts"
import { api, wholeNumber } from "./documents.ts"

const Entry = Schema.Struct({
  id: Ordinal,
  at: Schema.String,
  actor: Schema.String.annotate({ description: "The address it came from." }),
  action: Schema.String,
  target: Schema.String.annotate({ description: "What was changed: the id of a campaign, a job, a topic." }),
  change: Schema.Record(Schema.String, Schema.Unknown).annotate({
    description: "What was asked; of a campaign that stands each field `before` and `after`."
  }),
  outcome: Schema.String.annotate({
    description: "`done`, the `code` of the problem it was answered with, or `unknown` where nobody waited for the answer."
  })
}).annotate({ identifier: "AuditEntry" })

const Entries = Schema.Struct({
  entries: Schema.Array(Entry),
  next: Schema.NullOr(Ordinal).annotate({ description: "The `before` of the next page; null on the last." })
}).annotate({
  identifier: "AuditPage",
  examples: [
    {
      entries: [
        {
          id: 42,
          at: "2026-11-24T12:00:00.000Z",
          actor: "10.0.0.7",
          action: "campaign.change",
          target: "spring-sale",
          change: { ratePerSecond: { before: 100, after: 200 } },
          outcome: "done"
        }
      ],
      next: 42
    }
  ]
})

export const Audit = HttpApiGroup.make("audit")
  .add(
    HttpApiEndpoint.get("list", "/audit", {
      query: {
        limit: wholeNumber(1, 200).pipe(Schema.withDecodingDefaultKey(Effect.succeed("50"))),
        before: Schema.optionalKey(wholeNumber(1, Number.MAX_SAFE_INTEGER, "Only entries older than the one with this id."))
      },
      success: Entries,
      error: [...ofInput, problem<Unavailable>("unavailable")]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "List what admins changed",
        description:
          "Every change that was asked for over HTTP with the admin key, the newest first, with how it ended. Requests that were not valid " +
          "changed nothing and are not listed. Names and addresses of customers are not kept here."
      })
    )
  )
  .annotateMerge(OpenApi.annotations({ title: "audit (admin)", description: "What admins changed." }))

export const auditApi = api.add(Audit).middleware(Admin).middleware(Guard)

export const layerAudit = HttpApiBuilder.group(
  auditApi,
  "audit",
  Effect.fnUntraced(function* (handlers) {
    const log = yield* AuditLog
    return handlers.handleAll({ list: ({ query }) => log.page(query.limit, query.before) })
  })
)
