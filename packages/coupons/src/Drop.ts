/**
 * The drop as its users see it: a place for everybody who asks, the truth about it at any time, and a coupon for the first.
 *
 * It joins what the parts know: the waiting room (who stands where), the issuances (who has a coupon), the campaigns (what is on sale).
 * `issued` is only ever said of a committed issuance. A waiting room that lost its state is rebuilt by the first call that notices, which
 * is answered `Unavailable` until that is done.
 */
import {
  type Campaign,
  type CampaignCounters,
  type CampaignId,
  CampaignNotFound,
  type CampaignView,
  type Coupon,
  type Issuance,
  isFinal,
  JoinRefused,
  type TicketInvalid,
  type TicketView,
  Unavailable,
  type UserId,
  viewOf
} from "@sluice/domain"
import { Batcher, Tracing } from "@sluice/engines"
import {
  JoinTraces,
  type Pace,
  type Place,
  type Standing,
  type Standings,
  Tickets,
  type VerifiedTicket,
  WaitingRoom
} from "@sluice/waiting-room"
import { Cache, Context, Effect, Exit, Layer, Option, Stream, type Tracer } from "effect"
import type { SqlError } from "effect/sql"
import { Campaigns } from "./Campaigns.ts"
import { Issuances } from "./Issuances.ts"
import { OnSale } from "./OnSale.ts"
import { Recovery } from "./Recovery.ts"

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
    readonly lookUnsafe: (ticket: VerifiedTicket, done: (exit: Exit.Exit<TicketView, LookError>) => void) => void
    /** Undefined for what is no ticket of this campaign, or one no longer. */
    readonly verifyUnsafe: (campaignId: CampaignId, ticket: string) => VerifiedTicket | undefined
    readonly coupons: (userId: UserId) => Effect.Effect<ReadonlyArray<Coupon>, Unavailable>
    readonly campaigns: Effect.Effect<ReadonlyArray<CampaignView>, Unavailable>
    readonly campaign: (campaignId: CampaignId) => Effect.Effect<CampaignView, CampaignNotFound | Unavailable>
    /** The view now and after each change, for as long as somebody reads. */
    readonly watchCampaign: (campaignId: CampaignId) => Stream.Stream<CampaignView, CampaignNotFound | Unavailable>
  }
>()("sluice/Drop") {
  static readonly layer = Layer.suspend(() => Layer.effect(Drop, make))
}

/** Above this a call would keep the engine busy for longer than others should wait. */
const maxBatch = 256

const sqlDown = Effect.mapError((_: SqlError.SqlError) => new Unavailable({ engine: "sql", retryAfterSeconds: 1 }))

/** One answer of the room, with what it takes to put it into words. */
interface Answer {
  readonly campaign: Campaign
  readonly pace: Pace
  readonly standing: Standing
  readonly issuance: Issuance | undefined
}

/** Farther away is looked at less often; never so rarely that a holder would miss the hold after a loss. */
const pollAfterMs = (position: number, etaSeconds: number | null): number =>
  Math.round(etaSeconds === null ? Math.min(10_000, 1000 + 2 * position) : Math.min(10_000, Math.max(300, etaSeconds * 250)))

const over = (state: "sold_out" | "left" | "closed", ticket: string | null): TicketView => ({
  ticket,
  state,
  position: null,
  etaSeconds: null,
  pollAfterMs: null
})

const viewOfTicket = (
  { issuance, pace, standing }: Answer,
  ticket: (seq: number) => string
): TicketView | "not_open" | "full" => {
  switch (standing.state) {
    case "waiting": {
      const { position, seq } = standing
      const etaSeconds = pace.ratePerSecond === null ? null : Math.ceil((position / pace.ratePerSecond) * 10) / 10
      return { ticket: ticket(seq), state: "waiting", position, etaSeconds, pollAfterMs: pollAfterMs(position, etaSeconds) }
    }
    case "won": {
      const view = { ticket: ticket(standing.seq), position: null, etaSeconds: null }
      return issuance === undefined
        ? { ...view, state: "issuing", pollAfterMs: 250 }
        : { ...view, state: "issued", pollAfterMs: null, serial: issuance.serial, code: issuance.code }
    }
    case "sold_out":
    case "left":
    case "closed":
      return over(standing.state, null)
    default:
      return standing.state
  }
}

const couponOf = ({ campaignId, code, issuedAtMs, serial }: Issuance): Coupon => ({
  campaignId,
  serial,
  code,
  issuedAt: new Date(issuedAtMs).toISOString()
})

