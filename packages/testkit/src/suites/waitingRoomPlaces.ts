/** Rules about places: joining, looking, leaving, and where one stands. */

import { assert } from "@effect/vitest"
import { generationOf } from "@sluice/domain"
import { Effect } from "effect"
import { drain, type Engine, type It, names, sale, waitingAt } from "./waitingRoomKit.ts"

export const placesRules = <R>(it: It<R>, engine: Engine<R>) => {
  it.effect("gives each user the next place, in the order of the calls and inside a call", () =>
    Effect.gen(function* () {
      const on = yield* sale({ paused: true })
      const first = yield* on.places("a", "b")
      const second = yield* on.places("c", "d")
      const seqs = [...first, ...second].map(({ seq }) => seq)
      assert.deepStrictEqual(
        seqs,
        [0, 1, 2, 3].map((i) => seqs[0]! + i)
      )
      assert.strictEqual(generationOf(seqs[0]!), 1)
      assert.deepStrictEqual(yield* on.join("e"), [waitingAt(5, seqs[3]! + 1, true)])
    })
  )

  it.effect("gives the same place again to who asks again", () =>
    Effect.gen(function* () {
      const on = yield* sale({ paused: true })
      const [a, b, c] = yield* on.places("a", "b", "c")
      assert.deepStrictEqual(yield* on.join("c", "a", "b"), [waitingAt(3, c!.seq), waitingAt(1, a!.seq), waitingAt(2, b!.seq)])
      assert.strictEqual((yield* on.counters).waiting, 3)
    })
  )

  it.effect("gives one place to a user who stands twice in one call", () =>
    Effect.gen(function* () {
      const on = yield* sale({ paused: true })
      const [first, other, again, late] = yield* on.join("a", "b", "a", "c")
      assert.deepInclude(first, { state: "waiting", position: 1, isNew: true })
      assert.deepStrictEqual(again, waitingAt(1, first?.state === "waiting" ? first.seq : 0))
      assert.deepInclude(other, { position: 2, isNew: true })
      assert.deepInclude(late, { position: 3, isNew: true })
      assert.strictEqual((yield* on.counters).waiting, 3)
    })
  )

  it.effect("gives one place to a user who asks many times at once", () =>
    Effect.gen(function* () {
      const on = yield* sale({ paused: true })
      const users = names(20)
      const answers = yield* Effect.all(
        Array.from({ length: 8 }, () => on.join(...users)),
        { concurrency: "unbounded" }
      )
      const placesOf = answers.map((standings) => standings.map((s) => ("seq" in s ? s.seq : undefined)))
      for (const places of placesOf) assert.deepStrictEqual(places, placesOf[0])
      assert.strictEqual(answers.flat().filter((s) => s.state === "waiting" && s.isNew).length, users.length)
      assert.strictEqual((yield* on.counters).waiting, users.length)
    })
  )

  it.effect("answers for nobody when asked for nobody", () =>
    Effect.gen(function* () {
      const on = yield* sale()
      assert.deepStrictEqual(yield* on.join(), [])
      assert.deepStrictEqual(yield* on.look(), [])
      yield* on.leave()
    })
  )

  it.effect("tells the exact position, with leavers before, between and behind, and admissions from the head", () =>
    Effect.gen(function* () {
      const on = yield* sale({ stock: 1_000 })
      let waiting = [...(yield* on.places(...names(700))), ...(yield* on.places(...names(700, "v")))]
      const assertExact = Effect.gen(function* () {
        const standings = yield* on.look(...waiting)
        assert.deepStrictEqual(
          standings,
          waiting.map(({ seq }, i) => waitingAt(i + 1, seq))
        )
        const again = yield* on.join(...waiting.slice(-30).map(({ userId }) => userId))
        assert.deepStrictEqual(again, standings.slice(-30))
      })
      yield* assertExact
      const drop = (isLeaving: (i: number) => boolean) =>
        Effect.gen(function* () {
          yield* on.leave(...waiting.filter((_, i) => isLeaving(i)))
          waiting = waiting.filter((_, i) => !isLeaving(i))
          yield* assertExact
        })
      yield* drop((i) => i % 7 === 3)
      yield* drop((i) => i < 10 || i > 1_150)
      const wins = yield* drain(engine, on, 300)
      assert.deepStrictEqual(
        wins.map(({ userId }) => userId),
        waiting.slice(0, 300).map(({ userId }) => userId)
      )
      waiting = waiting.slice(300)
      yield* assertExact
      yield* drop((i) => i >= 200 && i < 520)
      waiting.push(...(yield* on.places(...names(5, "w"))))
      yield* assertExact
    })
  )

  it.effect("answers looks in the order of the tickets, the same ticket as often as it is asked for", () =>
    Effect.gen(function* () {
      const on = yield* sale({ paused: true })
      const [a, b, c] = yield* on.places("a", "b", "c")
      assert.deepStrictEqual(yield* on.look(c!, a!, c!, b!), [
        waitingAt(3, c!.seq),
        waitingAt(1, a!.seq),
        waitingAt(3, c!.seq),
        waitingAt(2, b!.seq)
      ])
    })
  )

  it.effect("lets a user leave, and puts who comes back at the end", () =>
    Effect.gen(function* () {
      const on = yield* sale({ paused: true })
      const [a, b, c] = yield* on.places("a", "b", "c")
      yield* on.leave(a!)
      assert.deepStrictEqual(yield* on.look(a!, b!, c!), [{ state: "left" }, waitingAt(1, b!.seq), waitingAt(2, c!.seq)])
      const [back] = yield* on.join("a")
      assert.deepStrictEqual(back, waitingAt(3, c!.seq + 1, true))
      assert.deepStrictEqual(yield* on.look(a!, { userId: "a", seq: c!.seq + 1 }), [{ state: "left" }, waitingAt(3, c!.seq + 1)])
    })
  )

  it.effect("gives up no place for a ticket that is not the place, twice, or of nobody", () =>
    Effect.gen(function* () {
      const on = yield* sale({ paused: true })
      const [a, b] = yield* on.places("a", "b")
      yield* on.leave({ userId: "a", seq: b!.seq }, { userId: "nobody", seq: a!.seq })
      assert.strictEqual((yield* on.counters).waiting, 2)
      yield* on.leave(a!, a!)
      yield* on.leave(a!)
      assert.strictEqual((yield* on.counters).waiting, 1)
      assert.deepStrictEqual(yield* on.look(b!), [waitingAt(1, b!.seq)])
    })
  )

  it.effect("says left to tickets that it never gave, and restores nothing for them", () =>
    Effect.gen(function* () {
      const on = yield* sale({ paused: true })
      const [a] = yield* on.places("a")
      const strangers = [
        { userId: "stranger", seq: a!.seq },
        { userId: "a", seq: a!.seq + 1 },
        { userId: "stranger", seq: a!.seq + 1_000 },
        { userId: "a", seq: a!.seq * 2 },
        { userId: "stranger", seq: a!.seq * 2 }
      ]
      for (const answer of yield* on.look(...strangers)) assert.deepStrictEqual(answer, { state: "left" })
      assert.strictEqual((yield* on.counters).waiting, 1)
    })
  )

  it.effect("keeps a win, whoever wants to leave", () =>
    Effect.gen(function* () {
      const on = yield* sale()
      const [a] = yield* on.places("a")
      const [win] = yield* drain(engine, on, 1)
      yield* on.leave(a!)
      const won = { state: "won", seq: a!.seq, serial: win!.serial } as const
      assert.deepStrictEqual(yield* on.look(a!, { userId: "a", seq: a!.seq + 5 }), [won, won])
      assert.deepStrictEqual(yield* on.join("a"), [won])
    })
  )

  it.effect("takes in no more than maxWaiting at once, and again when somebody left or passed", () =>
    Effect.gen(function* () {
      const on = yield* sale({ maxWaiting: 3 })
      const [a] = yield* on.places("a", "b")
      const states = Effect.map(on.join("c", "d", "a", "c"), (standings) => standings.map(({ state }) => state))
      assert.deepStrictEqual(yield* states, ["waiting", "full", "waiting", "waiting"])
      yield* on.leave(a!)
      assert.deepStrictEqual(yield* states, ["waiting", "waiting", "full", "waiting"])
      yield* drain(engine, on, 2)
      assert.deepInclude((yield* on.join("a"))[0], { state: "waiting", position: 2 })
      yield* on.configure({ maxWaiting: 2 })
      assert.deepStrictEqual(yield* on.join("e"), [{ state: "full" }])
      yield* on.configure({ maxWaiting: null, revision: 3 })
      assert.deepInclude((yield* on.join("e"))[0], { state: "waiting", position: 3 })
    })
  )
}
