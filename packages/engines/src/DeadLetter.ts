/**
 * An event set aside, with where it came from and why, under its own key in the topic's dead-letter topic.
 */
import { Effect, Metric, Schedule } from "effect"
import type { EventLog, EventLogError, LoggedEvent, NewEvent } from "./EventLog.ts"

export const deadLetterTopic = (topic: string): string => `${topic}.dlq`

/** What to publish for it, as the arguments of `EventLog.publish`. */
export const deadLetter = (
  event: LoggedEvent,
  why: { readonly reason: string; readonly attempts: number }
): [topic: string, events: ReadonlyArray<NewEvent>] => [
  deadLetterTopic(event.topic),
  [
    {
      key: event.key,
      value: event.value,
      headers: {
        ...event.headers,
        reason: why.reason.slice(0, 500),
        attempts: String(why.attempts),
        "origin-topic": event.topic,
        "origin-partition": String(event.partition),
        "origin-offset": event.offset,
        "failed-at-ms": String(Date.now())
      }
    }
  ]
]

const dead = Metric.counter("sluice_dead_letters_total", { description: "Events set aside with a reason.", incremental: true })
const deadOf = (topic: string) => Metric.withAttributes(dead, { topic })

/** Lets the count of a topic be seen before there is any. */
export const countDeadLetters = (topic: string): Effect.Effect<void> => Effect.asVoid(Metric.value(deadOf(topic)))

/** Between two tries of what is going to heal. */
export const patiently = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("2 seconds")]).pipe(Schedule.jittered)

/** Publishes it as a dead letter, for as long as that takes; counted and logged. */
export const setAside = (
  log: EventLog["Service"],
  event: LoggedEvent,
  why: { readonly reason: string; readonly attempts: number }
): Effect.Effect<void, EventLogError> =>
  log
    .publish(...deadLetter(event, why))
    .pipe(
      Effect.retry(patiently),
      Effect.andThen(Metric.update(deadOf(event.topic), 1)),
      Effect.andThen(Effect.logError("an event was set aside as a dead letter")),
      Effect.annotateLogs({ topic: event.topic, partition: event.partition, offset: event.offset, reason: why.reason })
    )
