/**
 * A win written to the database, with its coupon code: the authority on who has a coupon.
 */
import { Schema } from "effect"
import { Ordinal } from "./Counts.ts"
import { CampaignId, type UserId } from "./Ids.ts"

export interface Issuance {
  readonly campaignId: CampaignId
  readonly serial: number
  readonly userId: UserId
  readonly seq: number
  readonly code: string
  readonly issuedAtMs: number
}

/** A coupon as its owner sees it. */
export const Coupon = Schema.Struct({
  campaignId: CampaignId,
  serial: Ordinal,
  code: Schema.String,
  issuedAt: Schema.String
})
export type Coupon = typeof Coupon.Type
