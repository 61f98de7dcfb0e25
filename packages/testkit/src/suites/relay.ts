/**
 * The outbox and its relays on one SQL store: everything is published, and each order's events in their order.
 */
import { assert, describe, it } from "@effect/vitest"
import type { NewEvent } from "@sluice/engines"
import { Leases, Orders, Outbox, Relay, shards } from "@sluice/orders"
import { Deferred, Effect, Fiber, Layer, Random } from "effect"
import { SqlClient } from "effect/sql"
import { eventually, newId, type Recorder, recorder, recordingLog, services, shop } from "./ordersKit.ts"

const orderEvents = (events: ReadonlyArray<NewEvent>) => {
  const versions = new Map<string, Array<number>>()
  for (const { key, value } of events) {
    const event = JSON.parse(value)
    if (event.type === "OrderChanged") versions.set(key, [...(versions.get(key) ?? []), event.order.version])
  }
  return versions
}

/** A version may come again, but never before the one below it. */
const assertOrdered = (events: ReadonlyArray<NewEvent>, expected: ReadonlyMap<string, number>) => {
  const versions = orderEvents(events)
  for (const [orderId, last] of expected) {
    const seen = versions.get(orderId) ?? []
    let highest = 0
    for (const version of seen) {
      assert.isAtMost(version, highest + 1, `${orderId}: ${seen}`)
      highest = Math.max(highest, version)
    }
    assert.strictEqual(highest, last, `${orderId}: ${seen}`)
  }
}

