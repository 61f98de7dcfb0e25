/** Rules about the head of the room: who passes, when, how many, and what is told about it. */

import { assert } from "@effect/vitest"
import type { Win } from "@sluice/waiting-room"
import { Effect } from "effect"
import {
  assertRate,
  drain,
  type Engine,
  engineNow,
  type It,
  names,
  type Passed,
  sale,
  tickOf,
  waitingAt
} from "./waitingRoomKit.ts"

const usersOf = (wins: ReadonlyArray<Win>) => wins.map(({ userId }) => userId)
const serialsOf = (wins: ReadonlyArray<Win>) => wins.map(({ serial }) => serial)

export const admissionRules = <R>(it: It<R>, engine: Engine<R>) => {
  it.effect("lets users pass in the order of their places, with serials from 1 on", () =>
    Effect.gen(function* () {
      const on = yield* sale({ stock: 50 })
      const users = names(30)
      const places = yield* on.places(...users)
      const wins = yield* drain(engine, on)
      assert.deepStrictEqual(
        wins,
        places.map((place, i) => ({ ...place, serial: i + 1 }))
      )
      const counters = yield* on.counters
      assert.deepInclude(counters, { stock: 50, remaining: 20, waiting: 0, issuing: 30, issued: 0, dead: 0 })
      for (const [i, standing] of (yield* on.look(...places)).entries()) {
        assert.deepStrictEqual(standing, { state: "won", seq: places[i]!.seq, serial: i + 1 })
      }
    })
  )

  it.effect("lets at most `limit` pass, and tells what is left", () =>
    Effect.gen(function* () {
      const on = yield* sale({ stock: 5 })
      yield* on.places(...names(10))
      yield* engine.elapse(5)
      assert.deepStrictEqual((yield* on.admit(0)).wins, [])
      const first = yield* on.admit(3)
      assert.deepStrictEqual(usersOf(first.wins), ["u1", "u2", "u3"])
      assert.deepInclude(first, { generation: 1, waiting: 7, remaining: 2, active: true })
      yield* engine.elapse(5)
      const rest = yield* on.admit()
      assert.deepStrictEqual(usersOf(rest.wins), ["u4", "u5"])
      assert.deepInclude(rest, { waiting: 5, remaining: 0, active: false })
    })
  )

  it.effect("never gives more serials than the stock, nor one twice, nor a user two", () =>
    Effect.gen(function* () {
      const stock = 40
      const on = yield* sale({ stock })
      const users = names(120)
      const rounds = Array.from({ length: 12 }, (_, i) => users.slice(i * 10, i * 10 + 10))
      const wins = yield* Effect.forEach(
        rounds,
        (batch) =>
          Effect.gen(function* () {
            yield* on.join(...batch, ...users.slice(0, 10))
            yield* engine.elapse(2)
            return yield* Effect.all([on.admit(7), on.admit(7), on.admit(7)], { concurrency: "unbounded" })
          }),
        { concurrency: 4 }
      )
      const all = [...wins.flat().flatMap((admission) => admission.wins), ...(yield* drain(engine, on))]
      assert.strictEqual(new Set(usersOf(all)).size, stock)
      assert.deepStrictEqual(
        serialsOf(all).sort((a, b) => a - b),
        Array.from({ length: stock }, (_, i) => i + 1)
      )
      assert.deepInclude(yield* on.counters, { remaining: 0, issuing: stock })
    })
  )

  it.effect("is sold out for everybody at once, and open again for those who waited when the stock is raised", () =>
    Effect.gen(function* () {
      const on = yield* sale({ stock: 2 })
      const [a, b, c, d, e] = yield* on.places("a", "b", "c", "d", "e")
      assert.deepStrictEqual(usersOf(yield* drain(engine, on)), ["a", "b"])
      assert.deepStrictEqual(yield* on.look(c!, d!, e!), [{ state: "sold_out" }, { state: "sold_out" }, { state: "sold_out" }])
      assert.deepStrictEqual(yield* on.join("new", "c", "a"), [
        { state: "sold_out" },
        { state: "sold_out" },
        { state: "won", seq: a!.seq, serial: 1 }
      ])
      assert.isFalse((yield* on.admit()).active)
      assert.deepInclude(yield* on.counters, { waiting: 3, remaining: 0 })

      yield* on.configure({ stock: 4 })
      assert.deepStrictEqual(yield* on.look(c!, d!, e!), [waitingAt(1, c!.seq), waitingAt(2, d!.seq), waitingAt(3, e!.seq)])
      const wins = yield* drain(engine, on)
      assert.deepStrictEqual(wins, [
        { ...c!, serial: 3 },
        { ...d!, serial: 4 }
      ])
      assert.deepStrictEqual(yield* on.look(b!, e!), [{ state: "won", seq: b!.seq, serial: 2 }, { state: "sold_out" }])
    })
  )

  it.effect("passes at most the rate in any second, over all who admit together", () =>
    Effect.gen(function* () {
      const rate = 200
      const on = yield* sale({ stock: 10_000, ratePerSecond: rate })
      yield* on.places(...names(1_000))
      const passed: Array<Passed> = []
      const seqs: Array<number> = []
      const from = yield* on.counters
      for (let round = 0; round < 60; round++) {
        yield* engine.elapse(40)
        const admissions = yield* Effect.all(
          Array.from({ length: 4 }, () => on.room.admit(on.id, 1_000)),
          { concurrency: "unbounded" }
        )
        for (const { nowMs, wins } of admissions) {
          passed.push({ nowMs, count: wins.length })
          seqs.push(...wins.map(({ seq }) => seq))
        }
      }
      assertRate(passed, rate)
      const to = yield* on.counters
      const total = passed.reduce((sum, { count }) => sum + count, 0)
      const seconds = (to.nowMs - from.nowMs) / 1_000
      assert.isAtLeast(total, rate * seconds * (engine.isVirtual ? 0.98 : 0.5))
      assert.strictEqual(new Set(seqs).size, total)
    })
  )

  it.effect("passes one a second at the lowest rate", () =>
    Effect.gen(function* () {
      const on = yield* sale({ ratePerSecond: 1 })
      yield* on.places(...names(5))
      const passed: Array<Passed> = []
      for (let round = 0; round < 12; round++) {
        yield* engine.elapse(200)
        const { nowMs, wins } = yield* on.admit()
        passed.push({ nowMs, count: wins.length })
      }
      assertRate(passed, 1)
      const total = passed.reduce((sum, { count }) => sum + count, 0)
      assert.isAtLeast(total, 2)
      assert.isAtMost(total, 3)
    })
  )

  it.effect("catches up at most a tenth of a second's worth after nobody asked for a while", () =>
    Effect.gen(function* () {
      const rate = 50
      const on = yield* sale({ ratePerSecond: rate })
      yield* on.places(...names(90))
      yield* on.admit()
      yield* engine.elapse(1_000)
      assert.strictEqual((yield* on.admit()).wins.length, tickOf(rate))
      assert.isAtMost((yield* on.admit()).wins.length, engine.isVirtual ? 0 : tickOf(rate))
    })
  )

  it.effect("starts slowly: a fresh room and a resumed one have saved nothing up", () =>
    Effect.gen(function* () {
      const rate = 20
      const most = engine.isVirtual ? 1 : tickOf(rate)
      const on = yield* sale({ ratePerSecond: rate })
      yield* on.places(...names(50))
      assert.isAtMost((yield* on.admit()).wins.length, most)
      yield* on.configure({ paused: true })
      yield* engine.elapse(300)
      assert.isEmpty((yield* on.admit()).wins)
      yield* on.configure({ paused: false, revision: 3 })
      assert.isAtMost((yield* on.admit()).wins.length, most)
    })
  )

  it.effect("admits nobody while paused, and goes on where it was", () =>
    Effect.gen(function* () {
      const on = yield* sale({ paused: true })
      const [a, b] = yield* on.places("a", "b")
      assert.isEmpty(yield* drain(engine, on))
      assert.isFalse((yield* on.admit()).active)
      assert.deepStrictEqual(yield* on.look(b!), [waitingAt(2, b!.seq)])
      yield* on.configure({ paused: false })
      yield* engine.elapse(2)
      assert.isTrue((yield* on.admit(1)).active)
      assert.deepStrictEqual(usersOf(yield* drain(engine, on)), ["b"])
      yield* on.places("c")
      yield* on.configure({ paused: true, revision: 3 })
      assert.isEmpty(yield* drain(engine, on))
      assert.deepInclude((yield* on.look(a!))[0], { state: "won", serial: 1 })
    })
  )

  it.effect("takes nobody in before it opens", () =>
    Effect.gen(function* () {
      const on = yield* sale({ opensAtMs: (yield* engineNow) + 300, ratePerSecond: 20 })
      assert.deepStrictEqual(yield* on.join("a"), [{ state: "not_open" }])
      assert.isFalse((yield* on.admit()).active)
      yield* engine.elapse(310)
      const [a] = yield* on.places("a")
      assert.strictEqual((yield* on.counters).waiting, 1)
      yield* engine.elapse(60)
      assert.deepStrictEqual(usersOf((yield* on.admit()).wins), ["a"])
      assert.deepInclude((yield* on.look(a!))[0], { state: "won" })
    })
  )

  it.effect("takes nobody in and admits nobody once it is closed, but keeps the wins", () =>
    Effect.gen(function* () {
      const on = yield* sale({ closesAtMs: (yield* engineNow) + 1_000 })
      const [a, b] = yield* on.places("a", "b")
      const [win] = yield* drain(engine, on, 1)
      yield* engine.elapse(1_010)
      const won = { state: "won", seq: a!.seq, serial: win!.serial } as const
      assert.deepStrictEqual(yield* on.join("c", "b", "a"), [{ state: "closed" }, { state: "closed" }, won])
      assert.deepStrictEqual(yield* on.look(a!, b!, { userId: "c", seq: b!.seq + 1 }), [
        won,
        { state: "closed" },
        { state: "closed" }
      ])
      assert.isEmpty(yield* drain(engine, on))
      assert.isFalse((yield* on.admit()).active)
      yield* on.settle({ issued: [win!] })
      assert.deepInclude(yield* on.counters, { issued: 1, issuing: 0 })
      yield* on.configure({ closesAtMs: null })
      assert.deepStrictEqual(usersOf(yield* drain(engine, on)), ["b"])
    })
  )

  it.effect("says closed before sold out, and sold out before not open", () =>
    Effect.gen(function* () {
      const nowMs = yield* engineNow
      const on = yield* sale({ stock: 1 })
      yield* on.places("a", "b")
      yield* drain(engine, on, 1)
      yield* on.configure({ opensAtMs: nowMs + 3_600_000 })
      assert.deepStrictEqual(yield* on.join("c"), [{ state: "sold_out" }])
      yield* on.configure({ opensAtMs: nowMs + 3_600_000, stock: 2, revision: 3 })
      assert.deepStrictEqual(yield* on.join("c"), [{ state: "not_open" }])
      yield* on.configure({ stock: 2, closesAtMs: nowMs, revision: 4 })
      assert.deepStrictEqual(yield* on.join("c"), [{ state: "closed" }])
    })
  )

  it.effect("tells the rate as set while nothing was measured, and none while nobody is being admitted", () =>
    Effect.gen(function* () {
      const on = yield* sale({ ratePerSecond: 40 })
      const pace = Effect.map(on.room.look(on.id, []), (answer) => answer.pace)
      assert.isNull((yield* pace).ratePerSecond)
      yield* on.places(...names(10))
      assert.isNull((yield* pace).ratePerSecond)
      yield* on.admit()
      assert.deepInclude(yield* pace, { ratePerSecond: 40, remaining: 100 })
      yield* on.configure({ ratePerSecond: 30 })
      assert.strictEqual((yield* pace).ratePerSecond, 30)
      yield* on.configure({ ratePerSecond: 30, paused: true, revision: 3 })
      assert.isNull((yield* pace).ratePerSecond)
      yield* on.configure({ ratePerSecond: 30, revision: 4 })
      yield* on.admit()
      assert.strictEqual((yield* pace).ratePerSecond, 30)
      yield* engine.elapse(3_100)
      assert.isNull((yield* pace).ratePerSecond)
    })
  )

  it.effect("tells the rate as measured, once it was", () =>
    Effect.gen(function* () {
      const on = yield* sale({ ratePerSecond: 400, stock: 1_000 })
      yield* on.places(...names(200))
      for (let round = 0; round < 23; round++) {
        yield* on.admit(2)
        yield* engine.elapse(100)
      }
      yield* on.admit(2)
      const { pace } = yield* on.room.join(on.id, ["u200"])
      assert.isAtLeast(pace.ratePerSecond!, 8)
      assert.isAtMost(pace.ratePerSecond!, 20)
    })
  )
}
