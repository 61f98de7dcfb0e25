/** What an operator does to a campaign. */
import { CampaignAdmin } from "@sluice/coupons"
import {
  type CampaignExists,
  type CampaignNotFound,
  CampaignPatch,
  type ChangeRefused,
  closesAfterItOpens,
  NewCampaign,
  ReconcileReport,
  type Campaign as Stored
} from "@sluice/domain"
import { Clock, Effect } from "effect"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Audited, ChangeNote } from "../Audited.ts"
import { Guard, ofInput, ofJsonBody } from "../Guard.ts"
import { Admin } from "../Identity.ts"
import { invalidFields, problem } from "../Problems.ts"
import { api, Campaign, CampaignIdParam } from "./documents.ts"

const params = { id: CampaignIdParam }
const notFound = problem<CampaignNotFound>("campaign_not_found")

const Create = NewCampaign.annotate({
  description:
    "Without `opensAt` the campaign is open at once. `closesAt` is in the future and after `opensAt`. A paused campaign lets users join and admits none.",
  examples: [{ id: "spring-sale", name: "Spring sale", stock: 1000, ratePerSecond: 100, opensAt: "2026-11-24T12:00:00Z" }]
})
  .check(closesAfterItOpens)
  .annotate({ identifier: "NewCampaign" })

const Change = CampaignPatch.annotate({
  identifier: "CampaignPatch",
  description: "What is to change; `stock` only goes up.",
  examples: [{ ratePerSecond: 200 }, { paused: true }]
})

const Report = ReconcileReport.annotate({
  identifier: "ReconcileReport",
  description: "What the waiting room and the issuances agreed on in the end, and in how many things they did not before."
})

export const CampaignAdministration = HttpApiGroup.make("campaign-admin")
  .add(
    HttpApiEndpoint.post("create", "/campaigns", {
      payload: Create,
      success: Campaign.pipe(HttpApiSchema.status(201)),
      error: [...ofJsonBody, problem<CampaignExists | ChangeRefused>("campaign_exists", "change_refused")]
    }).annotateMerge(OpenApi.annotations({ summary: "Create a campaign" })),
    HttpApiEndpoint.patch("change", "/campaigns/:id", {
      params,
      payload: Change,
      success: Campaign,
      error: [...ofJsonBody, notFound, problem<ChangeRefused>("change_refused")]
    }).annotateMerge(OpenApi.annotations({ summary: "Change a campaign" })),
    HttpApiEndpoint.post("reconcile", "/campaigns/:id/reconcile", {
      params,
      success: Report,
      error: [...ofInput, notFound]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Reconcile a campaign",
        description: "Holds the waiting room against the issuances in the database, the authority, and mends what differs."
      })
    )
  )
  .annotateMerge(OpenApi.annotations({ title: "campaigns (admin)", description: "Campaigns, for the admin." }))

export const campaignAdminApi = api.add(CampaignAdministration).middleware(Audited).middleware(Admin).middleware(Guard)

const closedAlready = invalidFields([{ path: "closesAt", message: "Expected an instant in the future" }])

/** Of the fields that were to change. */
const beforeAndAfter = ({ closesAtMs, ...before }: Stored, patch: CampaignPatch) => {
  const stood = { ...before, closesAt: closesAtMs === null ? null : new Date(closesAtMs).toISOString() }
  return Object.fromEntries(
    Object.entries(patch).map(([name, after]) => [name, { before: stood[name as keyof CampaignPatch], after }])
  )
}

export const layerCampaignAdmin = HttpApiBuilder.group(
  campaignAdminApi,
  "campaign-admin",
  Effect.fnUntraced(function* (handlers) {
    const admin = yield* CampaignAdmin
    return handlers.handleAll({
      create: Effect.fnUntraced(function* ({ payload }) {
        const { closesAt } = payload
        if (closesAt && Date.parse(closesAt) <= (yield* Clock.currentTimeMillis)) return yield* closedAlready
        return yield* admin.create(payload)
      }),
      change: Effect.fnUntraced(function* ({ params, payload }) {
        const note = yield* ChangeNote
        return yield* admin.change(params.id, payload, (before) => {
          note.change = beforeAndAfter(before, payload)
        })
      }),
      reconcile: ({ params }) => admin.reconcile(params.id)
    })
  })
)
