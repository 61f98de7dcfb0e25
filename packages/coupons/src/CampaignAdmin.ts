/**
 * What an operator does to a campaign. Each change is in the SQL store, the authority, before it reaches the waiting room; a process that
 * dies in between leaves the rest to whoever keeps the rooms in step.
 */
import type {
  CampaignExists,
  CampaignId,
  CampaignNotFound,
  CampaignPatch,
  CampaignView,
  ChangeRefused,
  NewCampaign,
  ReconcileReport,
  Unavailable
} from "@sluice/domain"
import { Context, type Effect } from "effect"

export class CampaignAdmin extends Context.Service<
  CampaignAdmin,
  {
    readonly create: (campaign: NewCampaign) => Effect.Effect<CampaignView, CampaignExists | ChangeRefused | Unavailable>
    readonly change: (
      campaignId: CampaignId,
      patch: CampaignPatch
    ) => Effect.Effect<CampaignView, CampaignNotFound | ChangeRefused | Unavailable>
    /** Holds the room against the issuances and mends what differs. */
    readonly reconcile: (campaignId: CampaignId) => Effect.Effect<ReconcileReport, CampaignNotFound | Unavailable>
  }
>()("sluice/CampaignAdmin") {}
