/**
 * The events that were set aside, for an operator to look at and to bring back.
 *
 * Replay publishes each event under its own key to the topic it came from and only then marks it as done, batch by batch: dying in between
 * brings an event back twice, never not at all. It takes what is there when it starts; an event that fails again is a new dead letter. So
 * is one of which only the beginning was kept, since the log can't take it: it is not brought back, and the others are.
 */
import { ordersTopic, Unavailable, winsTopic } from "@sluice/domain"
import { deadLetterTopic, EventLog, type EventLogError, isCut, type LoggedEvent, type NewEvent } from "@sluice/engines"
import { Context, Effect, Layer, Schema, Semaphore } from "effect"

/** The topics whose dead letters can be brought back. */
export const DeadLetterTopic = Schema.Literals([winsTopic, ordersTopic])
export type DeadLetterTopic = typeof DeadLetterTopic.Type

export const DeadLetter = Schema.Struct({
  /** Where it stands among the dead letters. */
  partition: Schema.Int,
  offset: Schema.String,
  key: Schema.String,
  /** The beginning of it, where it is long. */
  value: Schema.String,
  reason: Schema.String,
  attempts: Schema.Int,
  /** Where it came from, as `partition:offset`. */
  origin: Schema.String,
  failedAt: Schema.NullOr(Schema.String)
})
export type DeadLetter = typeof DeadLetter.Type

export const DeadLetterList = Schema.Struct({ topic: DeadLetterTopic, total: Schema.Int, deadLetters: Schema.Array(DeadLetter) })
export type DeadLetterList = typeof DeadLetterList.Type

export const ReplayReport = Schema.Struct({
  topic: DeadLetterTopic,
  replayed: Schema.Int,
  remaining: Schema.Int,
  /** Those that can't be brought back, each with why; they stay dead letters, behind the others. */
  refused: Schema.Array(Schema.Struct({ key: Schema.String, origin: Schema.String, reason: Schema.String }))
})
export type ReplayReport = typeof ReplayReport.Type

export const deadLetterGroup = "sluice.dlq"

export class DeadLetters extends Context.Service<
  DeadLetters,
  {
    /** The oldest first. */
    readonly list: (topic: DeadLetterTopic, limit: number) => Effect.Effect<DeadLetterList, Unavailable>
    /** At most `limit` of them, or all that there are. */
    readonly replay: (topic: DeadLetterTopic, limit: number | undefined) => Effect.Effect<ReplayReport, Unavailable>
  }
>()("sluice/DeadLetters") {
  static readonly layer = Layer.effect(
    DeadLetters,
    Effect.suspend(() => make)
  )
}

const batch = 100
const shownChars = 2000

const unavailable = Effect.mapError((_: EventLogError) => new Unavailable({ engine: "event-log", retryAfterSeconds: 1 }))

const isoOrNull = (ms: string | undefined) => {
  const at = new Date(Number(ms ?? Number.NaN))
  return Number.isNaN(at.getTime()) ? null : at.toISOString()
}

const originOf = (headers: LoggedEvent["headers"]) => `${headers["origin-partition"] ?? "?"}:${headers["origin-offset"] ?? "?"}`

const refusal = ({ headers, key }: LoggedEvent): ReplayReport["refused"][number] => ({
  key,
  origin: originOf(headers),
  reason: `it is larger than the log takes, so only the beginning of its ${headers["cut-from-bytes"]} bytes was kept`
})

const view = ({ headers, key, offset, partition, value }: LoggedEvent): DeadLetter => {
  const attempts = Number(headers.attempts)
  return {
    partition,
    offset,
    key,
    value: value.slice(0, shownChars),
    reason: headers.reason ?? "unknown",
    attempts: Number.isSafeInteger(attempts) ? attempts : 0,
    origin: originOf(headers),
    failedAt: isoOrNull(headers["failed-at-ms"])
  }
}

const ofTheFailure = new Set(["reason", "attempts", "origin-topic", "origin-partition", "origin-offset", "failed-at-ms"])

/** As it was before it failed. */
const original = ({ headers, key, value }: LoggedEvent): NewEvent => ({
  key,
  value,
  headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !ofTheFailure.has(name)))
})

const make = Effect.gen(function* () {
  const log = yield* EventLog
  // Two replays at once would bring each event back twice.
  const alone = yield* Semaphore.make(1)

  const waiting = Effect.fnUntraced(function* (topic: string) {
    yield* log.ensureTopics([topic])
    return (yield* log.lag(topic, deadLetterGroup)).events
  })

  const list = Effect.fn("DeadLetters.list")(function* (topic: DeadLetterTopic, limit: number) {
    const dlq = deadLetterTopic(topic)
    const total = yield* waiting(dlq)
    const events = yield* log.peek({ topic: dlq, group: deadLetterGroup, limit })
    return { topic, total, deadLetters: events.map(view) }
  }, unavailable)

  const replay = Effect.fn("DeadLetters.replay")(
    function* (topic: DeadLetterTopic, limit: number | undefined) {
      const dlq = deadLetterTopic(topic)
      const wanted = Math.min(limit ?? Number.POSITIVE_INFINITY, yield* waiting(dlq))
      const refused: Array<LoggedEvent> = []
      let seen = 0
      while (seen < wanted) {
        const events = yield* log.peek({ topic: dlq, group: deadLetterGroup, limit: Math.min(batch, wanted - seen) })
        if (events.length === 0) break
        const cut = events.filter(isCut)
        if (cut.length < events.length) yield* log.publish(topic, events.filter((event) => !isCut(event)).map(original))
        if (cut.length > 0) yield* log.publish(dlq, cut)
        yield* log.commit(deadLetterGroup, events)
        refused.push(...cut)
        seen += events.length
      }
      return { topic, replayed: seen - refused.length, remaining: yield* waiting(dlq), refused: refused.map(refusal) }
    },
    alone.withPermits(1),
    unavailable
  )

  return DeadLetters.of({ list, replay })
})
