/**
 * Publishes to Kafka: each topic has one request under way, and what is published meanwhile travels together in the next.
 *
 * So a topic's events reach it in the order in which they were given, also when a request fails and is sent again. A request is sent
 * again for as long as somebody waits for it, and its successor only goes out when it is settled; who waited longer than
 * `publishTimeout` is told that it failed, and what was not under way by then is never sent. All in-sync replicas have what succeeded.
 * kafkajs's idempotent mode is not used: a repeated request may write its events twice.
 */
import { Duration, Effect, Exit } from "effect"
import { type Message, Partitioners } from "kafkajs"
import * as EngineMetrics from "./EngineMetrics.ts"
import { EventLogError, type NewEvent } from "./EventLog.ts"
import { atMost, countFailure, isFinal, isType, Kafka, shared } from "./Kafka.ts"

/** Below the broker's usual limit of 1 MiB a partition and request; a larger event travels alone. */
const maxRequestBytes = 900_000
const maxRequestEvents = 5_000
const eventOverhead = 100

/** One call of `publish`: it is done when all of its parts are. */
interface Job {
  waiting: boolean
  parts: number
  lastFailure: unknown
  done: (exit: Exit.Exit<void, EventLogError>) => void
}

interface Part {
  readonly job: Job
  readonly messages: ReadonlyArray<Message>
  readonly bytes: number
}

const sizeOf = (event: NewEvent) => {
  let bytes = eventOverhead + Buffer.byteLength(event.key) + Buffer.byteLength(event.value)
  for (const name in event.headers) bytes += Buffer.byteLength(name) + Buffer.byteLength(event.headers[name]!)
  return bytes
}

const split = (events: ReadonlyArray<NewEvent>): ReadonlyArray<{ readonly messages: Array<Message>; readonly bytes: number }> => {
  const parts: Array<{ messages: Array<Message>; bytes: number }> = []
  let part = { messages: [] as Array<Message>, bytes: 0 }
  for (const event of events) {
    const bytes = sizeOf(event)
    if (part.messages.length > 0 && !fits(part.bytes + bytes, part.messages.length + 1)) {
      parts.push(part)
      part = { messages: [], bytes: 0 }
    }
    part.messages.push({ key: event.key, value: event.value, ...(event.headers ? { headers: { ...event.headers } } : {}) })
    part.bytes += bytes
  }
  parts.push(part)
  return parts
}

const fits = (bytes: number, events: number) => bytes <= maxRequestBytes && events <= maxRequestEvents

const settle = (job: Job, exit: Exit.Exit<void, EventLogError>) => {
  if (!job.waiting) return
  job.waiting = false
  job.done(exit)
}

const pause = (failures: number) =>
  new Promise((resolve) => setTimeout(resolve, Math.min(50 * 2 ** failures, 1000) * (0.5 + Math.random() / 2)))

type Send = (messages: Array<Message>) => Promise<unknown>

const makeLane = (send: Send) => {
  const queue: Array<Part> = []
  let running: Promise<void> | undefined

  const next = (): ReadonlyArray<Part> => {
    const parts: Array<Part> = []
    let bytes = 0
    let events = 0
    for (let part = queue[0]; part !== undefined; part = queue[0]) {
      bytes += part.bytes
      events += part.messages.length
      if (parts.length > 0 && !fits(bytes, events)) break
      parts.push(part)
      queue.shift()
    }
    return parts
  }

  const deliver = async (parts: ReadonlyArray<Part>): Promise<void> => {
    for (let failures = 0; ; failures++) {
      const wanted = parts.filter(({ job }) => job.waiting)
      if (wanted.length === 0) return
      try {
        await send(wanted.flatMap((part) => part.messages))
        for (const { job } of wanted) if (--job.parts === 0) settle(job, Exit.void)
        return
      } catch (cause) {
        countFailure(cause)
        if (isFinal(cause)) {
          // One of them may be to blame, or only their size together.
          if (wanted.length === 1) return settle(wanted[0]!.job, Exit.fail(new EventLogError({ cause })))
          for (const part of wanted) await deliver([part])
          return
        }
        for (const { job } of wanted) job.lastFailure = cause
        await pause(failures)
        EngineMetrics.countRetry("kafka", "call")
      }
    }
  }

  const run = async () => {
    // What is published in this turn of the event loop travels together.
    await new Promise((resolve) => setImmediate(resolve))
    for (let parts = next(); parts.length > 0; parts = next()) await deliver(parts)
    running = undefined
  }

  return {
    offer: (parts: ReadonlyArray<Part>) => {
      queue.push(...parts)
      running ??= run()
    },
    idle: () => running ?? Promise.resolve()
  }
}

export const make = Effect.fnUntraced(function* (options: {
  readonly publishTimeout: Duration.Input
  /** Creates a topic that turns out to be missing. */
  readonly ensureTopic: (topic: string) => Effect.Effect<void, EventLogError>
}) {
  const kafka = yield* Kafka
  const context = yield* Effect.context<never>()
  const publishTimeout = Duration.fromInputUnsafe(options.publishTimeout)
  const lanes = new Map<string, ReturnType<typeof makeLane>>()

  const producer = yield* Effect.acquireRelease(
    Effect.sync(() =>
      shared(
        async () => {
          const opened = kafka.client().producer({
            allowAutoTopicCreation: false,
            createPartitioner: Partitioners.DefaultPartitioner,
            retry: { retries: 0 }
          })
          await opened.connect()
          return opened
        },
        (opened) => opened.disconnect()
      )
    ),
    (connection) =>
      Effect.promise(async () => {
        await atMost(Duration.toMillis(publishTimeout), Promise.all([...lanes.values()].map((lane) => lane.idle())))
        await atMost(2000, connection.close())
      })
  )

  const ensureTopic = (topic: string) => Effect.runPromiseWith(context)(Effect.ignore(options.ensureTopic(topic)))
  const sendTo =
    (topic: string): Send =>
    async (messages) => {
      const timeout = Duration.toMillis(kafka.requestTimeout)
      try {
        await producer.use((opened) => opened.send({ topic, messages, acks: -1, timeout }))
      } catch (cause) {
        if (isType(cause, "UNKNOWN_TOPIC_OR_PARTITION")) await ensureTopic(topic)
        throw cause
      }
    }
  const laneOf = (topic: string) => {
    const lane = lanes.get(topic) ?? makeLane(sendTo(topic))
    lanes.set(topic, lane)
    return lane
  }

  return (topic: string, events: ReadonlyArray<NewEvent>): Effect.Effect<void, EventLogError> =>
    Effect.suspend(() => {
      if (events.length === 0) return Effect.void
      const parts = split(events)
      const job: Job = {
        waiting: true,
        parts: parts.length,
        lastFailure: new Error(`Kafka did not acknowledge within ${Duration.format(publishTimeout)}`),
        done: () => {}
      }
      return Effect.callback<void, EventLogError>((resume) => {
        job.done = resume
        laneOf(topic).offer(parts.map((part) => ({ job, ...part })))
        return Effect.sync(() => {
          job.waiting = false
        })
      }).pipe(
        Effect.timeoutOrElse({
          duration: publishTimeout,
          orElse: () => Effect.fail(new EventLogError({ cause: job.lastFailure }))
        })
      )
    })
})
