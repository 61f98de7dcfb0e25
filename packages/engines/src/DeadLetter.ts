/**
 * An event set aside, with where it came from and why, under its own key in the topic's dead-letter topic.
 */
import { Effect, Metric, Schedule } from "effect"
import type { EventLog, EventLogError, LoggedEvent, NewEvent } from "./EventLog.ts"

export const deadLetterTopic = (topic: string): string => `${topic}.dlq`

/** A header that only a letter has whose event was too large to be kept: how many bytes its value had. */
const cutFrom = "cut-from-bytes"

/** Whether its event can't be brought back, since only the beginning of it is kept. */
export const isCut = (letter: { readonly headers: Readonly<Record<string, string>> }): boolean => cutFrom in letter.headers

/** A log takes no more than about 1 MB an event, though one that came compressed may hold any number of them. */
const mostBytes = 512 * 1024
const keptChars = 2000

const bytesOf = ({ headers, key, value }: LoggedEvent): number =>
  [key, value, ...Object.entries(headers).flat()].reduce((sum, text) => sum + Buffer.byteLength(text), 0)

/** What to publish for it, as the arguments of `EventLog.publish`. */
export const deadLetter = (
  event: LoggedEvent,
  why: { readonly reason: string; readonly attempts: number }
): [topic: string, events: ReadonlyArray<NewEvent>] => {
  const isKept = bytesOf(event) <= mostBytes
  const { key, value, headers } = isKept
    ? event
    : {
        key: event.key.slice(0, keptChars),
        value: event.value.slice(0, keptChars),
        headers: { [cutFrom]: String(Buffer.byteLength(event.value)) }
      }
  const of = {
    reason: why.reason.slice(0, 500),
    attempts: String(why.attempts),
    "origin-topic": event.topic,
    "origin-partition": String(event.partition),
    "origin-offset": event.offset,
    "failed-at-ms": String(Date.now())
  }
  return [deadLetterTopic(event.topic), [{ key, value, headers: { ...headers, ...of } }]]
}

const dead = Metric.counter("sluice_dead_letters_total", { description: "Events set aside with a reason.", incremental: true })
const deadOf = (topic: string) => Metric.withAttributes(dead, { topic })

/** Lets the count of a topic be seen before there is any. */
export const countDeadLetters = (topic: string): Effect.Effect<void> => Effect.asVoid(Metric.value(deadOf(topic)))

/** Between two tries of what is going to heal. */
export const patiently = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("2 seconds")]).pipe(Schedule.jittered)

/** Publishes it as a dead letter, for as long as that takes, and says each time that it could not; counted and logged. */
export const setAside = (
  log: EventLog["Service"],
  event: LoggedEvent,
  why: { readonly reason: string; readonly attempts: number }
): Effect.Effect<void, EventLogError> =>
  log.publish(...deadLetter(event, why)).pipe(
    Effect.tapError(({ cause }) =>
      Effect.logWarning("a dead letter can't be written; what comes after it waits").pipe(
        Effect.annotateLogs({ error: String(cause) })
      )
    ),
    Effect.retry(patiently),
    Effect.andThen(Metric.update(deadOf(event.topic), 1)),
    Effect.andThen(Effect.logError("an event was set aside as a dead letter")),
    Effect.annotateLogs({ topic: event.topic, partition: event.partition, offset: event.offset, reason: why.reason })
  )
