/**
 * The ordered crowd of each campaign, and the gate at its head.
 *
 * What every layer keeps, for any number of processes that call it at once and may die between any two calls:
 * - a user has one place, a number of the campaign's own sequence: asking again gives the same one;
 * - users pass in the order of their places, at most `ratePerSecond` (and never more than a tenth of a second's worth at once) by the
 *   engine's own clock;
 * - whoever passes gets a serial in the same atomic step: at most `stock` serials, each once, at most one a user;
 * - a win stays with the room until it is settled, and is handed out again when nobody acknowledged or settled it in time;
 * - a room whose state may be lost or old answers `NotLoaded`, and is silent until it was rebuilt from the authorities.
 * It does not know what is in the database: `issuing` means won, and nothing more.
 */
import type { Campaign, CampaignCounters, CampaignId, UserId } from "@sluice/domain"
import { Context, type Effect, Schema } from "effect"

/** A place with its owner. */
export interface Place {
  readonly userId: UserId
  readonly seq: number
}

export interface Win extends Place {
  readonly serial: number
}

/** How the head of the room moves, to tell the others how long it will take. */
export interface Pace {
  /** The engine's clock. */
  readonly nowMs: number
  readonly remaining: number
  /** Admissions a second as measured, or as set where nothing was measured yet; null while nobody is being admitted. */
  readonly ratePerSecond: number | null
}

export type Standing =
  | { readonly state: "waiting"; readonly seq: number; readonly position: number; readonly isNew: boolean }
  | { readonly state: "won"; readonly seq: number; readonly serial: number }
  | { readonly state: "sold_out" | "left" | "closed" | "not_open" | "full" }

export interface Standings {
  readonly pace: Pace
  /** One for each one asked, in the same order. */
  readonly standings: ReadonlyArray<Standing>
}

export interface Admission {
  readonly wins: ReadonlyArray<Win>
  readonly generation: number
  readonly nowMs: number
  readonly waiting: number
  readonly remaining: number
  /** Whether another call could admit anybody as things stand: open, running, with stock and somebody waiting. */
  readonly active: boolean
}

/** What became of wins, by those who know. */
export interface Settlement {
  readonly issued?: ReadonlyArray<Win>
  /** Set aside as dead letters. A dead win may be settled as issued later. */
  readonly dead?: ReadonlyArray<Win>
}

/** The room can't answer for this campaign: never loaded, lost, or perhaps behind what it has promised. */
export class NotLoaded extends Schema.TaggedError<NotLoaded>()("NotLoaded", { campaignId: Schema.String }) {}

export class WaitingRoomError extends Schema.TaggedError<WaitingRoomError>()("WaitingRoomError", { cause: Schema.Defect() }) {}

type Answer<A> = Effect.Effect<A, NotLoaded | WaitingRoomError>

/** How long a win that was handed out may stay unacknowledged, and an acknowledged one unsettled, before it is handed out again. */
export const publishLeaseMs = 2_000
export const settleLeaseMs = 20_000

export class WaitingRoom extends Context.Service<
  WaitingRoom,
  {
    /** Gives each user a place, or tells the one that it has. `left` is never an answer. */
    readonly join: (campaignId: CampaignId, users: ReadonlyArray<UserId>) => Answer<Standings>
    /**
     * Where the tickets stand. A ticket of an earlier generation gets its old place back. `isNew` is always false; `not_open` and `full`
     * are never answers.
     */
    readonly look: (campaignId: CampaignId, places: ReadonlyArray<Place>) => Answer<Standings>
    /** Gives places up. A win can't be given up: it stays. */
    readonly leave: (campaignId: CampaignId, places: ReadonlyArray<Place>) => Answer<void>
    /** Lets as many pass as rate, stock and `limit` allow now. */
    readonly admit: (campaignId: CampaignId, limit: number) => Answer<Admission>
    /** The log has these wins: look after them again in `settleLeaseMs`. */
    readonly acknowledge: (campaignId: CampaignId, wins: ReadonlyArray<Win>) => Answer<void>
    /**
     * Takes over wins that somebody should have looked after by now, for `publishLeaseMs`. `generation` is the room's; `unsettled` counts
     * all its wins that are not settled: while there are none, none can be overdue before `publishLeaseMs` has passed.
     */
    readonly overdue: (
      campaignId: CampaignId,
      limit: number
    ) => Answer<{
      readonly generation: number
      readonly nowMs: number
      readonly unsettled: number
      readonly wins: ReadonlyArray<Win>
    }>
    /**
     * Idempotent. A win that the room does not know as its own is only noted as won; a user who has an issuance keeps it. Where an
     * issuance has the serial of somebody else's, the counters may not add up from then on: such a room is to be rebuilt.
     * Answers how many of the issued ones were not expected: neither under way nor known as issued.
     */
    readonly settle: (campaignId: CampaignId, settlement: Settlement) => Answer<number>
    /** Puts users of a fenced generation back to their old places, unless they have won since. */
    readonly restore: (campaignId: CampaignId, places: ReadonlyArray<Place>) => Answer<void>
    readonly counters: (
      campaignId: CampaignId
    ) => Answer<CampaignCounters & { readonly nowMs: number; readonly revision: number }>
    /** Every win that is not settled: for reconciliation. */
    readonly unsettled: (campaignId: CampaignId, limit: number) => Answer<ReadonlyArray<Win>>
    /** Takes over a newer definition; an older `revision` than the room's changes nothing. */
    readonly configure: (campaign: Campaign) => Answer<void>

    /**
     * Rebuilding: `begin` takes the lease (false: somebody else has it), `load` brings what is issued, in order of the serials, with the
     * serials between them that are free, `finish` opens the room under the campaign's new generation, holding admission for `holdMs`
     * so that the crowd can come back to its places, and once more from the first who comes back to one that was lost (only Redis can
     * lose them apart from the authorities). Users whose win was not issued wait again at their old place.
     */
    readonly begin: (campaignId: CampaignId, owner: string, leaseMs: number) => Effect.Effect<boolean, WaitingRoomError>
    readonly load: (
      campaignId: CampaignId,
      owner: string,
      part: { readonly issued: ReadonlyArray<Win>; readonly free: ReadonlyArray<number> }
    ) => Effect.Effect<void, WaitingRoomError>
    readonly finish: (campaign: Campaign, owner: string, holdMs: number) => Effect.Effect<void, WaitingRoomError>
    readonly ping: Effect.Effect<void, WaitingRoomError>
  }
>()("sluice/WaitingRoom") {}
