/**
 * An event set aside, with where it came from and why, under its own key in the topic's dead-letter topic.
 */
import type { LoggedEvent, NewEvent } from "./EventLog.ts"

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
