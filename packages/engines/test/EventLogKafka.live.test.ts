import { assert, describe, it } from "@effect/vitest"
import { type Batch, EventLog, EventLogKafka, Kafka, type LoggedEvent } from "@sluice/engines"
import { isLive, liveUrl } from "@sluice/testkit/live"
import {
  assertKeyOrder,
  consume,
  distinct,
  eventLogSuite,
  eventually,
  freshTopic,
  holds,
  numbered,
  open,
  values
} from "@sluice/testkit/suites/eventLog"
import { Deferred, Effect, Fiber, Layer, Queue, Stream } from "effect"

const kafka = Layer.unwrap(Effect.sync(() => Kafka.layer({ brokers: liveUrl("SLUICE_KAFKA_BROKERS").split(",") })))
/** Another process, as far as Kafka can tell: a client, connections and members of its own. */
const another = (options?: EventLogKafka.Options) =>
  Layer.fresh(EventLogKafka.layer(options).pipe(Layer.provideMerge(Layer.fresh(kafka))))

const keys = Array.from({ length: 40 }, (_, i) => `k${i}`)

describe.runIf(isLive())("EventLogKafka", () => {
  eventLogSuite("Kafka", another())

  it.live("answers", () =>
    Effect.provide(
      Kafka.use((service) => service.ping),
      kafka
    )
  )

  it.live("a topic that is not there is empty to look into, and made by the first to publish or to consume", () =>
    Effect.gen(function* () {
      const log = yield* EventLog
      const topic = `${yield* freshTopic}.unmade`
      assert.deepStrictEqual(yield* log.lag(topic, "g"), { events: 0, milliseconds: 0 })
      assert.deepStrictEqual(yield* log.peek({ topic, group: "g", limit: 1 }), [])
      yield* log.publish(topic, numbered("k", 1))
      assert.deepStrictEqual(values(yield* consume({ topic, group: "g" }, (got) => got.length === 1)), ["k:0"])
      const other = `${topic}.too`
      const reading = yield* Effect.forkChild(consume({ topic: other, group: "g" }, (got) => got.length === 1))
      yield* log.publish(other, numbered("k", 1))
      assert.deepStrictEqual(values(yield* Fiber.join(reading)), ["k:0"])
    }).pipe(Effect.provide(another()))
  )

  it.live("topics are made once by several processes that start at once", () =>
    Effect.gen(function* () {
      const topics = [`${yield* freshTopic}.a`, `${yield* freshTopic}.b`]
      yield* Effect.forEach(
        Array.from({ length: 4 }, () => another()),
        (process) =>
          Effect.provide(
            EventLog.use((log) => log.ensureTopics(topics)),
            process
          ),
        { concurrency: "unbounded", discard: true }
      )
      const log = yield* EventLog
      for (const topic of topics) yield* log.publish(topic, numbered("k", 1))
    }).pipe(Effect.provide(another()))
  )

  it.live("a large event does not spoil those that travel beside it, and one too large fails alone", () =>
    Effect.gen(function* () {
      const log = yield* EventLog
      const topic = yield* freshTopic
      const sized = (key: string, bytes: number) => log.publish(topic, [{ key, value: `${key}:0${" ".repeat(bytes)}` }])
      const [, , tooLarge] = yield* Effect.all(
        [
          log.publish(topic, numbered("a", 10)),
          sized("large", 900_000),
          Effect.flip(sized("too-large", 2_000_000)),
          log.publish(topic, numbered("b", 10))
        ],
        { concurrency: "unbounded" }
      )
      assert.strictEqual(tooLarge._tag, "EventLogError")
      const got = yield* consume({ topic, group: "g" }, (got) => distinct(got).size === 21)
      assert.isTrue(holds([...numbered("a", 10), ...numbered("b", 10)])(got))
    }).pipe(Effect.provide(another()))
  )

  it.live("a group with running consumers is not moved from outside", () =>
    Effect.gen(function* () {
      const log = yield* EventLog
      const topic = yield* freshTopic
      yield* log.publish(topic, numbered("k", 2))
      const handed = yield* Queue.unbounded<Batch>()
      const batches = yield* open({ topic, group: "g" })
      yield* Effect.forkScoped(Stream.runForEach(batches, (batch) => Queue.offer(handed, batch)))
      const batch = yield* Queue.take(handed)
      assert.match(String((yield* Effect.flip(log.commit("g", batch.events))).cause), /running consumers/)
      yield* batch.commit
      assert.strictEqual((yield* log.lag(topic, "g")).events, 0)
    }).pipe(Effect.provide(another()))
  )

  it.live("a batch that takes longer than the session stays with its consumer", () =>
    Effect.gen(function* () {
      const log = yield* EventLog
      const topic = yield* freshTopic
      yield* log.publish(topic, numbered("k", 1))
      const got: Array<LoggedEvent> = []
      const first = yield* Deferred.make<void>()
      const slow = (yield* open({ topic, group: "g" })).pipe(
        Stream.mapEffect((batch) => {
          got.push(...batch.events)
          // The time itself is what is tested: more than the session timeout, which is the shortest that brokers allow.
          const isFirst = Deferred.doneUnsafe(first, Effect.void)
          return isFirst ? Effect.delay(batch.commit, "8 seconds") : batch.commit
        }),
        Stream.takeUntil(() => holds(numbered("k", 2))(got))
      )
      const fiber = yield* Effect.forkChild(Stream.runDrain(slow))
      yield* Deferred.await(first)
      yield* log.publish(topic, numbered("k", 1, 1))
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(values(got), ["k:0", "k:1"])
    }).pipe(Effect.provide(another({ sessionTimeout: "6 seconds" })))
  )

  it.live("consumers that join and leave while others work lose nothing and keep every key's order", () =>
    Effect.gen(function* () {
      const log = yield* EventLog
      const topic = yield* freshTopic
      const got: Array<LoggedEvent> = []
      const worker = (onBatch: Effect.Effect<unknown>) =>
        EventLog.use((process) =>
          process.batches({ topic, group: "g", maxBatch: 10 }).pipe(
            Stream.runForEach((batch) => {
              got.push(...batch.events)
              return Effect.andThen(batch.commit, onBatch)
            })
          )
        ).pipe(Effect.provide(another()))

      let storm = true
      let published = 0
      const publishing = yield* Effect.forkChild(
        Effect.gen(function* () {
          while (storm) {
            yield* Effect.forEach(keys, (key) => log.publish(topic, numbered(key, 2, published)), {
              concurrency: 10,
              discard: true
            })
            published += 2
            yield* Effect.sleep("10 millis")
          }
        })
      )
      yield* Effect.forkScoped(worker(Effect.void))
      for (let round = 0; round < 4; round++) {
        const took = yield* Deferred.make<void>()
        const visitor = yield* Effect.forkChild(worker(Deferred.succeed(took, undefined)))
        yield* Deferred.await(took)
        yield* Fiber.interrupt(visitor)
      }
      storm = false
      yield* Fiber.join(publishing)
      const all = keys.flatMap((key) => numbered(key, published))
      yield* eventually(
        Effect.sync(() => got),
        holds(all)
      )
      assertKeyOrder(got)
    }).pipe(Effect.provide(another()))
  )
})
