/**
 * Rebuilds a campaign's waiting room from those who know: the SQL store, and the log for what is on its way there.
 *
 * 1. What the log still holds is left to the issuer, for a bounded time: those users have won.
 * 2. The campaign is fenced: a new generation begins, and no win of an older one is issued any more.
 * 3. What is issued at that moment is everything that was promised. The room takes it over, with the serials between them as free.
 * 4. Admission holds for a while, so that those who come back with their tickets are at their old places before anybody passes.
 *
 * Any number of processes may notice the loss at once; the room's lease lets one of them rebuild. Dying half-way leaves a room that does not
 * answer, for the next one to rebuild.
 */

import { randomUUID } from "node:crypto"
import { type Campaign, type CampaignId, CampaignNotFound, Unavailable, winsTopic } from "@sluice/domain"
import { crashPoint, EventLog } from "@sluice/engines"
import { type NotLoaded, WaitingRoom, type WaitingRoomError } from "@sluice/waiting-room"
import { Context, Deferred, Duration, Effect, Layer, Metric, Option, Schedule, Schema, Stream } from "effect"
import type { SqlError } from "effect/sql"
import { Campaigns } from "./Campaigns.ts"
import { Issuances } from "./Issuances.ts"
import { issuerGroup } from "./Issuer.ts"

const leaseMs = 15_000
const rebuilds = Metric.counter("sluice_rebuilds_total", {
  description: "Waiting rooms rebuilt after a loss.",
  incremental: true
})

export interface Options {
  /** How long admission holds after a loss. Longer than the longest time between two looks of a ticket holder. */
  readonly hold: Duration.Input
  /** How long the issuer may take for what is in the log already. */
  readonly drain: Duration.Input
}

export class Recovery extends Context.Service<
  Recovery,
  {
    /** Makes the room answer again, or fails with `Unavailable` where that takes longer than a caller should wait. */
    readonly ensure: (campaignId: CampaignId) => Effect.Effect<void, CampaignNotFound | Unavailable>
    /**
     * Fences the campaign and builds its room anew although it answers, unless that was done since it was in `generation`. Places are
     * kept, so nothing holds admission. Waits for as long as an operator would.
     */
    readonly renew: (campaignId: CampaignId, generation: number) => Effect.Effect<void, CampaignNotFound | Unavailable>
    /** Runs `ask`; where the room is not loaded, rebuilds it and asks once more. */
    readonly answered: <A>(
      campaignId: CampaignId,
      ask: Effect.Effect<A, NotLoaded | WaitingRoomError>
    ) => Effect.Effect<A, CampaignNotFound | Unavailable>
  }
>()("sluice/Recovery") {
  static readonly layer = (options: Options) => Layer.effect(Recovery, make(options))
}

class StillBusy extends Schema.TaggedError<StillBusy>()("StillBusy", {}) {}

