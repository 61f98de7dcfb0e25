/** Rules about wins after the gate, and about definitions. */

import { assert } from "@effect/vitest"
import { publishLeaseMs, settleLeaseMs, type Win } from "@sluice/waiting-room"
import { Effect } from "effect"
import { drain, type Engine, type It, names, sale } from "./waitingRoomKit.ts"

const bySerial = (wins: ReadonlyArray<Win>) => [...wins].sort((a, b) => a.serial - b.serial)

export const winsRules = <R>(it: It<R>, engine: Engine<R>) => {
  it.effect("hands a win out again when nobody acknowledged it within the publish lease, to one at a time", () =>
    Effect.gen(function* () {
      const on = yield* sale()
      yield* on.places(...names(12))
      const wins = yield* drain(engine, on)
      const overdue = (limit = 1_000) => on.checked(on.room.overdue(on.id, limit))
      assert.deepInclude(yield* overdue(), { unsettled: 12, wins: [] })
      yield* engine.elapse(publishLeaseMs + 50)
      const first = yield* overdue(5)
      assert.strictEqual(first.generation, 1)
      assert.deepStrictEqual(first.wins, bySerial(first.wins))
      assert.strictEqual(first.wins.length, 5)
      const second = yield* overdue(4)
      assert.strictEqual(new Set([...first.wins, ...second.wins].map(({ serial }) => serial)).size, 9)
      yield* engine.elapse(publishLeaseMs + 50)
      assert.deepStrictEqual((yield* overdue()).wins, wins)
      assert.isEmpty((yield* overdue()).wins)
      assert.deepInclude(yield* on.counters, { issuing: 12, remaining: 88 })
    })
  )

  it.effect("looks after an acknowledged win only when it was not settled within the settle lease", () =>
    Effect.gen(function* () {
      const on = yield* sale()
      yield* on.places("a", "b", "c", "d")
      const wins = yield* drain(engine, on)
      yield* on.checked(on.room.acknowledge(on.id, wins.slice(1)))
      yield* engine.elapse(publishLeaseMs + 50)
      assert.deepStrictEqual((yield* on.room.overdue(on.id, 10)).wins, wins.slice(0, 1))
      yield* on.settle({ issued: wins.slice(0, 2), dead: wins.slice(2, 3) })
      yield* on.room.acknowledge(on.id, wins)
      if (!engine.isVirtual) return
      yield* engine.elapse(settleLeaseMs - 1)
      assert.isEmpty((yield* on.room.overdue(on.id, 10)).wins)
      yield* engine.elapse(1)
      assert.deepStrictEqual((yield* on.room.overdue(on.id, 10)).wins, wins.slice(3))
    })
  )

  it.effect("lists every win that is not settled", () =>
    Effect.gen(function* () {
      const on = yield* sale()
      yield* on.places("a", "b", "c", "d")
      const wins = yield* drain(engine, on)
      yield* on.room.acknowledge(on.id, wins.slice(0, 2))
      assert.deepStrictEqual(bySerial(yield* on.room.unsettled(on.id, 10)), wins)
      assert.strictEqual((yield* on.room.unsettled(on.id, 3)).length, 3)
      yield* on.settle({ issued: [wins[0]!], dead: [wins[3]!] })
      assert.deepStrictEqual(bySerial(yield* on.room.unsettled(on.id, 10)), wins.slice(1, 3))
    })
  )

  it.effect("counts a settled win once, however often it is settled", () =>
    Effect.gen(function* () {
      const on = yield* sale({ stock: 10 })
      const places = yield* on.places("a", "b", "c")
      const wins = yield* drain(engine, on)
      const settlement = { issued: wins.slice(0, 2), dead: wins.slice(2) }
      for (let again = 0; again < 3; again++) {
        yield* on.settle(settlement)
        assert.deepInclude(yield* on.counters, { remaining: 7, issuing: 0, issued: 2, dead: 1 })
      }
      yield* on.settle({ issued: [wins[0]!, wins[0]!] })
      yield* on.settle({})
      assert.deepInclude(yield* on.counters, { remaining: 7, issuing: 0, issued: 2, dead: 1 })
      for (const standing of yield* on.look(...places)) assert.strictEqual(standing.state, "won")
    })
  )

  it.effect("lets a dead win be issued later, but no issued one die", () =>
    Effect.gen(function* () {
      const on = yield* sale({ stock: 10 })
      yield* on.places("a", "b")
      const [a, b] = yield* drain(engine, on)
      yield* on.settle({ dead: [a!, b!] })
      assert.deepInclude(yield* on.counters, { remaining: 8, issuing: 0, issued: 0, dead: 2 })
      yield* on.settle({ issued: [a!] })
      assert.deepInclude(yield* on.counters, { remaining: 8, issuing: 0, issued: 1, dead: 1 })
      yield* on.settle({ dead: [a!] })
      assert.deepInclude(yield* on.counters, { remaining: 8, issuing: 0, issued: 1, dead: 1 })
    })
  )

  it.effect("knows nothing of a dead win that it did not give", () =>
    Effect.gen(function* () {
      const on = yield* sale({ stock: 10 })
      const [a] = yield* on.places("a")
      yield* on.settle({
        dead: [
          { ...a!, serial: 1 },
          { userId: "stranger", seq: 7, serial: 2 }
        ]
      })
      assert.deepInclude(yield* on.counters, { remaining: 10, waiting: 1, dead: 0 })
    })
  )

  it.effect("notes an issuance that it did not give: the user has won, the place is free, the serial is taken", () =>
    Effect.gen(function* () {
      const on = yield* sale({ stock: 5 })
      const [a, b, c] = yield* on.places("a", "b", "c")
      const other: Win = { userId: "b", seq: b!.seq, serial: 3 }
      yield* on.settle({ issued: [other] })
      yield* on.settle({ issued: [other] })
      assert.deepInclude(yield* on.counters, { remaining: 4, waiting: 2, issuing: 0, issued: 1 })
      assert.deepStrictEqual(yield* on.join("b"), [{ state: "won", seq: b!.seq, serial: 3 }])
      assert.deepInclude((yield* on.look(c!))[0], { state: "waiting", position: 2 })
      yield* on.places("d", "e", "f")
      const wins = yield* drain(engine, on)
      assert.deepStrictEqual(
        wins.map(({ serial, userId }) => [userId, serial]),
        [
          ["a", 1],
          ["c", 2],
          ["d", 4],
          ["e", 5]
        ]
      )
      assert.deepInclude(wins[0], a!)
    })
  )

  it.effect("tells how many issuances it had not expected: neither those under way nor those it knows", () =>
    Effect.gen(function* () {
      const on = yield* sale({ stock: 10 })
      yield* on.places("a", "b", "c", "d")
      const [a, b, c] = yield* drain(engine, on, 3)
      yield* on.settle({ dead: [c!] })
      const stranger: Win = { userId: "x", seq: 9, serial: 7 }
      assert.strictEqual(yield* on.settle({ issued: [a!] }), 0)
      assert.strictEqual(yield* on.settle({ issued: [a!, b!, b!, c!, stranger] }), 2)
      assert.strictEqual(yield* on.settle({ issued: [a!, b!, c!, stranger] }), 0)
      // Who has an issuance keeps it, and whoever says otherwise is not believed, however often.
      for (let again = 0; again < 2; again++) assert.strictEqual(yield* on.settle({ issued: [{ ...a!, serial: 8 }] }), 1)
      assert.deepStrictEqual(yield* on.look(a!), [{ state: "won", seq: a!.seq, serial: 1 }])
      assert.deepInclude(yield* on.counters, { remaining: 6, issuing: 0, issued: 4, dead: 0 })
    })
  )

  it.effect("takes a serial that was free when somebody has it", () =>
    Effect.gen(function* () {
      const on = yield* sale({ stock: 4 })
      yield* on.settle({ issued: [{ userId: "x", seq: 1, serial: 4 }] })
      yield* on.settle({ issued: [{ userId: "y", seq: 2, serial: 2 }] })
      assert.deepInclude(yield* on.counters, { remaining: 2, issued: 2 })
      yield* on.places("a", "b", "c")
      assert.deepStrictEqual(
        (yield* drain(engine, on)).map(({ serial }) => serial),
        [1, 3]
      )
    })
  )

  it.effect("takes over a newer definition, and no older one", () =>
    Effect.gen(function* () {
      const on = yield* sale({ stock: 10, revision: 5 })
      yield* on.configure({ stock: 20, revision: 5 })
      yield* on.configure({ stock: 20, revision: 4 })
      assert.deepInclude(yield* on.counters, { stock: 10, revision: 5 })
      yield* on.configure({ stock: 20, revision: 6, paused: true })
      assert.deepInclude(yield* on.counters, { stock: 20, remaining: 20, revision: 6 })
      yield* on.configure({ stock: 20, revision: 5 })
      yield* on.places("a")
      assert.isEmpty(yield* drain(engine, on))
    })
  )

  it.effect("never takes stock back, and nothing of another generation", () =>
    Effect.gen(function* () {
      const on = yield* sale({ stock: 10 })
      yield* on.configure({ stock: 3, maxWaiting: 1 })
      assert.deepInclude(yield* on.counters, { stock: 10, revision: 2 })
      yield* on.configure({ stock: 30, revision: 9, generation: 2 })
      assert.deepInclude(yield* on.counters, { stock: 10, revision: 2 })
      assert.deepStrictEqual(
        (yield* on.join("a", "b")).map(({ state }) => state),
        ["waiting", "full"]
      )
    })
  )
}
