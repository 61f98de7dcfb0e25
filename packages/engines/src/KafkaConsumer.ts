/**
 * One member of a consumer group, as a stream of batches.
 *
 * kafkajs hands over what it fetched of a partition and waits; from that the stream is given at most `maxBatch` events at a time, the
 * next ones when the commit of those before has begun, and heartbeats go on however long it takes. One commit is under way at a time, and
 * what is done meanwhile travels in the next. When the group rebalances, a batch in the
 * stream's hands may still be finished and committed, for `rebalanceGrace`; one that is given up can't be committed any more and is
 * delivered again, to whoever has its partition then. A member that has lost the brokers is made anew until it succeeds; only what no
 * repetition can heal fails the stream.
 */
import { Duration, Effect, Queue, Random, Stream } from "effect"
import type { Kafka as Client, EachBatchPayload, KafkaMessage } from "kafkajs"
import * as EngineMetrics from "./EngineMetrics.ts"
import { type Batch, EventLogError, type LoggedEvent } from "./EventLog.ts"
import { atMost, countFailure, isType, KafkaError } from "./Kafka.ts"
import * as Commits from "./KafkaCommits.ts"

export interface Options {
  readonly topic: string
  readonly group: string
  readonly maxBatch: number
  /** A member that has not been heard of for this long is dead, and its partitions go to others. */
  readonly sessionTimeout: Duration.Duration
  readonly rebalanceGrace: Duration.Duration
  /** A member in which nothing at all happens for this long is made anew. */
  readonly silenceTimeout: Duration.Duration
  /** Run before each joining, with the id of the member that was lost before. */
  readonly prepare: (former: string | undefined) => Effect.Effect<void, KafkaError>
}

/** A batch in the hands of the stream, or waiting for it. */
interface Handed {
  readonly batch: Batch
  readonly heartbeat: () => Promise<void>
  readonly giveUp: (cause: unknown) => void
  taken: boolean
  settled: boolean
}

const text = (value: Buffer | string | null | undefined) => value?.toString() ?? ""

export const toEvent = (topic: string, partition: number, message: KafkaMessage): LoggedEvent => ({
  topic,
  partition,
  offset: message.offset,
  key: text(message.key),
  value: text(message.value),
  headers: Object.fromEntries(Object.entries(message.headers ?? {}).map(([name, value]) => [name, text([value].flat()[0])])),
  atMs: Number(message.timestamp)
})