const make = (options: Options) =>
  Effect.gen(function* () {
    const campaigns = yield* Campaigns
    const issuances = yield* Issuances
    const room = yield* WaitingRoom
    const log = yield* EventLog
    const scope = yield* Effect.scope
    yield* Metric.value(rebuilds)
    const running = new Map<CampaignId, Deferred.Deferred<void, CampaignNotFound | Unavailable>>()

    const unavailable = (engine: string) => () => new Unavailable({ engine, retryAfterSeconds: 1 })
    const roomDown = <A, E>(ask: Effect.Effect<A, E>) => Effect.mapError(ask, unavailable("waiting-room"))
    const sqlDown = Effect.mapError((_: SqlError.SqlError) => unavailable("sql")())

    const drained = log.lag(winsTopic, issuerGroup).pipe(
      Effect.flatMap(({ events }) => (events === 0 ? Effect.void : Effect.fail(new StillBusy()))),
      Effect.retry(Schedule.spaced("200 millis")),
      Effect.timeoutOption(options.drain),
      Effect.ignore
    )

    const load = Effect.fnUntraced(function* (campaign: Campaign, owner: string) {
      let next = 1
      yield* issuances.all(campaign.id).pipe(
        Stream.grouped(500),
        Stream.runForEach((issued) => {
          const free: Array<number> = []
          for (const { serial } of issued) {
            while (next < serial) free.push(next++)
            next++
          }
          return Effect.andThen(
            Effect.forEach(slices(free, 5000), (part) => room.load(campaign.id, owner, { issued: [], free: part }), {
              discard: true
            }),
            room.load(campaign.id, owner, { issued, free: [] })
          )
        })
      )
    })

    /** Whether the room answers, and under the generation that the campaign is in: somebody else may have been faster. */
    const isWhole = ({ generation, id }: Campaign) =>
      room.overdue(id, 0).pipe(
        Effect.map((answer) => answer.generation === generation),
        Effect.catchTag("NotLoaded", () => Effect.succeed(false)),
        roomDown
      )

    const isDone = (campaign: Campaign, beyond: number) =>
      campaign.generation > beyond ? isWhole(campaign) : Effect.succeed(false)

    const find = (campaignId: CampaignId) =>
      Effect.flatMap(sqlDown(campaigns.find(campaignId)), (found) =>
        Option.isSome(found) ? Effect.succeed(found.value) : Effect.fail(new CampaignNotFound({ campaignId }))
      )

    /** Takes the lease, or waits for whoever has it: false when the room is whole again, in a generation beyond this one. */
    const leased = (campaignId: CampaignId, owner: string, beyond: number) =>
      Effect.gen(function* () {
        if (yield* roomDown(room.begin(campaignId, owner, leaseMs))) return true
        if (yield* isDone(yield* find(campaignId), beyond)) return false
        return yield* new StillBusy()
      }).pipe(
        Effect.retry({ while: (error) => error._tag === "StillBusy", schedule: Schedule.spaced("25 millis") }),
        Effect.catchTag("StillBusy", () => Effect.fail(unavailable("waiting-room")()))
      )

    const rebuild = Effect.fn("Recovery.rebuild")(function* (campaignId: CampaignId, beyond: number) {
      if (yield* isDone(yield* find(campaignId), beyond)) return
      const owner = randomUUID()
      if (!(yield* leased(campaignId, owner, beyond))) return
      const found = yield* find(campaignId)
      if (yield* isDone(found, beyond)) return
      const isLost = !(yield* isWhole(found))
      const isFirst = found.generation === 0
      if (!isFirst) {
        const why = isLost ? "has lost its state" : "is not what was issued"
        yield* Effect.logWarning(`the waiting room ${why}: rebuilding`).pipe(Effect.annotateLogs({ campaign: campaignId }))
        const renewed = Effect.repeat(Effect.ignore(room.begin(campaignId, owner, leaseMs)), Schedule.spaced("3 seconds"))
        yield* Effect.raceFirst(drained, renewed)
      }
      const fenced = yield* sqlDown(campaigns.fence(campaignId))
      if (Option.isNone(fenced)) return yield* new CampaignNotFound({ campaignId })
      yield* crashPoint("recovery.fenced")
      yield* load(fenced.value, owner).pipe(Effect.mapError(unavailable("waiting-room")))
      yield* crashPoint("recovery.loaded")
      const holdMs = isFirst || !isLost ? 0 : Duration.toMillis(Duration.fromInputUnsafe(options.hold))
      yield* roomDown(room.finish(fenced.value, owner, holdMs))
      if (!isFirst) yield* Metric.update(rebuilds, 1)
    })

    /** One rebuild at a time here, which goes on when its first caller gives up. */
    const start = Effect.fnUntraced(function* (campaignId: CampaignId, beyond = -1) {
      const going = running.get(campaignId)
      if (going !== undefined) return going
      const done = Deferred.makeUnsafe<void, CampaignNotFound | Unavailable>()
      running.set(campaignId, done)
      yield* rebuild(campaignId, beyond).pipe(
        Effect.onExit((exit) =>
          Effect.andThen(
            Effect.sync(() => running.delete(campaignId)),
            Deferred.done(done, exit)
          )
        ),
        Effect.forkIn(scope)
      )
      return done
    })

    const ensure = (campaignId: CampaignId) =>
      Effect.flatMap(start(campaignId), Deferred.await).pipe(
        Effect.timeoutOrElse({ duration: "1 second", orElse: () => Effect.fail(unavailable("waiting-room")()) })
      )

    const renew = (campaignId: CampaignId, generation: number) =>
      Effect.gen(function* () {
        // One that was under way here may have been meant for less.
        const going = running.get(campaignId)
        if (going !== undefined) yield* Effect.ignore(Deferred.await(going))
        yield* Deferred.await(yield* start(campaignId, generation))
      }).pipe(Effect.timeoutOrElse({ duration: "20 seconds", orElse: () => Effect.fail(unavailable("waiting-room")()) }))

    const answered = <A>(campaignId: CampaignId, ask: Effect.Effect<A, NotLoaded | WaitingRoomError>) =>
      ask.pipe(
        Effect.catchTag("NotLoaded", () => Effect.andThen(ensure(campaignId), ask)),
        Effect.catchTags({
          NotLoaded: () => Effect.fail(unavailable("waiting-room")()),
          WaitingRoomError: () => Effect.fail(unavailable("waiting-room")())
        })
      )

    return Recovery.of({ ensure, renew, answered })
  })

const slices = <A>(items: ReadonlyArray<A>, size: number): Array<ReadonlyArray<A>> =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size))
