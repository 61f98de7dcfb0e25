/**
 * The contract of `EventLog`, sentence by sentence of its header, for every layer of the port.
 *
 * Each test has a topic and groups of its own, so runs don't meet, and waits for conditions, never for a time.
 */
import { randomUUID } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { type Batch, EventLog, type LoggedEvent, type NewEvent } from "@sluice/engines"
import { Deferred, Effect, Fiber, type Layer, Queue, Ref, Schedule, Schema, Stream } from "effect"

export const freshTopic = Effect.gen(function* () {
  const topic = `sluice.test.${randomUUID()}`
  yield* (yield* EventLog).ensureTopics([topic])
  return topic
})

/** `key:number`, so that a key's order shows in the values. */
export const numbered = (key: string, count: number, from = 0): ReadonlyArray<NewEvent> =>
  Array.from({ length: count }, (_, i) => ({ key, value: `${key}:${from + i}` }))

export const values = (events: ReadonlyArray<{ readonly value: string }>) => events.map((event) => event.value)

interface Consumer {
  readonly topic: string
  readonly group: string
  readonly maxBatch?: number
}

export const open = (consumer: Consumer) => EventLog.use((log) => Effect.succeed(log.batches({ maxBatch: 100, ...consumer })))

/** Reads and commits until `enough`, then leaves the group. Gives every event it was handed, also those handed again. */
export const consume = Effect.fnUntraced(function* (consumer: Consumer, enough: (got: ReadonlyArray<LoggedEvent>) => boolean) {
  const got: Array<LoggedEvent> = []
  yield* (yield* open(consumer)).pipe(
    Stream.mapEffect((batch) => {
      got.push(...batch.events)
      return batch.commit
    }),
    Stream.takeUntil(() => enough(got)),
    Stream.runDrain
  )
  return got
})

export const distinct = (events: ReadonlyArray<{ readonly value: string }>) => new Set(values(events))
export const holds = (expected: ReadonlyArray<{ readonly value: string }>) => (got: ReadonlyArray<LoggedEvent>) => {
  const seen = distinct(got)
  return expected.every((event) => seen.has(event.value))
}

/** A key's events came in order; one that was handed again may only repeat what was there. */
export const assertKeyOrder = (events: ReadonlyArray<LoggedEvent>) => {
  const seen = new Map<string, number>()
  for (const { key, value } of events) {
    const n = Number(value.slice(value.lastIndexOf(":") + 1))
    const last = seen.get(key) ?? -1
    assert.isAtMost(n, last + 1, `${value} came after ${key}:${last}`)
    seen.set(key, Math.max(last, n))
  }
}

export const eventually = <A, E, R>(effect: Effect.Effect<A, E, R>, holds: (a: A) => boolean) =>
  effect.pipe(Effect.repeat({ until: holds, schedule: Schedule.spaced("20 millis") }))