const join = (client: Client, options: Options, queue: Queue.Enqueue<Handed>, onJoined: (memberId: string) => void) => {
  const { group, maxBatch, topic } = options
  const sessionMs = Duration.toMillis(options.sessionTimeout)
  const graceMs = Duration.toMillis(options.rebalanceGrace)
  const silenceMs = Duration.toMillis(options.silenceTimeout)
  const consumer = client.consumer({
    groupId: group,
    allowAutoTopicCreation: false,
    sessionTimeout: sessionMs,
    heartbeatInterval: sessionMs / 10,
    rebalanceTimeout: 2 * graceMs,
    // The broker answers as soon as there is one event; this is how long it waits for it, and how long leaving may take.
    maxWaitTimeInMs: 200,
    minBytes: 1,
    retry: {
      initialRetryTime: 100,
      maxRetryTime: 1000,
      multiplier: 2,
      factor: 0.5,
      retries: 8,
      restartOnFailure: async () => false
    }
  })
  const held = new Set<Handed>()
  let leaving = false
  let rebalancing: unknown
  let joined = 0
  let lastSign = Date.now()
  let crashed: (cause: unknown) => void
  const crash = new Promise<unknown>((resolve) => {
    crashed = resolve
  })

  const disturb = (cause: unknown) => {
    const mayFinish = isType(cause, "REBALANCE_IN_PROGRESS")
    if (mayFinish && rebalancing !== undefined) return
    if (mayFinish) rebalancing = cause
    for (const handed of held) {
      if (mayFinish && handed.taken) setTimeout(handed.giveUp, graceMs, cause).unref()
      else handed.giveUp(cause)
    }
  }

  const commits = Commits.make(topic)

  /** Resolves when the next events may come, or none are wanted any more; rejects when these are given up. */
  const hand = (payload: EachBatchPayload, events: ReadonlyArray<LoggedEvent>) =>
    new Promise<void>((resolve, reject) => {
      const last = events.at(-1)!
      const settle = (then: () => void) => {
        if (handed.settled) return
        handed.settled = true
        held.delete(handed)
        then()
      }
      const giveUp = (cause: unknown) => settle(() => (leaving ? resolve() : reject(cause)))
      const commit = async () => {
        if (handed.settled) return
        const generation = joined
        const done = commits.add(last.partition, String(BigInt(last.offset) + 1n), payload.commitOffsetsIfNecessary)
        const goOn = () => {
          payload.resolveOffset(last.offset)
          settle(resolve)
        }
        // Where the group rebalances, its members wait for what is in hand: until it is committed.
        const early = rebalancing === undefined
        if (early) goOn()
        try {
          await done
          if (!early && !handed.settled) goOn()
        } catch (cause) {
          if (!early) giveUp(cause)
          else if (generation === joined && !leaving) isType(cause, "REBALANCE_IN_PROGRESS") ? disturb(cause) : crashed(cause)
        }
      }
      const handed: Handed = {
        batch: { events, commit: Effect.promise(commit) },
        heartbeat: payload.heartbeat,
        giveUp,
        taken: false,
        settled: false
      }
      held.add(handed)
      Queue.offerUnsafe(queue, handed)
    })

  const eachBatch = async (payload: EachBatchPayload) => {
    const { messages, partition } = payload.batch
    payload.heartbeat().catch(disturb)
    for (let from = 0; from < messages.length && !leaving; from += maxBatch) {
      if (rebalancing !== undefined) throw rebalancing
      await hand(
        payload,
        messages.slice(from, from + maxBatch).map((message) => toEvent(topic, partition, message))
      )
    }
    if (rebalancing !== undefined && !leaving) throw rebalancing
  }

  const watch = setInterval(() => {
    for (const { heartbeat } of held) {
      heartbeat().catch(disturb) // once for all: it is the member's, not the batch's
      break
    }
    if (Date.now() - lastSign > silenceMs) crashed(new Error(`the consumer of ${topic} has fallen silent`))
  }, sessionMs / 20)

  const { CRASH, FETCH_START, GROUP_JOIN, HEARTBEAT } = consumer.events
  const sign = () => {
    lastSign = Date.now()
  }
  consumer.on(FETCH_START, sign)
  consumer.on(HEARTBEAT, sign)
  consumer.on(GROUP_JOIN, ({ payload }) => {
    sign()
    rebalancing = undefined
    joined++
    commits.drop()
    onJoined(payload.memberId)
  })
  consumer.on(CRASH, ({ payload }) => crashed(payload.error))

  const start = async () => {
    await consumer.connect()
    if (leaving) return
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    if (leaving) return
    await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, partitionsConsumedConcurrently: 16, eachBatch })
  }
  const started = start().catch((cause) => crashed(cause))

  return {
    crash,
    leave: async () => {
      leaving = true
      clearInterval(watch)
      // Disconnected while it starts, it would connect again and stay.
      const left = started.then(() => consumer.disconnect())
      for (const handed of held) handed.giveUp(undefined)
      await atMost(5000, left)
    }
  }
}

export const batches = (client: () => Client, options: Options): Stream.Stream<Batch, EventLogError> =>
  Effect.gen(function* () {
    const { group, topic } = options
    const queue = yield* Queue.unbounded<Handed, EventLogError>()
    let failures = 0
    let former: string | undefined

    const joined = (memberId: string) => {
      failures = 0
      former = memberId
    }
    const member = Effect.suspend(() => options.prepare(former)).pipe(
      Effect.andThen(
        Effect.acquireUseRelease(
          Effect.sync(() => join(client(), options, queue, joined)),
          ({ crash }) =>
            Effect.flatMap(
              Effect.promise(() => crash),
              (cause) => Effect.fail(KafkaError.from(cause))
            ),
          ({ leave }) => Effect.promise(leave)
        )
      )
    )

    const forever = Effect.gen(function* () {
      while (true) {
        const error = yield* Effect.flip(member)
        if (error.final) return yield* Queue.fail(queue, new EventLogError({ cause: error.cause }))
        failures++
        countFailure(error.cause)
        EngineMetrics.countRetry("kafka", "connect")
        const log = failures === 1 ? Effect.logWarning : Effect.logDebug
        yield* log("a consumer lost Kafka and joins again").pipe(
          Effect.annotateLogs({ topic, group, reason: String(error.cause) })
        )
        yield* Effect.sleep(Math.min(100 * 2 ** failures, 3000) * (0.5 + (yield* Random.next) / 2))
      }
    })
    yield* Effect.forkScoped(forever)

    const next = Effect.gen(function* () {
      while (true) {
        const handed = yield* Queue.take(queue)
        if (handed.settled) continue
        handed.taken = true
        return handed.batch
      }
    })
    return Stream.fromEffectRepeat(next)
  }).pipe(Stream.unwrap)
