import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { type Campaign, placesPerGeneration } from "@sluice/domain"
import { Sqlite } from "@sluice/engines"
import { publishLeaseMs, settleLeaseMs, WaitingRoom, WaitingRoomSqlite } from "@sluice/waiting-room"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"

const on = (filename: string) =>
  WaitingRoomSqlite.layer.pipe(
    Layer.provideMerge(Layer.effectDiscard(WaitingRoomSqlite.waitingRoomMigration)),
    Layer.provideMerge(Sqlite.layer({ filename }))
  )
const memory = Layer.fresh(on(":memory:"))

const id = "sale"
const campaign: Campaign = {
  id,
  name: "A sale",
  stock: 100,
  ratePerSecond: 100,
  opensAtMs: null,
  closesAtMs: null,
  paused: false,
  maxWaiting: null,
  createdAtMs: 0,
  ticketsExpireAtMs: 10_000_000,
  revision: 1,
  generation: 1
}
const hourMs = 3_600_000

const opened = (change: Partial<Campaign> = {}, holdMs = 0) =>
  Effect.gen(function* () {
    const room = yield* WaitingRoom
    yield* room.begin(id, "first", 1_000)
    yield* room.finish({ ...campaign, ...change }, "first", holdMs)
    return room
  })

const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "sluice-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
)