export const eventLogSuite = <E>(name: string, eventLog: Layer.Layer<EventLog, E>) =>
  layer(eventLog, { excludeTestServices: true, timeout: "60 seconds" })(`EventLog: ${name}`, (it) => {
    it.effect("a published event is delivered, with all that was given", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const topic = yield* freshTopic
        const before = Date.now()
        const events: ReadonlyArray<NewEvent> = [
          {
            key: "a",
            value: '{"n":1,"text":"line\\nbreak \\"quoted\\""}',
            headers: { trace: "00-abc", reason: "köln → 東京 🎟" }
          },
          { key: "ключ-🔑", value: "naïve 👩‍👩‍👧 \u0000 end", headers: {} },
          { key: "", value: "" }
        ]
        yield* log.publish(topic, events)
        const got = yield* consume({ topic, group: "g" }, (got) => got.length >= events.length)
        assert.strictEqual(got.length, events.length)
        for (const event of events) {
          const found = got.find((e) => e.key === event.key)
          assert.deepInclude(found, { topic, value: event.value, headers: { ...event.headers } })
          assert.match(found!.offset, /^\d+$/)
          assert.isAtLeast(found!.atMs, before - 1000)
          assert.isAtMost(found!.atMs, Date.now() + 1000)
        }
      })
    )

    it.effect("publishing nothing succeeds", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const topic = yield* freshTopic
        yield* log.publish(topic, [])
        assert.deepStrictEqual(yield* log.lag(topic, "g"), { events: 0, milliseconds: 0 })
      })
    )

    it.effect("topics are created once, by however many at once, and creating them again keeps what they hold", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const topics = [0, 1, 2].map((i) => `sluice.test.${randomUUID()}.${i}`)
        yield* Effect.forEach([0, 1, 2, 3, 4, 5], (i) => log.ensureTopics(topics.slice(i % 2)), { concurrency: "unbounded" })
        for (const topic of topics) yield* log.publish(topic, numbered("k", 2))
        yield* log.ensureTopics([...topics, ...topics])
        for (const topic of topics) {
          assert.deepStrictEqual(values(yield* log.peek({ topic, group: "g", limit: 10 })), ["k:0", "k:1"])
        }
      })
    )

    it.effect("a publish larger than a batch arrives whole, in batches of consecutive events of one partition", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const topic = yield* freshTopic
        const events = ["a", "b", "c", "d", "e"].flatMap((key) => numbered(key, 500))
        yield* log.publish(topic, events)
        const sizes: Array<number> = []
        const got: Array<LoggedEvent> = []
        yield* (yield* open({ topic, group: "g", maxBatch: 64 })).pipe(
          Stream.mapEffect((batch) => {
            sizes.push(batch.events.length)
            got.push(...batch.events)
            assert.strictEqual(new Set(batch.events.map((event) => event.partition)).size, 1)
            assert.isTrue(batch.events.every((event, i) => i === 0 || BigInt(event.offset) > BigInt(batch.events[i - 1]!.offset)))
            return batch.commit
          }),
          Stream.takeUntil(() => holds(events)(got)),
          Stream.runDrain
        )
        assertKeyOrder(got)
        assert.strictEqual(got.length, events.length)
        assert.strictEqual(Math.max(...sizes), 64)
      })
    )

    const Publishes = Schema.Array(
      Schema.Struct({
        key: Schema.Literals(["a", "b", "c", "d", "e", "f"]),
        count: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 20 }))
      })
    ).check(Schema.isMinLength(1), Schema.isMaxLength(40))

    it.effect.prop(
      "events of one key keep their order, whoever publishes beside them",
      { publishes: Publishes, maxBatch: Schema.Literals([1, 7, 100]) },
      ({ maxBatch, publishes }) =>
        Effect.gen(function* () {
          const log = yield* EventLog
          const topic = yield* freshTopic
          const totals = new Map<string, number>()
          const byKey = Map.groupBy(publishes, (publish) => publish.key)
          const reading = yield* Effect.forkChild(
            consume({ topic, group: "g", maxBatch }, (got) => distinct(got).size === publishes.reduce((n, p) => n + p.count, 0))
          )
          yield* Effect.forEach(
            byKey,
            ([key, own]) =>
              Effect.forEach(own, ({ count }) => {
                const from = totals.get(key) ?? 0
                totals.set(key, from + count)
                return log.publish(topic, numbered(key, count, from))
              }),
            { concurrency: "unbounded", discard: true }
          )
          assertKeyOrder(yield* Fiber.join(reading))
        }),
      { arbitrary: { runs: 8 } }
    )

    it.effect("what a consumer has not committed when it dies is delivered again, to another", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const topic = yield* freshTopic
        yield* log.publish(topic, numbered("k", 5))
        const lost = yield* (yield* open({ topic, group: "g", maxBatch: 3 })).pipe(Stream.take(1), Stream.runCollect)
        assert.deepStrictEqual(values(lost[0]!.events), ["k:0", "k:1", "k:2"])
        const got = yield* consume({ topic, group: "g" }, (got) => distinct(got).size === 5)
        assert.deepStrictEqual(values(got), ["k:0", "k:1", "k:2", "k:3", "k:4"])
      })
    )

    it.effect("what was committed is not delivered again", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const topic = yield* freshTopic
        const keys = Array.from({ length: 20 }, (_, i) => `k${i}`)
        const first = keys.flatMap((key) => numbered(key, 3))
        yield* log.publish(topic, first)
        yield* consume({ topic, group: "g" }, holds(first))
        // Later events of the same keys: whatever came again would come before them.
        const second = keys.flatMap((key) => numbered(key, 1, 3))
        yield* log.publish(topic, second)
        const got = yield* consume({ topic, group: "g" }, holds(second))
        assert.deepStrictEqual(values(got).sort(), values(second).sort())
      })
    )

    it.effect("the next batch of a partition comes only after the commit of the one before", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const topic = yield* freshTopic
        const handed = yield* Queue.unbounded<Batch>()
        yield* log.publish(topic, numbered("k", 6))
        const batches = yield* open({ topic, group: "held", maxBatch: 2 })
        yield* Effect.forkScoped(Stream.runForEach(batches, (batch) => Queue.offer(handed, batch)))
        const first = yield* Queue.take(handed)
        // Another group reads the whole topic meanwhile: time enough for a second batch to come.
        yield* consume({ topic, group: "other", maxBatch: 2 }, (got) => distinct(got).size === 6)
        assert.strictEqual(yield* Queue.size(handed), 0)
        yield* first.commit
        const second = yield* Queue.take(handed)
        assert.deepStrictEqual(values([...first.events, ...second.events]), ["k:0", "k:1", "k:2", "k:3"])
      })
    )

    it.effect("a group is told apart from others, and a new one begins with the oldest event", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const topic = yield* freshTopic
        yield* log.publish(topic, numbered("k", 4))
        for (const group of ["one", "two"]) {
          const got = yield* consume({ topic, group }, (got) => got.length >= 4)
          assert.deepStrictEqual(values(got), ["k:0", "k:1", "k:2", "k:3"])
        }
      })
    )

    it.effect("an event published while the consumer waits reaches it", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const topic = yield* freshTopic
        const got = yield* Queue.unbounded<LoggedEvent>()
        yield* log.publish(topic, numbered("k", 1))
        const batches = yield* open({ topic, group: "g" })
        yield* batches.pipe(
          Stream.mapEffect((batch) => Effect.andThen(batch.commit, Queue.offerAll(got, batch.events))),
          Stream.runDrain,
          Effect.forkScoped
        )
        for (let n = 0; n < 5; n++) {
          assert.strictEqual((yield* Queue.take(got)).value, `k:${n}`)
          yield* log.publish(topic, numbered("k", 1, n + 1))
        }
      })
    )

    it.effect("two consumers of one group share its events and together get all", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const topic = yield* freshTopic
        const keys = Array.from({ length: 24 }, (_, i) => `k${i}`)
        const all = keys.flatMap((key) => numbered(key, 30))
        const got = yield* Ref.make<ReadonlyArray<LoggedEvent>>([])
        const done = yield* Deferred.make<void>()
        const worker = (yield* open({ topic, group: "g", maxBatch: 10 })).pipe(
          Stream.runForEach((batch) =>
            Effect.gen(function* () {
              const seen = yield* Ref.updateAndGet(got, (events) => [...events, ...batch.events])
              yield* batch.commit
              if (holds(all)(seen)) yield* Deferred.succeed(done, undefined)
            })
          )
        )
        yield* Effect.forkScoped(worker)
        yield* Effect.forkScoped(worker)
        for (let part = 0; part < 3; part++) {
          yield* Effect.forEach(keys, (key) => log.publish(topic, numbered(key, 10, part * 10)), { concurrency: 4 })
        }
        yield* Deferred.await(done)
        assertKeyOrder(yield* Ref.get(got))
      })
    )

    it.effect("peek shows what is not committed and moves nothing", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const topic = yield* freshTopic
        yield* log.publish(topic, numbered("k", 5))
        assert.deepStrictEqual(values(yield* log.peek({ topic, group: "g", limit: 3 })), ["k:0", "k:1", "k:2"])
        assert.deepStrictEqual(values(yield* log.peek({ topic, group: "g", limit: 100 })).length, 5)
        const got = yield* consume({ topic, group: "g", maxBatch: 2 }, (got) => got.length >= 2)
        assert.deepStrictEqual(values(got), ["k:0", "k:1"])
        assert.deepStrictEqual(values(yield* log.peek({ topic, group: "g", limit: 100 })), ["k:2", "k:3", "k:4"])
      })
    )

    it.effect("peek looks into every partition, the oldest first", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const topic = yield* freshTopic
        const keys = Array.from({ length: 12 }, (_, i) => `k${i}`)
        const moments = [0, 1, 2].map((n) => keys.flatMap((key) => numbered(key, 2, 2 * n)))
        for (const events of moments) {
          const now = Date.now()
          yield* log.publish(topic, events)
          yield* eventually(
            Effect.sync(() => Date.now()),
            (later) => later > now + 1
          )
        }
        const seen = yield* log.peek({ topic, group: "g", limit: 100 })
        assertKeyOrder(seen)
        for (const [n, events] of moments.entries()) {
          assert.deepStrictEqual(values(seen.slice(24 * n, 24 * (n + 1))).sort(), values(events).sort())
        }
        const first = yield* log.peek({ topic, group: "g", limit: 24 })
        assert.deepStrictEqual(values(first).sort(), values(moments[0]!).sort())
      })
    )

    it.effect("commit moves a group that has no running consumer, and never back", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const topic = yield* freshTopic
        yield* log.publish(topic, numbered("k", 5))
        const seen = yield* log.peek({ topic, group: "g", limit: 3 })
        yield* log.commit("g", seen)
        assert.deepStrictEqual(values(yield* log.peek({ topic, group: "g", limit: 10 })), ["k:3", "k:4"])
        yield* log.commit("g", seen.slice(0, 1))
        yield* log.commit("g", [])
        const got = yield* consume({ topic, group: "g" }, (got) => got.length >= 2)
        assert.deepStrictEqual(values(got), ["k:3", "k:4"])
      })
    )

    it.effect("lag counts what is not committed, tells its age, and goes back to nothing", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const topic = yield* freshTopic
        assert.deepStrictEqual(yield* log.lag(topic, "g"), { events: 0, milliseconds: 0 })
        const all = ["a", "b", "c"].flatMap((key) => numbered(key, 4))
        yield* log.publish(topic, all)
        assert.strictEqual((yield* log.lag(topic, "g")).events, 12)
        const older = yield* eventually(log.lag(topic, "g"), (lag) => lag.milliseconds > 30)
        assert.strictEqual(older.events, 12)
        yield* consume({ topic, group: "g", maxBatch: 5 }, holds(all))
        assert.deepStrictEqual(yield* log.lag(topic, "g"), { events: 0, milliseconds: 0 })
        assert.strictEqual((yield* log.lag(topic, "another")).events, 12)
      })
    )

    it.effect("a commit that comes after its consumer has gone does no harm", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const topic = yield* freshTopic
        yield* log.publish(topic, numbered("k", 4))
        const [late] = yield* (yield* open({ topic, group: "g", maxBatch: 2 })).pipe(Stream.take(1), Stream.runCollect)
        yield* late!.commit
        const got = values(yield* consume({ topic, group: "g" }, holds(numbered("k", 2, 2))))
        // Heeded or not: the rest is delivered, and nothing out of order.
        assert.deepStrictEqual(got, got[0] === "k:0" ? ["k:0", "k:1", "k:2", "k:3"] : ["k:2", "k:3"])
      })
    )
  })
