/**
 * One sale: a stock of coupons, an admission rate, an opening and a closing time.
 */
import { Schema } from "effect"
import { Count } from "./Counts.ts"
import { CampaignId } from "./Ids.ts"
import { satisfies, shownText } from "./Text.ts"

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

export const Stock = between(1, 100_000_000)
/** Admissions a second, over all processes together. */
export const RatePerSecond = between(1, 1_000_000)
/** How many may wait at once. */
export const MaxWaiting = between(1, 1_000_000_000)

const instantPattern =
  /^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,9})?)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$/

/** Whether the day is in the calendar, which `Date` would move on from, and the instant in the years 1 to 9999 of UTC. */
const isInstant = (text: string): boolean => {
  if (!instantPattern.test(text)) return false
  const day = text.slice(0, 10)
  const year = new Date(text).getUTCFullYear()
  return new Date(day).toISOString().startsWith(day) && year >= 1 && year <= 9999
}

/** An instant on the wire: ISO 8601 with a zone, as `2026-11-24T12:00:00Z`; the seconds may be left out. */
export const Instant = Schema.String.check(
  satisfies(isInstant, "an instant such as 2026-11-24T12:00:00Z", { pattern: instantPattern.source, format: "date-time" })
)

/** An instant as it is shown: in UTC, with milliseconds. */
const ShownInstant = Schema.String.annotate({ format: "date-time" })

export const NewCampaign = Schema.Struct({
  id: CampaignId,
  name: shownText(200),
  stock: Stock,
  ratePerSecond: RatePerSecond,
  opensAt: Schema.optionalKey(Schema.NullOr(Instant)),
  closesAt: Schema.optionalKey(Schema.NullOr(Instant)),
  paused: Schema.optionalKey(Schema.Boolean),
  maxWaiting: Schema.optionalKey(Schema.NullOr(MaxWaiting))
})
export type NewCampaign = typeof NewCampaign.Type

/** For what a caller sends, after its schema. */
export const closesAfterItOpens = Schema.makeFilter(
  ({ closesAt, opensAt }: NewCampaign) =>
    !opensAt ||
    !closesAt ||
    Date.parse(closesAt) > Date.parse(opensAt) || { path: ["closesAt"], issue: "Expected an instant after opensAt" }
)

export const CampaignPatch = Schema.Struct({
  ratePerSecond: Schema.optionalKey(RatePerSecond),
  paused: Schema.optionalKey(Schema.Boolean),
  /** Only ever up: what was promised can't be taken back. */
  stock: Schema.optionalKey(Stock),
  closesAt: Schema.optionalKey(Schema.NullOr(Instant))
})
export type CampaignPatch = typeof CampaignPatch.Type

/**
 * A campaign as the SQL store keeps it: the authority on every field. `revision` grows with each change, so an engine can tell an old
 * definition from a new one; `generation` grows each time the waiting room had to be rebuilt, and fences wins of the time before.
 */
export interface Campaign {
  readonly id: CampaignId
  readonly name: string
  readonly stock: number
  readonly ratePerSecond: number
  readonly opensAtMs: number | null
  readonly closesAtMs: number | null
  readonly paused: boolean
  readonly maxWaiting: number | null
  readonly createdAtMs: number
  readonly ticketsExpireAtMs: number
  readonly revision: number
  readonly generation: number
}

export const CampaignState = Schema.Literals(["scheduled", "open", "paused", "sold_out", "closed"])
export type CampaignState = typeof CampaignState.Type

/** Taken in one step, so that always stock = remaining + issuing + issued + dead. */
export const CampaignCounters = Schema.Struct({
  stock: Count,
  remaining: Count,
  waiting: Count,
  issuing: Count,
  issued: Count,
  dead: Count
})
export type CampaignCounters = typeof CampaignCounters.Type

/** A campaign as callers see it. */
export const CampaignView = Schema.Struct({
  id: CampaignId,
  name: Schema.String,
  state: CampaignState,
  ...CampaignCounters.fields,
  ratePerSecond: RatePerSecond,
  opensAt: Schema.NullOr(ShownInstant),
  closesAt: Schema.NullOr(ShownInstant),
  maxWaiting: Schema.NullOr(MaxWaiting)
})
export type CampaignView = typeof CampaignView.Type

/** What `POST /campaigns/{id}/reconcile` found when it held the waiting room against the issuances, and mended. */
export const ReconcileReport = Schema.Struct({
  campaignId: CampaignId,
  stock: Count,
  issued: Count,
  issuing: Count,
  remaining: Count,
  dead: Count,
  driftFound: Count,
  driftMended: Count
})
export type ReconcileReport = typeof ReconcileReport.Type

const iso = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString())

/** The state at `nowMs`; sold out stands above paused, since no resume can change it. */
export const stateOf = (
  campaign: Pick<Campaign, "opensAtMs" | "closesAtMs" | "paused">,
  remaining: number,
  nowMs: number
): CampaignState => {
  if (campaign.closesAtMs !== null && nowMs >= campaign.closesAtMs) return "closed"
  if (remaining === 0) return "sold_out"
  if (campaign.opensAtMs !== null && nowMs < campaign.opensAtMs) return "scheduled"
  return campaign.paused ? "paused" : "open"
}

export const viewOf = (campaign: Campaign, counters: CampaignCounters, nowMs: number): CampaignView => ({
  id: campaign.id,
  name: campaign.name,
  state: stateOf(campaign, counters.remaining, nowMs),
  ...counters,
  ratePerSecond: campaign.ratePerSecond,
  opensAt: iso(campaign.opensAtMs),
  closesAt: iso(campaign.closesAtMs),
  maxWaiting: campaign.maxWaiting
})
