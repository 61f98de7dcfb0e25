/**
 * One user's place in a campaign's waiting room.
 *
 * A place is a number of the campaign's own sequence. The generation of the waiting room stands in its upper digits, so numbers given
 * after the store was lost are above all given before, and a ticket alone tells which of the two it is.
 */
import { Schema } from "effect"
import { Count, Ordinal } from "./Counts.ts"
import type { CampaignId, UserId } from "./Ids.ts"

/** Places of one generation: 2^32; with 2^21 generations still an exact double. */
export const placesPerGeneration = 2 ** 32

export const generationOf = (seq: number): number => Math.floor(seq / placesPerGeneration)

/** What a ticket says, once its signature is verified. */
export interface Ticket {
  readonly campaignId: CampaignId
  readonly userId: UserId
  readonly seq: number
}

export const TicketState = Schema.Literals(["waiting", "issuing", "issued", "sold_out", "left", "closed"])
export type TicketState = typeof TicketState.Type

export const isFinal = (state: TicketState): boolean => state !== "waiting" && state !== "issuing"

const TicketText = Schema.String.annotate({ description: "a signed JWT; keep it, it holds the place" })

/** The answer to a join and to a look. Numbers that do not apply to the state are null. */
export const TicketView = Schema.Struct({
  ticket: Schema.NullOr(TicketText),
  state: TicketState,
  position: Schema.NullOr(Ordinal),
  etaSeconds: Schema.NullOr(Schema.Number),
  pollAfterMs: Schema.NullOr(Count),
  serial: Schema.optionalKey(Ordinal),
  code: Schema.optionalKey(Schema.String)
})
export type TicketView = typeof TicketView.Type
