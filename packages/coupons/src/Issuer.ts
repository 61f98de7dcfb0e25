/**
 * Writes wins to the database, in batches, each win once however often it arrives.
 *
 * The way back from the database is: commit, tell the waiting room, then commit the position in the log. Dying anywhere in between repeats
 * the batch, which changes nothing. While the database is away nothing is given up: the batch is tried until it is back. What the database
 * refuses for its own sake goes to the dead-letter topic, with the reason, and the win is counted as dead until it is replayed.
 */
import { type CampaignId, type CouponWon, CouponWonJson, winsTopic } from "@sluice/domain"
import {
  type Batch,
  countDeadLetters,
  crashPoint,
  EventLog,
  type LoggedEvent,
  patiently,
  setAside,
  Tracing
} from "@sluice/engines"
import { type NotLoaded, type Place, WaitingRoom, type WaitingRoomError, type Win } from "@sluice/waiting-room"
import { Effect, Exit, Metric, Schema, Stream } from "effect"
import type { SqlError } from "effect/sql"
import { Issuances, type Outcome } from "./Issuances.ts"

export const issuerGroup = "sluice.issuer"

const maxBatch = 500
/** Of a win that the database refuses for its own sake. */
const attempts = 3

const issued = Metric.counter("sluice_issuances_total", { description: "Wins written to the database.", incremental: true })
const latency = Metric.histogram("sluice_issue_seconds", {
  description: "From the win to its committed issuance.",
  boundaries: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
})

interface Received {
  readonly event: LoggedEvent
  readonly win: CouponWon
}

/** With the number of tries, where there was more than one. */
type Tried = Outcome & { readonly attempts?: number }

/** The statement is at fault, by SQLSTATE: bad data, a broken constraint, or a trigger's own refusal. Everything else may heal. */
const isRefusal = ({ reason }: SqlError.SqlError): boolean => {
  const state = (reason.cause as { readonly sqlState?: string } | undefined)?.sqlState
  return (
    reason._tag === "ConstraintError" ||
    reason._tag === "UniqueViolation" ||
    (state !== undefined && /^(22|23|44|45)/.test(state))
  )
}

const decode = Schema.decodeUnknownExit(CouponWonJson)

export const run = Effect.gen(function* () {
  const log = yield* EventLog
  const issuances = yield* Issuances
  const room = yield* WaitingRoom
  yield* countDeadLetters(winsTopic)
  yield* Metric.value(latency)

  const bury = (event: LoggedEvent, reason: string, attempts = 1) => setAside(log, event, { reason, attempts })

  /** Halves a batch that the database refuses until what it refuses stands alone. */
  const issue = (batch: ReadonlyArray<Received>): Effect.Effect<ReadonlyArray<Tried>, SqlError.SqlError> =>
    issuances.issue(batch.map(({ win }) => win)).pipe(
      Effect.retry({ while: isRefusal, times: batch.length === 1 ? attempts - 1 : 0 }),
      Effect.catchIf(isRefusal, (error) => {
        if (batch.length === 1) {
          const { campaignId, seq, serial, userId } = batch[0]!.win
          const reason = error.reason.message ?? error.reason._tag
          return Effect.succeed<ReadonlyArray<Tried>>([
            { _tag: "Refused", campaignId, win: { serial, seq, userId }, reason, attempts }
          ])
        }
        const half = Math.ceil(batch.length / 2)
        return Effect.zipWith(issue(batch.slice(0, half)), issue(batch.slice(half)), (a, b) => [...a, ...b])
      }),
      Effect.tapError((error) =>
        Effect.logWarning("the database is away; the wins wait").pipe(Effect.annotateLogs({ error: error.message }))
      ),
      Effect.retry(patiently)
    )

  /** The room may be away or lost: what it does not hear now, it finds out when it looks after its wins. */
  const tell = (effect: Effect.Effect<unknown, NotLoaded | WaitingRoomError>) => Effect.ignore(effect)

  const settle = Effect.fnUntraced(function* (outcomes: ReadonlyArray<Outcome>) {
    const byCampaign = new Map<CampaignId, { issued: Array<Win>; dead: Array<Win>; fenced: Array<Place> }>()
    for (const outcome of outcomes) {
      const told = byCampaign.get(outcome.campaignId) ?? { issued: [], dead: [], fenced: [] }
      byCampaign.set(outcome.campaignId, told)
      if (outcome._tag === "Issued") told.issued.push(outcome.win)
      else if (outcome._tag === "Fenced") told.fenced.push(outcome.place)
      else told.dead.push(outcome.win)
    }
    for (const [campaignId, told] of byCampaign) {
      yield* tell(room.settle(campaignId, told))
      yield* tell(room.restore(campaignId, told.fenced))
      if (told.issued.length > 0)
        yield* Metric.update(Metric.withAttributes(issued, { campaign: campaignId }), told.issued.length)
    }
  })

  const handle = Effect.fnUntraced(function* (batch: Batch) {
    yield* crashPoint("issuer.received")
    const received: Array<Received> = []
    for (const event of batch.events) {
      const win = decode(event.value)
      if (Exit.isSuccess(win)) received.push({ event, win: win.value })
      else yield* bury(event, "not a CouponWon of version 1")
    }
    const outcomes = yield* issue(received)
    yield* crashPoint("issuer.committed")
    const now = Date.now()
    for (const [i, outcome] of outcomes.entries()) {
      const { event, win } = received[i]!
      if (outcome._tag === "Refused") yield* bury(event, outcome.reason, outcome.attempts)
      else if (outcome._tag === "Issued") yield* Metric.update(latency, Math.max(0, now - win.wonAtMs) / 1000)
    }
    yield* settle(outcomes)
    yield* crashPoint("issuer.settled")
    yield* batch.commit
  })

  const traced = (batch: Batch) =>
    Tracing.forEachTrace(
      "Issuer.issue",
      "consumer",
      batch.events.map(({ headers }) => headers[Tracing.traceHeader]),
      () => handle(batch)
    )

  yield* log.batches({ topic: winsTopic, group: issuerGroup, maxBatch }).pipe(Stream.runForEach(traced), Effect.retry(patiently))
})