describe("WaitingRoom on SQLite", () => {
  it.effect("has everything that it answered when the file is opened again", () =>
    Effect.gen(function* () {
      const layer = on(join(yield* temporaryFolder, "sluice.db"))
      const before = yield* Effect.gen(function* () {
        const room = yield* opened()
        yield* room.join(id, ["a", "b", "c"])
        yield* TestClock.adjust(20)
        const { wins } = yield* room.admit(id, 10)
        yield* room.begin(id, "rebuilder", 10_000)
        return { wins, counters: yield* room.counters(id) }
      }).pipe(Effect.provide(Layer.fresh(layer)))

      yield* Effect.gen(function* () {
        const room = yield* WaitingRoom
        assert.deepStrictEqual(yield* room.counters(id), before.counters)
        assert.deepStrictEqual(yield* room.unsettled(id, 10), before.wins)
        assert.deepInclude((yield* room.join(id, ["c"])).standings[0], {
          seq: placesPerGeneration + 3,
          position: 1,
          isNew: false
        })
        assert.isFalse(yield* room.begin(id, "other", 10_000))
        assert.isEmpty((yield* room.admit(id, 10)).wins)
      }).pipe(Effect.provide(Layer.fresh(layer)))
    })
  )

  it.effect("grants nothing for a clock that goes back, and does not wait until it has caught up", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(2 * hourMs)
      const room = yield* opened()
      yield* room.join(
        id,
        Array.from({ length: 50 }, (_, i) => `u${i}`)
      )
      yield* TestClock.adjust(50)
      assert.strictEqual((yield* room.admit(id, 2)).wins.length, 2)
      yield* TestClock.setTime(hourMs)
      assert.isEmpty((yield* room.admit(id, 50)).wins)
      yield* TestClock.adjust(30)
      assert.strictEqual((yield* room.admit(id, 50)).wins.length, 3)
    }).pipe(Effect.provide(memory))
  )

  it.effect("catches up a tenth of a second's worth for a clock that jumps ahead", () =>
    Effect.gen(function* () {
      const room = yield* opened()
      yield* room.join(
        id,
        Array.from({ length: 50 }, (_, i) => `u${i}`)
      )
      yield* room.admit(id, 50)
      yield* TestClock.adjust(hourMs)
      assert.strictEqual((yield* room.admit(id, 50)).wins.length, 10)
      assert.isEmpty((yield* room.admit(id, 50)).wins)
    }).pipe(Effect.provide(memory))
  )

  it.effect("keeps no win, hold or lease waiting because the clock went back", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(2 * hourMs)
      const room = yield* opened({}, 500)
      yield* room.join(id, ["a", "b"])
      yield* room.begin(id, "dying", 1_000)
      yield* TestClock.setTime(hourMs)
      assert.isTrue(yield* room.begin(id, "other", 1_000))
      yield* room.admit(id, 1)
      yield* TestClock.adjust(20)
      const { wins } = yield* room.admit(id, 1)
      assert.strictEqual(wins.length, 1)
      yield* TestClock.setTime(0)
      assert.deepStrictEqual((yield* room.overdue(id, 10)).wins, wins)
      yield* room.acknowledge(id, wins)
      yield* TestClock.adjust(publishLeaseMs + 1)
      assert.isEmpty((yield* room.overdue(id, 10)).wins)
      yield* TestClock.adjust(settleLeaseMs)
      assert.deepStrictEqual((yield* room.overdue(id, 10)).wins, wins)
    }).pipe(Effect.provide(memory))
  )

  it.effect("writes nothing for rooms in which nothing happens, however often they are asked", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const room = yield* WaitingRoom
      const idle = { open: {}, soldOut: { stock: 1 }, paused: { paused: true }, scheduled: { opensAtMs: hourMs } }
      for (const [name, change] of Object.entries(idle)) {
        yield* room.begin(name, "first", 1_000)
        yield* room.finish({ ...campaign, ...change, id: name }, "first", 0)
      }
      yield* room.join("paused", ["a", "b"])
      yield* room.join("soldOut", ["a", "b"])
      yield* TestClock.adjust(20)
      yield* room.settle("soldOut", { issued: (yield* room.admit("soldOut", 10)).wins })
      assert.deepInclude(yield* room.counters("soldOut"), { remaining: 0, issued: 1, waiting: 1 })

      const changes = Effect.map(sql<{ n: number }>`SELECT total_changes() AS n`, (rows) => rows[0]!.n)
      const before = yield* changes
      for (let tick = 0; tick < 100; tick++) {
        yield* TestClock.adjust(50)
        for (const name of Object.keys(idle)) {
          assert.isEmpty((yield* room.admit(name, 10)).wins)
          assert.isEmpty((yield* room.overdue(name, 10)).wins)
        }
      }
      assert.strictEqual(yield* changes, before)

      const { pace } = yield* room.join("open", ["first"])
      assert.strictEqual(pace.ratePerSecond, campaign.ratePerSecond)
      assert.strictEqual((yield* room.admit("open", 10)).wins.length, 1)
      assert.isAbove(yield* changes, before)
    }).pipe(Effect.provide(memory))
  )

  it.effect("restores no place that was never given", () =>
    Effect.gen(function* () {
      const room = yield* opened({ paused: true })
      yield* room.restore(id, [
        { userId: "a", seq: placesPerGeneration + 1 },
        { userId: "b", seq: 5 * placesPerGeneration }
      ])
      assert.strictEqual((yield* room.counters(id)).waiting, 0)
      assert.deepInclude((yield* room.join(id, ["a"])).standings[0], { seq: placesPerGeneration + 1, position: 1 })
    }).pipe(Effect.provide(memory))
  )

  it.effect("believes an issuance more than its own unsettled wins: who loses the serial waits again", () =>
    Effect.gen(function* () {
      const room = yield* opened({ stock: 5 })
      yield* room.join(id, ["a", "b", "c"])
      yield* TestClock.adjust(20)
      const [a, b] = (yield* room.admit(id, 2)).wins
      yield* room.settle(id, {
        issued: [
          { userId: "c", seq: 7, serial: 1 },
          { ...b!, serial: 4 }
        ]
      })
      assert.deepInclude(yield* room.counters(id), { stock: 5, remaining: 3, waiting: 1, issuing: 0, issued: 2 })
      assert.deepInclude((yield* room.look(id, [a!])).standings[0], { state: "waiting", seq: a!.seq, position: 1 })
      assert.deepInclude((yield* room.join(id, ["b"])).standings[0], { state: "won", serial: 4 })
      yield* TestClock.adjust(20)
      assert.deepStrictEqual((yield* room.admit(id, 2)).wins, [{ ...a!, serial: 2 }])
    }).pipe(Effect.provide(memory))
  )

  it.effect("never takes an issuance back for another one", () =>
    Effect.gen(function* () {
      const room = yield* opened({ stock: 5 })
      const issued = { userId: "a", seq: 1, serial: 2 }
      yield* room.settle(id, { issued: [issued] })
      yield* room.settle(id, {
        issued: [
          { ...issued, serial: 3 },
          { ...issued, userId: "b" }
        ]
      })
      assert.deepInclude(yield* room.counters(id), { remaining: 4, issued: 1 })
      assert.deepInclude((yield* room.join(id, ["a"])).standings[0], { state: "won", serial: 2 })
      yield* room.settle(id, { issued: ["c", "d"].map((userId) => ({ userId, seq: 2, serial: 5 })) })
      assert.deepInclude(yield* room.counters(id), { remaining: 3, issued: 2 })
    }).pipe(Effect.provide(memory))
  )
})
