import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { type Batch, EventLog, EventLogSqlite, Sqlite } from "@sluice/engines"
import { consume, eventLogSuite, numbered, values } from "@sluice/testkit/suites/eventLog"
import { Effect, Fiber, Layer, Queue, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"

const tempDir = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "sluice-log-"))),
  (dir) => Effect.sync(() => rmSync(dir, { recursive: true }))
)

const stack = (filename: string, options?: EventLogSqlite.Options) =>
  EventLogSqlite.layer(options).pipe(Layer.provideMerge(Sqlite.layer({ filename })))
const inTempDir = Layer.unwrap(Effect.map(tempDir, (dir) => stack(join(dir, "sluice.db"))))

eventLogSuite("SQLite", inTempDir)

describe("EventLogSqlite", () => {
  it.effect("a publish inside a transaction is part of it, and wakes the consumer when it is committed", () =>
    Effect.gen(function* () {
      const log = yield* EventLog
      const sql = yield* SqlClient.SqlClient
      // The clock of this test stands still: only the wake-up can bring the event.
      const reading = yield* Effect.forkChild(consume({ topic: "t", group: "g" }, (got) => got.length > 0))
      yield* Effect.yieldNow
      yield* Effect.exit(sql.withTransaction(Effect.andThen(log.publish("t", numbered("rolled-back", 1)), Effect.fail("no"))))
      assert.strictEqual((yield* log.lag("t", "g")).events, 0)
      yield* sql.withTransaction(log.publish("t", numbered("k", 2)))
      assert.deepStrictEqual(values(yield* Fiber.join(reading)), ["k:0", "k:1"])
    }).pipe(Effect.provide(inTempDir))
  )

  it.effect("the commit of a batch belongs to the transaction it is made in", () =>
    Effect.gen(function* () {
      const log = yield* EventLog
      const sql = yield* SqlClient.SqlClient
      const handed = yield* Queue.unbounded<Batch>()
      yield* log.publish("t", numbered("k", 2))
      yield* log.batches({ topic: "t", group: "g", maxBatch: 1 }).pipe(
        Stream.runForEach((batch) => Queue.offer(handed, batch)),
        Effect.forkScoped
      )
      const first = yield* Queue.take(handed)
      yield* Effect.exit(sql.withTransaction(Effect.andThen(first.commit, Effect.fail("no"))))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* log.lag("t", "g"), { events: 2, milliseconds: 1000 })
      assert.strictEqual(yield* Queue.size(handed), 0)
      yield* sql.withTransaction(first.commit)
      assert.deepStrictEqual(values((yield* Queue.take(handed)).events), ["k:1"])
    }).pipe(Effect.provide(inTempDir))
  )

  it.effect("two consumers of one group never hold the same batch at once", () =>
    Effect.gen(function* () {
      const log = yield* EventLog
      const handed = yield* Queue.unbounded<Batch>()
      yield* log.publish("t", numbered("k", 4))
      const consumer = log
        .batches({ topic: "t", group: "g", maxBatch: 1 })
        .pipe(Stream.runForEach((batch) => Queue.offer(handed, batch)))
      const one = yield* Effect.forkChild(consumer)
      const two = yield* Effect.forkChild(consumer)
      for (let n = 0; n < 3; n++) {
        const batch = yield* Queue.take(handed)
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* Queue.size(handed), 0)
        assert.deepStrictEqual(values(batch.events), [`k:${n}`])
        yield* batch.commit
      }
      yield* Fiber.interrupt(one)
      yield* Fiber.interrupt(two)
    }).pipe(Effect.provide(inTempDir))
  )

  it.effect("finds by looking what was published past it", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const reading = yield* Effect.forkChild(consume({ topic: "t", group: "g" }, (got) => got.length > 0))
      yield* Effect.yieldNow
      yield* sql`INSERT INTO log_events (topic, key, value, headers, at_ms) VALUES ('t', 'k', 'from elsewhere', '{}', 0)`
      yield* TestClock.adjust("250 millis")
      assert.deepStrictEqual(values(yield* Fiber.join(reading)), ["from elsewhere"])
    }).pipe(Effect.provide(inTempDir))
  )

  it.effect("events and cursors are there after a restart", () =>
    Effect.gen(function* () {
      const filename = join(yield* tempDir, "sluice.db")
      yield* Effect.gen(function* () {
        yield* (yield* EventLog).publish("t", numbered("k", 3))
        yield* consume({ topic: "t", group: "g", maxBatch: 1 }, (got) => got.length === 1)
      }).pipe(Effect.provide(stack(filename)))
      const rest = yield* consume({ topic: "t", group: "g" }, (got) => got.length === 2).pipe(Effect.provide(stack(filename)))
      assert.deepStrictEqual(values(rest), ["k:1", "k:2"])
    })
  )

  it.effect("deletes what is old and committed by every group, and never gives an offset twice", () =>
    Effect.gen(function* () {
      const log = yield* EventLog
      const sql = yield* SqlClient.SqlClient
      const count = Effect.map(sql<{ readonly n: number }>`SELECT count(*) AS n FROM log_events`, (rows) => rows[0]!.n)
      yield* log.publish("t", numbered("k", 1200))
      yield* log.publish("never read", numbered("k", 1))
      const slow = yield* log.batches({ topic: "t", group: "slow", maxBatch: 10 }).pipe(Stream.take(1), Stream.runCollect)
      yield* consume({ topic: "t", group: "g", maxBatch: 1200 }, (got) => got.length === 1200)
      yield* TestClock.adjust("2 days")
      assert.strictEqual(yield* count, 1201)
      yield* slow[0]!.commit
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* count, 1191)
      yield* log.commit("slow", yield* log.peek({ topic: "t", group: "slow", limit: 2000 }))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* count, 1)
      yield* log.publish("t", numbered("k", 1))
      yield* TestClock.adjust("1 hour")
      assert.strictEqual((yield* log.lag("t", "g")).events, 1)
      assert.strictEqual((yield* log.lag("t", "slow")).events, 1)
    }).pipe(Effect.provide(inTempDir))
  )

  it.effect("keeps the newest event's offset retired when it was deleted", () =>
    Effect.gen(function* () {
      const log = yield* EventLog
      yield* log.publish("t", numbered("k", 1))
      const [first] = yield* consume({ topic: "t", group: "g" }, (got) => got.length === 1)
      yield* TestClock.adjust("2 days")
      yield* log.publish("t", numbered("k", 1, 1))
      const [second] = yield* consume({ topic: "t", group: "g" }, (got) => got.length === 1)
      assert.isAbove(Number(second!.offset), Number(first!.offset))
    }).pipe(Effect.provide(inTempDir))
  )
})
