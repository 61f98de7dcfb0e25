/**
 * What an operator does to a campaign. Each change is in the SQL store, the authority, before it reaches the waiting room; a process that
 * dies in between leaves the rest to whoever keeps the rooms in step.
 */
import {
  type Campaign,
  CampaignExists,
  type CampaignId,
  CampaignNotFound,
  type CampaignPatch,
  type CampaignView,
  ChangeRefused,
  type NewCampaign,
  type ReconcileReport,
  Unavailable,
  viewOf
} from "@sluice/domain"
import { WaitingRoom } from "@sluice/waiting-room"
import { Clock, Context, Effect, Layer, Option } from "effect"
import type { SqlError } from "effect/sql"
import { Campaigns, type Change, ticketsExpireAtMs } from "./Campaigns.ts"
import { Drop } from "./Drop.ts"
import { OnSale } from "./OnSale.ts"
import * as Reconciliation from "./Reconciliation.ts"
import { Recovery } from "./Recovery.ts"

export class CampaignAdmin extends Context.Service<
  CampaignAdmin,
  {
    /** Answers as soon as the SQL store has it: nothing of it can have been sold where the room does not answer yet. */
    readonly create: (campaign: NewCampaign) => Effect.Effect<CampaignView, CampaignExists | ChangeRefused | Unavailable>
    /** `seen` is told what stood before, as it was when it was changed. Once it is changed, repeating an `Unavailable` change is harmless. */
    readonly change: (
      campaignId: CampaignId,
      patch: CampaignPatch,
      seen?: (before: Campaign) => void
    ) => Effect.Effect<CampaignView, CampaignNotFound | ChangeRefused | Unavailable>
    /** Holds the room against the issuances and mends what differs. */
    readonly reconcile: (campaignId: CampaignId) => Effect.Effect<ReconcileReport, CampaignNotFound | Unavailable>
  }
>()("sluice/CampaignAdmin") {
  static readonly layer = Layer.suspend(() => Layer.effect(CampaignAdmin, make))
}

const sqlDown = Effect.mapError((error: SqlError.SqlError | { readonly _tag: "ChangeRefused" }) =>
  error._tag === "SqlError" ? new Unavailable({ engine: "sql", retryAfterSeconds: 1 }) : (error as ChangeRefused)
)

const instant = (text: string | null | undefined): number | null =>
  text === null || text === undefined ? null : Date.parse(text)

const decide = Effect.fnUntraced(function* (campaign: Campaign, patch: CampaignPatch) {
  if (patch.stock !== undefined && patch.stock < campaign.stock) {
    return yield* new ChangeRefused({ detail: `the stock can only go up: it is ${campaign.stock}, ${patch.stock} was asked for` })
  }
  const closesAtMs = patch.closesAt === undefined ? campaign.closesAtMs : instant(patch.closesAt)
  if (patch.closesAt !== undefined && closesAtMs !== null && campaign.opensAtMs !== null && closesAtMs <= campaign.opensAtMs) {
    return yield* new ChangeRefused({ detail: "closesAt must be after opensAt" })
  }
  const change: Change = {
    ...(patch.ratePerSecond === undefined ? {} : { ratePerSecond: patch.ratePerSecond }),
    ...(patch.paused === undefined ? {} : { paused: patch.paused }),
    ...(patch.stock === undefined ? {} : { stock: patch.stock }),
    ...(patch.closesAt === undefined ? {} : { closesAtMs })
  }
  return change
})

const make = Effect.gen(function* () {
  const campaigns = yield* Campaigns
  const recovery = yield* Recovery
  const room = yield* WaitingRoom
  const onSale = yield* OnSale
  const drop = yield* Drop
  const { reconcile } = yield* Reconciliation.make

  const notFound = (campaignId: CampaignId) => new CampaignNotFound({ campaignId })

  const create = Effect.fn("CampaignAdmin.create")(function* (input: NewCampaign) {
    const createdAtMs = yield* Clock.currentTimeMillis
    const opensAtMs = instant(input.opensAt)
    const closesAtMs = instant(input.closesAt)
    if (closesAtMs !== null && closesAtMs <= Math.max(opensAtMs ?? 0, createdAtMs)) {
      return yield* new ChangeRefused({ detail: "closesAt must be after opensAt, and in the future" })
    }
    const campaign: Campaign = {
      id: input.id,
      name: input.name,
      stock: input.stock,
      ratePerSecond: input.ratePerSecond,
      opensAtMs,
      closesAtMs,
      paused: input.paused ?? false,
      maxWaiting: input.maxWaiting ?? null,
      createdAtMs,
      ticketsExpireAtMs: ticketsExpireAtMs(closesAtMs, Math.max(createdAtMs, opensAtMs ?? 0)),
      revision: 1,
      generation: 0
    }
    if (!(yield* sqlDown(campaigns.insert(campaign)))) return yield* new CampaignExists({ campaignId: input.id })
    yield* onSale.refresh
    const untouched = { stock: input.stock, remaining: input.stock, waiting: 0, issuing: 0, issued: 0, dead: 0 }
    return yield* Effect.orElseSucceed(drop.campaign(input.id), () => viewOf(campaign, untouched, createdAtMs))
  })

  const change = Effect.fn("CampaignAdmin.change")(function* (
    campaignId: CampaignId,
    patch: CampaignPatch,
    seen?: (before: Campaign) => void
  ) {
    const changed = yield* sqlDown(
      campaigns.update(campaignId, (campaign) => {
        seen?.(campaign)
        return decide(campaign, patch)
      })
    )
    if (Option.isNone(changed)) return yield* notFound(campaignId)
    yield* onSale.refresh
    yield* recovery.answered(campaignId, room.configure(changed.value))
    return yield* drop.campaign(campaignId)
  })

  return CampaignAdmin.of({ create, change, reconcile })
})