export const relaySuite = (name: string, engines: Layer.Layer<SqlClient.SqlClient, unknown>) => {
  const all = services.pipe(Layer.provideMerge(engines), Layer.orDie)
  const run = <A, E>(effect: Effect.Effect<A, E, Layer.Success<typeof all>>) => effect.pipe(Effect.provide(all), Effect.orDie)
  const relay = (record: Recorder, options: Relay.Options = {}) =>
    Effect.forkChild(Relay.run({ lease: "600 millis", ...options }).pipe(Effect.provide(recordingLog(record))))
  const backlog = Effect.flatMap(Outbox.Outbox, (outbox) => outbox.backlog)
  const empty = eventually("the outbox is empty", backlog, ({ events }) => events === 0)

  describe(`the relay on ${name}`, () => {
    it.live("publishes what was committed at once, with an id, and leaves the outbox empty", () =>
      run(
        Effect.gen(function* () {
          const { order, customerId } = yield* shop
          const orders = yield* Orders.Orders
          const record = recorder()
          const fiber = yield* relay(record, { lease: "30 seconds" })
          yield* empty
          const { orderId } = yield* orders.place(order())
          const committed = performance.now()
          yield* eventually(
            "published",
            Effect.sync(() => record.published.at(-1)),
            (last) => last?.key === orderId
          )
          assert.isBelow(performance.now() - committed, 150)
          yield* empty
          assert.deepStrictEqual(
            record.published.map(({ key }) => key),
            [customerId, orderId]
          )
          const ids = record.published.map(({ headers }) => headers?.id)
          assert.isTrue(ids.every((id) => id !== undefined && /^\d+$/.test(id)))
          yield* Fiber.interrupt(fiber)
          const sql = yield* SqlClient.SqlClient
          assert.deepStrictEqual(yield* sql`SELECT id FROM outbox`, [])
          assert.deepStrictEqual(yield* sql`SELECT shard FROM outbox_leases WHERE owner <> ''`, [])
        })
      )
    )

    it.live("three relays that come and go: each order's versions in their order, none lost", () =>
      run(
        Effect.gen(function* () {
          const { order } = yield* shop
          const orders = yield* Orders.Orders
          const record: Recorder = {
            ...recorder(),
            delay: Effect.flatMap(Random.nextIntBetween(0, 30), (ms) => Effect.sleep(ms))
          }
          const expected = new Map<string, number>()
          const live = Effect.fnUntraced(function* () {
            const { orderId } = yield* orders.place(order())
            yield* orders.change(orderId, "paid")
            yield* Effect.sleep(yield* Random.nextIntBetween(0, 20))
            const { version } = yield* orders.change(orderId, "shipped")
            expected.set(orderId, version)
          })
          const relays = yield* Effect.forEach([3, 5, 1000], (maxBatch) => relay(record, { maxBatch }))
          const coming = yield* Effect.forkChild(
            Effect.gen(function* () {
              for (let i = 0; i < 8; i++) {
                yield* Effect.sleep(yield* Random.nextIntBetween(50, 200))
                const short = yield* relay(record, { maxBatch: 2 })
                yield* Effect.sleep(yield* Random.nextIntBetween(50, 200))
                yield* Fiber.interrupt(short)
              }
            })
          )
          for (let round = 0; round < 8; round++) {
            yield* Effect.forEach(Array.from({ length: 10 }), live, { concurrency: "unbounded" })
          }
          yield* Fiber.join(coming)
          yield* empty
          assert.strictEqual(expected.size, 80)
          assertOrdered(record.published, expected)
          yield* Fiber.interruptAll(relays)
        })
      )
    )

    it.live("while the log is away events wait; when it is back they are published in their order", () =>
      run(
        Effect.gen(function* () {
          const { order } = yield* shop
          const orders = yield* Orders.Orders
          const record = recorder()
          record.isAway = true
          const fiber = yield* relay(record, { maxBatch: 7 })
          const expected = new Map<string, number>()
          for (let i = 0; i < 20; i++) {
            const { orderId } = yield* orders.place(order())
            expected.set(orderId, (yield* orders.change(orderId, "cancelled")).version)
          }
          assert.strictEqual((yield* backlog).events, 41)
          assert.isAbove((yield* backlog).milliseconds, 0)
          assert.deepStrictEqual(record.published, [])
          record.isAway = false
          yield* empty
          assertOrdered(record.published, expected)
          yield* Fiber.interrupt(fiber)
        })
      )
    )

    it.live("a relay that can't reach the log leaves its shards to one that can", () =>
      run(
        Effect.gen(function* () {
          const { order } = yield* shop
          const orders = yield* Orders.Orders
          const [away, there] = [recorder(), recorder()]
          away.isAway = true
          const sick = yield* relay(away, { lease: "30 seconds" })
          yield* eventually(
            "it could not publish",
            Effect.sync(() => away.missed),
            (n) => n > 0
          )
          const fiber = yield* relay(there, { lease: "30 seconds" })
          const ids = yield* Effect.forEach(Array.from({ length: 40 }), () => orders.place(order()))
          yield* eventually("published", backlog, ({ events }) => events === 0)
          assertOrdered(there.published, new Map(ids.map(({ orderId }) => [orderId, 1])))
          yield* Fiber.interruptAll([sick, fiber])
        })
      )
    )

    it.live("relays share the shards evenly, and those of a dead one are free when its lease has run out", () =>
      run(
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const [a, b] = [Leases.makeLeases(sql, "a", "400 millis"), Leases.makeLeases(sql, "b", "400 millis")]
          assert.strictEqual((yield* a.renew).shards.length, shards)
          assert.strictEqual((yield* b.renew).shards.length, 0)
          const ofA = (yield* a.renew).shards
          const ofB = (yield* b.renew).shards
          assert.deepStrictEqual([ofA.length, ofB.length], [shards / 2, shards / 2])
          assert.strictEqual(new Set([...ofA, ...ofB]).size, shards)
          const held = yield* a.renew
          assert.isBelow(held.until, performance.now() + 400)
          yield* eventually("those of the dead one are free", b.renew, ({ shards: ofB }) => ofB.length === shards)
          assert.isBelow(held.until, performance.now())
          yield* b.release
          assert.strictEqual((yield* a.renew).shards.length, shards)
        })
      )
    )

    it.live("who has lost its lease publishes nothing more", () =>
      run(
        Effect.gen(function* () {
          const { order } = yield* shop
          const orders = yield* Orders.Orders
          const slow = recorder()
          const [begun, given] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
          slow.delay = Deferred.succeed(begun, undefined).pipe(
            Effect.andThen(Effect.never),
            Effect.onInterrupt(() => Deferred.succeed(given, undefined))
          )
          const held = yield* relay(slow, { owner: "slow", lease: "300 millis" })
          const { orderId } = yield* orders.place(order())
          yield* Deferred.await(begun)
          const quick = recorder()
          const fiber = yield* relay(quick)
          yield* Deferred.await(given)
          const publishes = (version: number) =>
            eventually(
              `version ${version}`,
              Effect.sync(() => orderEvents(quick.published).get(orderId)?.at(-1) ?? 0),
              (last) => last === version
            )
          yield* publishes(1)
          yield* orders.change(orderId, "paid")
          yield* publishes(2)
          assert.deepStrictEqual(slow.published, [])
          yield* Fiber.interrupt(held)
          yield* empty
          assertOrdered(quick.published, new Map([[orderId, 2]]))
          yield* Fiber.interrupt(fiber)
        })
      )
    )

    it.live("published events are kept for as long as the retention says", () =>
      run(
        Effect.gen(function* () {
          const { order } = yield* shop
          const orders = yield* Orders.Orders
          const outbox = yield* Outbox.Outbox
          const { orderId } = yield* orders.place(order())
          const fiber = yield* relay(recorder(), { retention: "1 hour" })
          yield* empty
          yield* Fiber.interrupt(fiber)
          const sql = yield* SqlClient.SqlClient
          const kept = sql`SELECT id FROM outbox WHERE event_key = ${orderId} AND published_at_ms IS NOT NULL`
          assert.strictEqual((yield* kept).length, 1)
          assert.strictEqual(yield* outbox.sweep(Date.now() - 3_600_000), 0)
          assert.strictEqual(yield* outbox.sweep(Date.now() + 1000), 2)
          assert.deepStrictEqual(yield* kept, [])
          assert.deepStrictEqual(yield* outbox.next([Outbox.shardOf(newId("x"))], 10), [])
        })
      )
    )
  })
}
