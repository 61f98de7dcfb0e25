/**
 * A user with a serial, not yet written to the database: the event between the gate and the issuer.
 */
import { Schema } from "effect"
import { CampaignId, UserId } from "./Ids.ts"

/** Topic and dead-letter topic of the wins. */
export const winsTopic = "sluice.wins"

const Positive = Schema.Int.check(Schema.isGreaterThan(0))

export const CouponWon = Schema.Struct({
  type: Schema.Literal("CouponWon"),
  version: Schema.Literal(1),
  campaignId: CampaignId,
  /** Generation of the waiting room that gave the serial; the issuer refuses an older one. */
  generation: Schema.Int,
  serial: Positive,
  userId: UserId,
  seq: Positive,
  wonAtMs: Schema.Int
})
export type CouponWon = typeof CouponWon.Type

export const CouponWonJson = Schema.fromJsonString(CouponWon)
