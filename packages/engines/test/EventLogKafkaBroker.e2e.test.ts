/** Stops, kills and freezes the broker of this checkout's own stack; a broker that is somebody else's is left alone. */
import { assert, describe, it } from "@effect/vitest"
import { EventLog, EventLogKafka, Kafka, type LoggedEvent } from "@sluice/engines"
import { areOurs, liveUrl } from "@sluice/testkit/live"
import { pause, restart, resume, stop } from "@sluice/testkit/stack/index"
import { assertKeyOrder, eventually, freshTopic, holds, numbered } from "@sluice/testkit/suites/eventLog"
import { Duration, Effect, Fiber, Layer, Stream } from "effect"

const process = Layer.unwrap(
  Effect.sync(() =>
    Layer.fresh(
      EventLogKafka.layer().pipe(Layer.provideMerge(Kafka.layer({ brokers: liveUrl("SLUICE_KAFKA_BROKERS").split(",") })))
    )
  )
)

const faults = {
  "is stopped": [() => stop("kafka"), () => restart("kafka")],
  "is killed": [() => stop("kafka", "SIGKILL"), () => restart("kafka")],
  "keeps its connections and says nothing": [() => pause("kafka"), () => resume("kafka")]
} as const

describe.runIf(await areOurs(["kafka"]))("EventLogKafka while the broker is away", () => {
  for (const [fault, [harm, heal]] of Object.entries(faults)) {
    it.live(
      `loses nothing and goes on by itself, where it ${fault}`,
      () =>
        Effect.gen(function* () {
          const log = yield* EventLog
          const topic = yield* freshTopic
          const got: Array<LoggedEvent> = []
          const consumer = EventLog.use((own) =>
            own.batches({ topic, group: "g", maxBatch: 10 }).pipe(
              Stream.runForEach((batch) => {
                got.push(...batch.events)
                return batch.commit
              })
            )
          ).pipe(Effect.provide(process))
          yield* Effect.forkScoped(consumer)
          yield* Effect.forkScoped(consumer)

          const published = new Map<string, number>()
          const total = () => [...published.values()].reduce((sum, n) => sum + n, 0)
          let open = true
          const publish = (key: string) =>
            Effect.gen(function* () {
              while (open) {
                const n = published.get(key) ?? 0
                // What failed may have arrived all the same: it is sent again until it succeeds.
                yield* Effect.retry(log.publish(topic, numbered(key, 1, n)), { times: 100 })
                published.set(key, n + 1)
                yield* Effect.sleep("5 millis")
              }
            })
          const keys = Array.from({ length: 20 }, (_, i) => `k${i}`)
          const publishing = yield* Effect.forkChild(Effect.forEach(keys, publish, { concurrency: "unbounded", discard: true }))
          const grown = (by: number) => {
            const sent = total() + by
            const seen = got.length + by
            return eventually(
              Effect.sync(() => total() > sent && got.length > seen),
              (yes) => yes
            )
          }

          yield* grown(200)
          yield* Effect.acquireUseRelease(
            Effect.promise(harm),
            () =>
              Effect.gen(function* () {
                // A process that is told to freeze may still answer for a moment: what it answers is not yet the fault.
                const fails = <A, E>(asked: Effect.Effect<A, E>) => Effect.retry(Effect.timed(Effect.flip(asked)), { times: 100 })
                const [refused] = yield* fails(log.publish(topic, numbered("refused", 1)))
                assert.isBelow(Duration.toMillis(refused), 7000)
                const [unknown] = yield* fails(log.lag(topic, "g"))
                assert.isBelow(Duration.toMillis(unknown), 7000)
              }),
            () => Effect.promise(heal)
          )
          yield* grown(200)
          open = false
          yield* Fiber.join(publishing)
          yield* eventually(log.lag(topic, "g"), ({ events }) => events === 0)
          assert.isTrue(holds([...published].flatMap(([key, n]) => numbered(key, n)))(got))
          assertKeyOrder(got)
        }).pipe(Effect.provide(process)),
      120_000
    )
  }
})
