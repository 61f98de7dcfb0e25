/**
 * Moves the heads of all waiting rooms to their gates, and what comes out to the log.
 *
 * Any number of processes run it at once: the room decides how many may pass, so more of them only make it more likely that somebody
 * asks in time. A process that dies between admitting and publishing loses nobody: the win stays with the room, which hands it out again.
 */
import { type Campaign, type CampaignId, CouponWonJson, winsTopic } from "@sluice/domain"
import { crashPoint, EventLog, type EventLogError, Tracing } from "@sluice/engines"
import { Effect, Metric, Schedule, Schema, Stream } from "effect"
import { JoinTraces } from "./JoinTraces.ts"
import { type NotLoaded, WaitingRoom, type WaitingRoomError, type Win } from "./WaitingRoom.ts"

/** Below the tenth of a second's worth that the room lets pass at once, so that no admission is lost to a late tick. */
const tick = "50 millis"
/** How often a room that can't admit anybody is asked again, in ticks; and one that can't before its definition changes. */
const restingTicks = 5
const quietTicks = 40
const admittedAtOnce = 1000

const admitted = Metric.counter("sluice_admissions_total", {
  description: "Users who passed to the gate and won.",
  incremental: true
})

const encode = Schema.encodeSync(CouponWonJson)

/** Brings wins to the log and tells the room. Sent twice is harmless: the issuer knows what it has issued. */
export const publishWins = (
  campaignId: CampaignId,
  from: { readonly generation: number; readonly nowMs: number },
  wins: ReadonlyArray<Win>
) =>
  Effect.gen(function* () {
    if (wins.length === 0) return
    const log = yield* EventLog
    const room = yield* WaitingRoom
    const joins = yield* JoinTraces
    const traces =
      joins === undefined
        ? []
        : yield* joins.recall(
            campaignId,
            wins.map(({ userId }) => userId)
          )
    const publish = (sentOn: ReadonlyArray<string | null | undefined>) =>
      log.publish(
        winsTopic,
        wins.map(({ seq, serial, userId }, i) => ({
          key: userId,
          ...(sentOn[i] ? { headers: { [Tracing.traceHeader]: sentOn[i] } } : {}),
          value: encode({
            type: "CouponWon",
            version: 1,
            campaignId,
            generation: from.generation,
            serial,
            userId,
            seq,
            wonAtMs: from.nowMs
          })
        }))
      )
    yield* Tracing.forEachTrace("Admission.publish", "producer", traces, publish)
    yield* crashPoint("admission.published")
    yield* room.acknowledge(campaignId, wins)
  })

export interface Options<R> {
  /** What is on sale now. */
  readonly campaigns: Effect.Effect<ReadonlyArray<Campaign>, never, R>
  /** Asked when a room does not answer for its campaign. */
  readonly rebuild: (campaignId: CampaignId) => Effect.Effect<void, never, R>
}

/** Whether nobody can be admitted before the definition changes; time alone opens a campaign, so one that is scheduled is not quiet. */
const isQuiet = (
  { closesAtMs, paused }: Campaign,
  { nowMs, remaining }: { readonly nowMs: number; readonly remaining: number }
) => paused || remaining === 0 || (closesAtMs !== null && nowMs >= closesAtMs)

/** Runs for ever. Wins on their way to the log when it is interrupted stay with their room. */
export const run = <R>(options: Options<R>) =>
  Effect.gen(function* () {
    const room = yield* WaitingRoom
    const resting = new Map<CampaignId, { readonly until: number; readonly definition: string }>()
    let now = 0

    const definitionOf = ({ generation, revision }: Campaign) => `${generation}.${revision}`
    const isDue = (campaign: Campaign) => {
      const rest = resting.get(campaign.id)
      return rest === undefined || rest.until <= now || rest.definition !== definitionOf(campaign)
    }
    const rest = (campaign: Campaign, ticks: number) =>
      resting.set(campaign.id, { until: now + ticks, definition: definitionOf(campaign) })

    const publish = (id: CampaignId, from: { readonly generation: number; readonly nowMs: number }, wins: ReadonlyArray<Win>) =>
      publishWins(id, from, wins).pipe(
        Effect.catch((error: EventLogError | NotLoaded | WaitingRoomError) =>
          Effect.logWarning("wins stay with the room until the log takes them").pipe(
            Effect.annotateLogs({ campaign: id, wins: wins.length, error: error._tag })
          )
        )
      )

    const admit = Effect.fnUntraced(function* (campaign: Campaign) {
      const { id } = campaign
      const admission = yield* room.admit(id, admittedAtOnce)
      if (!admission.active) rest(campaign, isQuiet(campaign, admission) ? quietTicks : restingTicks)
      if (admission.wins.length === 0) return
      yield* crashPoint("admission.admitted")
      yield* Metric.update(Metric.withAttributes(admitted, { campaign: id }), admission.wins.length)
      yield* Effect.forkScoped(publish(id, admission, admission.wins))
    })

    const guarded = (campaign: Campaign) =>
      admit(campaign).pipe(
        Effect.catchTag("NotLoaded", () => options.rebuild(campaign.id)),
        Effect.catchTag("WaitingRoomError", () => Effect.sync(() => rest(campaign, restingTicks)))
      )

    yield* Stream.fromSchedule(Schedule.spaced(tick)).pipe(
      Stream.mapEffect(() => options.campaigns),
      Stream.runForEach((campaigns) => {
        now++
        return Effect.forEach(campaigns.filter(isDue), guarded, { concurrency: 16, discard: true })
      })
    )
  }).pipe(Effect.scoped)