const make = Effect.gen(function* () {
  const room = yield* WaitingRoom
  const campaigns = yield* Campaigns
  const issuances = yield* Issuances
  const recovery = yield* Recovery
  const onSale = yield* OnSale
  const tickets = yield* Tickets
  const traces = yield* JoinTraces.JoinTraces

  const find = (id: CampaignId) =>
    Effect.flatMap(sqlDown(campaigns.find(id)), (found) =>
      Option.isSome(found) ? Effect.succeed(found.value) : Effect.fail(new CampaignNotFound({ campaignId: id }))
    )
  const known = (id: CampaignId) =>
    Effect.flatMap(onSale.campaigns, (list) => {
      const campaign = list.find((candidate) => candidate.id === id)
      return campaign === undefined ? find(id) : Effect.succeed(campaign)
    })

  /** The room says who has won; only the issuances say who has a coupon. */
  const complete = Effect.fnUntraced(function* (id: CampaignId, users: ReadonlyArray<UserId>, { pace, standings }: Standings) {
    const campaign = yield* known(id)
    const serials: Array<number> = []
    for (const standing of standings) if (standing.state === "won") serials.push(standing.serial)
    const written = serials.length === 0 ? [] : yield* sqlDown(issuances.bySerial(id, serials))
    const bySerial = new Map(written.map((issuance) => [issuance.serial, issuance]))
    return standings.map((standing, i): Answer => {
      const issuance = standing.state === "won" ? bySerial.get(standing.serial) : undefined
      return { campaign, pace, standing, issuance: issuance?.userId === users[i] ? issuance : undefined }
    })
  })

  const joins = yield* Batcher.make({
    maxBatch,
    run: (id: CampaignId, users: ReadonlyArray<UserId>) =>
      Effect.flatMap(recovery.answered(id, room.join(id, users)), (standings) => complete(id, users, standings))
  })
  const looks = yield* Batcher.make({
    maxBatch,
    run: (id: CampaignId, places: ReadonlyArray<Place>) =>
      Effect.flatMap(recovery.answered(id, room.look(id, places)), (standings) =>
        complete(
          id,
          places.map(({ userId }) => userId),
          standings
        )
      )
  })

  const joinIn = (
    span: Tracer.AnySpan | undefined,
    campaignId: CampaignId,
    userId: UserId,
    done: (exit: Exit.Exit<Joined, JoinError>) => void
  ) =>
    joins.offer(
      campaignId,
      userId,
      (exit) => {
        if (Exit.isFailure(exit)) return done(Exit.failCause(exit.cause))
        const { campaign, standing } = exit.value
        if (standing.state === "closed") return done(Exit.fail(new JoinRefused({ campaignId, reason: "closed" })))
        const view = viewOfTicket(exit.value, (seq) => tickets.sign({ campaignId, userId, seq }, campaign.ticketsExpireAtMs))
        if (typeof view === "string") return done(Exit.fail(new JoinRefused({ campaignId, reason: view })))
        done(Exit.succeed({ isNew: standing.state === "waiting" && standing.isNew, view }))
      },
      span
    )

  const join = Effect.fnUntraced(function* (campaignId: CampaignId, userId: UserId) {
    const span = yield* Tracing.currentSpan
    // Before the join: admission may come at once.
    if (span !== undefined) yield* traces?.remember(campaignId, userId, Tracing.traceparentOf(span)) ?? Effect.void
    return yield* Effect.callback<Joined, JoinError>((resume) => joinIn(span, campaignId, userId, resume))
  })

  const lookUnsafe: Drop["Service"]["lookUnsafe"] = (ticket, done) =>
    looks.offer(ticket.campaignId, ticket, (exit) => {
      if (Exit.isFailure(exit)) return done(Exit.failCause(exit.cause))
      const { text } = ticket
      const view = viewOfTicket(exit.value, () => text)
      done(
        Exit.succeed(typeof view === "string" ? over("closed", text) : view.ticket === null ? { ...view, ticket: text } : view)
      )
    })

  const look = (campaignId: CampaignId, text: string) =>
    Effect.flatMap(tickets.verify(campaignId, text), (ticket) =>
      Effect.callback<TicketView, LookError>((resume) => lookUnsafe(ticket, resume))
    )

  const changed = <A>(a: A, b: A) => JSON.stringify(a) === JSON.stringify(b)

  const countersOf = (campaign: Campaign): Effect.Effect<CampaignView, CampaignNotFound | Unavailable> =>
    Effect.map(
      recovery.answered(campaign.id, room.counters(campaign.id)),
      (counters: CampaignCounters & { readonly nowMs: number }) => {
        const { dead, issued, issuing, nowMs, remaining, stock, waiting } = counters
        return viewOf(campaign, { stock, remaining, waiting, issuing, issued, dead }, nowMs)
      }
    )
  const campaign = (id: CampaignId) => Effect.flatMap(find(id), countersOf)
  /** For those who watch: one question to the engines for all of them. */
  const views = yield* Cache.make({ lookup: campaign, capacity: 1000, timeToLive: "200 millis" })

  return Drop.of({
    join,
    joinUnsafe: (campaignId, userId, done) => joinIn(undefined, campaignId, userId, done),
    look,
    lookUnsafe,
    verifyUnsafe: tickets.verifyUnsafe,
    leave: Effect.fnUntraced(function* (campaignId, text) {
      const ticket = yield* tickets.verify(campaignId, text)
      yield* recovery.answered(campaignId, room.leave(campaignId, [ticket]))
    }),
    watch: (campaignId, ticket) =>
      Stream.paginate(0, (waitMs: number) =>
        Effect.map(Effect.delay(look(campaignId, ticket), waitMs), (view) => [
          [view],
          isFinal(view.state) ? Option.none<number>() : Option.some(Math.min(view.pollAfterMs ?? 1000, 2000))
        ])
      ).pipe(Stream.changesWith(changed)),
    coupons: (userId) => Effect.map(sqlDown(issuances.byUser(userId)), (rows) => rows.map(couponOf)),
    campaigns: Effect.flatMap(sqlDown(campaigns.list), Effect.forEach(countersOf, { concurrency: 16 })).pipe(
      Effect.catchTag("CampaignNotFound", () => Effect.fail(new Unavailable({ engine: "waiting-room", retryAfterSeconds: 1 })))
    ),
    campaign,
    watchCampaign: (campaignId) =>
      Stream.paginate(0, (waitMs: number) =>
        Effect.map(Effect.delay(Cache.get(views, campaignId), waitMs), (view) => [[view], Option.some(400)])
      ).pipe(Stream.changesWith(changed))
  })
})
