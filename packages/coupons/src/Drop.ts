/**
 * The drop as its users see it: a place for everybody who asks, the truth about it at any time, and a coupon for the first.
 *
 * It joins what the parts know: the waiting room (who stands where), the issuances (who has a coupon), the campaigns (what is on sale).
 * `issued` is only ever said of a committed issuance. A waiting room that lost its state is rebuilt by the first call that notices, which
 * is answered `Unavailable` until that is done.
 */
import type {
  CampaignId,
  CampaignNotFound,
  CampaignView,
  Coupon,
  JoinRefused,
  TicketInvalid,
  TicketView,
  Unavailable,
  UserId
} from "@sluice/domain"
import { Context, type Effect, type Exit, type Stream } from "effect"

export interface Joined {
  /** Whether this call gave the place. */
  readonly isNew: boolean
  readonly view: TicketView
}

export type JoinError = CampaignNotFound | JoinRefused | Unavailable
export type LookError = CampaignNotFound | TicketInvalid | Unavailable

export class Drop extends Context.Service<
  Drop,
  {
    /** The user's place; with a sold-out campaign state `sold_out` and no ticket. */
    readonly join: (campaignId: CampaignId, userId: UserId) => Effect.Effect<Joined, JoinError>
    readonly look: (campaignId: CampaignId, ticket: string) => Effect.Effect<TicketView, LookError>
    readonly leave: (campaignId: CampaignId, ticket: string) => Effect.Effect<void, LookError>
    /** The view now and after each change, ending with a final state. Fails as `look` would at the first element. */
    readonly watch: (campaignId: CampaignId, ticket: string) => Stream.Stream<TicketView, LookError>
    /** For listeners outside the runtime: no fiber a request, only one a batch. The callback is called once, never synchronously. */
    readonly joinUnsafe: (campaignId: CampaignId, userId: UserId, done: (exit: Exit.Exit<Joined, JoinError>) => void) => void
    readonly lookUnsafe: (campaignId: CampaignId, ticket: string, done: (exit: Exit.Exit<TicketView, LookError>) => void) => void
    readonly coupons: (userId: UserId) => Effect.Effect<ReadonlyArray<Coupon>, Unavailable>
    readonly campaigns: Effect.Effect<ReadonlyArray<CampaignView>, Unavailable>
    readonly campaign: (campaignId: CampaignId) => Effect.Effect<CampaignView, CampaignNotFound | Unavailable>
    /** The view now and after each change, for as long as somebody reads. */
    readonly watchCampaign: (campaignId: CampaignId) => Stream.Stream<CampaignView, CampaignNotFound | Unavailable>
  }
>()("sluice/Drop") {}
