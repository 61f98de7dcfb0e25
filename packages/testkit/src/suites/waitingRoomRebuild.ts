/** Rules about a room that was lost, and about rebuilding it from the authorities. */

import { assert } from "@effect/vitest"
import { generationOf, placesPerGeneration } from "@sluice/domain"
import { NotLoaded, WaitingRoom, WaitingRoomError, type Win } from "@sluice/waiting-room"
import { Effect } from "effect"
import { campaignOf, drain, type Engine, type It, names, type Sale, sale, waitingAt } from "./waitingRoomKit.ts"

const briefly = (wins: ReadonlyArray<Win>) => wins.map(({ serial, userId }) => [userId, serial])

const assertSilent = (room: WaitingRoom["Service"], id: string) =>
  Effect.gen(function* () {
    const place = { userId: "a", seq: placesPerGeneration + 1 }
    const win = { ...place, serial: 1 }
    const calls: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
      room.join(id, ["a"]),
      room.look(id, [place]),
      room.leave(id, [place]),
      room.admit(id, 10),
      room.acknowledge(id, [win]),
      room.overdue(id, 10),
      room.settle(id, { issued: [win] }),
      room.restore(id, [place]),
      room.counters(id),
      room.unsettled(id, 10),
      room.configure(campaignOf(id, { revision: 2 }))
    ]
    for (const call of calls) assert.deepStrictEqual(yield* Effect.flip(call), new NotLoaded({ campaignId: id }))
  })

/** Six users of whom the first three have won, the first and the third with a coupon. */
const halfIssued = <R>(on: Sale, engine: Engine<R>) =>
  Effect.gen(function* () {
    const places = yield* on.places("a", "b", "c", "d", "e", "f")
    const [a, b, c] = yield* drain(engine, on, 3)
    yield* on.settle({ issued: [a!, c!] })
    return { places, issued: [a!, c!], unissued: b! }
  })

export const rebuildRules = <R>(it: It<R>, engine: Engine<R>) => {
  it.effect("knows nothing of a campaign that was never loaded", () =>
    Effect.gen(function* () {
      yield* assertSilent(yield* WaitingRoom, `c-${crypto.randomUUID()}`)
    })
  )

  it.effect("is silent from the loss of its state until it is rebuilt", () =>
    Effect.gen(function* () {
      const on = yield* sale()
      yield* on.places("a")
      yield* engine.lose(on.id)
      yield* assertSilent(on.room, on.id)
      assert.isTrue(yield* on.room.begin(on.id, "rebuilder", 10_000))
      yield* on.room.load(on.id, "rebuilder", { issued: [{ userId: "a", seq: 1, serial: 1 }], free: [] })
      yield* assertSilent(on.room, on.id)
      yield* on.room.finish({ ...on.campaign, generation: 2 }, "rebuilder", 0)
      assert.deepInclude(yield* on.counters, { issued: 1 })
    })
  )

  it.effect("lets one rebuild at a time, and the next one when the lease is over", () =>
    Effect.gen(function* () {
      const room = yield* WaitingRoom
      const id = `c-${crypto.randomUUID()}`
      const nothing = { issued: [], free: [] }
      assert.isTrue(yield* room.begin(id, "one", 200))
      assert.isFalse(yield* room.begin(id, "two", 200))
      assert.instanceOf(yield* Effect.flip(room.load(id, "two", nothing)), WaitingRoomError)
      assert.isTrue(yield* room.begin(id, "one", 200))
      yield* room.load(id, "one", { issued: [{ userId: "ghost", seq: 1, serial: 1 }], free: [] })
      yield* engine.elapse(250)
      assert.isTrue(yield* room.begin(id, "two", 10_000))
      assert.instanceOf(yield* Effect.flip(room.load(id, "one", nothing)), WaitingRoomError)
      assert.instanceOf(yield* Effect.flip(room.finish(campaignOf(id, {}), "one", 0)), WaitingRoomError)
      yield* assertSilent(room, id)
      yield* room.load(id, "two", { issued: [{ userId: "a", seq: 2, serial: 1 }], free: [] })
      yield* room.finish(campaignOf(id, { stock: 5 }), "two", 0)
      assert.deepInclude(yield* room.counters(id), { stock: 5, remaining: 4, issued: 1, issuing: 0 })
      assert.deepInclude((yield* room.join(id, ["ghost"])).standings[0], { state: "waiting" })
      assert.isTrue(yield* room.begin(id, "three", 100))
    })
  )

  it.effect("never opens with a part missing, when the lease ran out between two parts and was taken again", () =>
    Effect.gen(function* () {
      const room = yield* WaitingRoom
      const id = `c-${crypto.randomUUID()}`
      yield* room.begin(id, "slow", 100)
      yield* room.load(id, "slow", { issued: [{ userId: "a", seq: 1, serial: 1 }], free: [] })
      yield* engine.elapse(150)
      const rest = Effect.gen(function* () {
        yield* room.begin(id, "slow", 10_000)
        yield* room.load(id, "slow", { issued: [{ userId: "b", seq: 2, serial: 2 }], free: [] })
        yield* room.finish(campaignOf(id, {}), "slow", 0)
        const { standings } = yield* room.join(id, ["a", "b"])
        return standings.map(({ state }) => state)
      })
      // Refusing is as good as having kept everything.
      const states = yield* rest.pipe(Effect.catchTag("WaitingRoomError", () => Effect.succeed(["won", "won"])))
      assert.deepStrictEqual(states, ["won", "won"])
    })
  )

  it.effect("opens a room only under a newer generation", () =>
    Effect.gen(function* () {
      const on = yield* sale({ generation: 3 })
      const [a] = yield* on.places("a")
      assert.strictEqual(generationOf(a!.seq), 3)
      for (const generation of [2, 3]) {
        assert.isTrue(yield* on.room.begin(on.id, "rebuilder", 10_000))
        const refused = on.room.finish({ ...on.campaign, generation, revision: 9 }, "rebuilder", 0)
        assert.instanceOf(yield* Effect.flip(refused), WaitingRoomError)
      }
      assert.deepInclude(yield* on.counters, { waiting: 1, revision: 1 })
    })
  )

  it.effect("gives tickets of before the loss their old places back, ahead of everybody who came later", () =>
    Effect.gen(function* () {
      const on = yield* sale({ stock: 10 })
      const { places, issued, unissued } = yield* halfIssued(on, engine)
      const [a, b, , d, e] = places
      yield* engine.lose(on.id)
      yield* on.rebuild({}, issued, [2])
      assert.deepInclude(yield* on.counters, { stock: 10, remaining: 8, waiting: 0, issuing: 0, issued: 2, dead: 0 })

      const [late] = yield* on.places("late")
      assert.strictEqual(late!.seq, 2 * placesPerGeneration + 1)
      assert.deepStrictEqual(yield* on.look(e!, d!, late!), [waitingAt(2, e!.seq), waitingAt(1, d!.seq), waitingAt(3, late!.seq)])
      assert.deepStrictEqual(yield* on.look(b!), [waitingAt(1, unissued.seq)])
      assert.deepStrictEqual(yield* on.look(a!), [{ state: "won", seq: a!.seq, serial: 1 }])

      const wins = yield* drain(engine, on)
      assert.deepStrictEqual(briefly(wins), [
        ["b", 2],
        ["d", 4],
        ["e", 5],
        ["late", 6]
      ])
      assert.deepStrictEqual(
        wins.map(({ seq }) => seq),
        [b!.seq, d!.seq, e!.seq, late!.seq]
      )
    })
  )

  it.effect("admits nobody while it holds for the crowd to come back", () =>
    Effect.gen(function* () {
      const on = yield* sale()
      const [a, b] = yield* on.places("a", "b")
      yield* engine.lose(on.id)
      yield* on.rebuild({}, [], [], 600)
      yield* on.places("late")
      assert.isEmpty(yield* drain(engine, on))
      assert.isNull((yield* on.room.look(on.id, [b!])).pace.ratePerSecond)
      assert.deepStrictEqual(yield* on.look(a!), [waitingAt(1, a!.seq)])
      yield* engine.elapse(650)
      assert.deepStrictEqual(
        (yield* drain(engine, on)).map(({ userId }) => userId),
        ["a", "b", "late"]
      )
    })
  )

  it.effect("keeps the crowd of a room that was not lost, and puts winners without an issuance back to their places", () =>
    Effect.gen(function* () {
      const on = yield* sale({ stock: 10 })
      const { places, issued } = yield* halfIssued(on, engine)
      const [, b, , d, e, f] = places
      const [gone] = yield* drain(engine, on, 1)
      yield* on.settle({ dead: [gone!] })
      yield* on.leave(e!)
      yield* on.rebuild({ stock: 12 }, issued, [2])
      assert.deepInclude(yield* on.counters, { stock: 12, remaining: 10, waiting: 3, issuing: 0, issued: 2, dead: 0 })
      assert.deepStrictEqual(yield* on.look(f!, d!, b!), [waitingAt(3, f!.seq), waitingAt(2, d!.seq), waitingAt(1, b!.seq)])
      assert.isEmpty(yield* on.room.unsettled(on.id, 10))
      assert.deepStrictEqual(briefly(yield* drain(engine, on)), [
        ["b", 2],
        ["d", 4],
        ["f", 5]
      ])
    })
  )

  it.effect("gives the old place to who was told to have a coupon and has none any more", () =>
    Effect.gen(function* () {
      const on = yield* sale({ stock: 3 })
      const [a, b, c, d, e] = yield* on.places("a", "b", "c", "d", "e")
      const wins = yield* drain(engine, on)
      yield* on.settle({ issued: wins })
      assert.deepInclude(yield* on.counters, { remaining: 0, waiting: 2, issued: 3 })
      yield* on.rebuild({}, [wins[1]!], [1])
      assert.deepInclude(yield* on.counters, { stock: 3, remaining: 2, waiting: 4, issuing: 0, issued: 1, dead: 0 })
      assert.deepStrictEqual(yield* on.look(c!, a!, b!, e!, d!), [
        waitingAt(2, c!.seq),
        waitingAt(1, a!.seq),
        { state: "won", seq: b!.seq, serial: 2 },
        waitingAt(4, e!.seq),
        waitingAt(3, d!.seq)
      ])
      assert.deepStrictEqual(briefly(yield* drain(engine, on)), [
        ["a", 1],
        ["c", 3]
      ])
    })
  )

  it.effect("takes the place of who turns out to have a coupon", () =>
    Effect.gen(function* () {
      const on = yield* sale({ stock: 10 })
      const [a, b, c] = yield* on.places("a", "b", "c")
      yield* on.rebuild({}, [{ ...b!, serial: 1 }], [])
      assert.deepInclude(yield* on.counters, { waiting: 2, issued: 1, remaining: 9 })
      assert.deepStrictEqual(yield* on.look(a!, b!, c!), [
        waitingAt(1, a!.seq),
        { state: "won", seq: b!.seq, serial: 1 },
        waitingAt(2, c!.seq)
      ])
    })
  )

  it.effect("fills the holes among the serials first, the lowest first, then goes on", () =>
    Effect.gen(function* () {
      const on = yield* sale({ stock: 9 })
      yield* engine.lose(on.id)
      const issued = [2, 5, 7].map((serial): Win => ({ userId: `w${serial}`, seq: placesPerGeneration + serial, serial }))
      assert.isTrue(yield* on.room.begin(on.id, "rebuilder", 10_000))
      yield* on.room.load(on.id, "rebuilder", { issued: issued.slice(0, 2), free: [1, 3, 4] })
      yield* on.room.load(on.id, "rebuilder", { issued: issued.slice(2), free: [6] })
      yield* on.room.finish({ ...on.campaign, generation: 2 }, "rebuilder", 0)
      assert.deepInclude(yield* on.counters, { remaining: 6, issued: 3 })
      yield* on.places(...names(8))
      assert.deepStrictEqual(
        [...(yield* drain(engine, on, 2)), ...(yield* drain(engine, on))].map(({ serial }) => serial),
        [1, 3, 4, 6, 8, 9]
      )
    })
  )

  it.effect("gives the old place also to who joined anew, and says left to the newer ticket", () =>
    Effect.gen(function* () {
      const on = yield* sale()
      const [a, b] = yield* on.places("a", "b")
      yield* engine.lose(on.id)
      yield* on.rebuild({ paused: true }, [], [])
      const [first, again] = yield* on.places("late", "b")
      assert.deepStrictEqual(yield* on.look(b!), [waitingAt(1, b!.seq)])
      assert.deepStrictEqual(yield* on.look(again!, first!, b!), [
        { state: "left" },
        waitingAt(2, first!.seq),
        waitingAt(1, b!.seq)
      ])
      assert.deepStrictEqual(yield* on.join("b"), [waitingAt(1, b!.seq)])
      assert.deepStrictEqual(yield* on.look(a!, b!), [waitingAt(1, a!.seq), waitingAt(2, b!.seq)])
      assert.strictEqual((yield* on.counters).waiting, 3)
    })
  )

  it.effect("goes by the earlier of two old tickets of a user, in whatever order they come", () =>
    Effect.gen(function* () {
      const on = yield* sale({ paused: true })
      const [a, b] = yield* on.places("a", "b")
      yield* on.leave(a!, b!)
      const [aLater, bLater] = yield* on.places("a", "b")
      yield* engine.lose(on.id)
      yield* on.rebuild({ paused: true }, [], [])
      assert.deepStrictEqual(yield* on.look(a!, bLater!, aLater!, b!), [
        waitingAt(1, a!.seq),
        { state: "left" },
        { state: "left" },
        waitingAt(2, b!.seq)
      ])
      assert.deepStrictEqual(yield* on.join("a", "b"), [waitingAt(1, a!.seq), waitingAt(2, b!.seq)])
      assert.strictEqual((yield* on.counters).waiting, 2)
    })
  )

  it.effect("gives an old place back even where the room is full, and again after two losses", () =>
    Effect.gen(function* () {
      const on = yield* sale({ maxWaiting: 2 })
      const [a, b] = yield* on.places("a", "b")
      yield* engine.lose(on.id)
      yield* on.rebuild({ paused: true }, [], [])
      const [c] = yield* on.places("c", "d")
      assert.deepStrictEqual(yield* on.look(b!, a!), [waitingAt(2, b!.seq), waitingAt(1, a!.seq)])
      assert.deepStrictEqual(yield* on.join("e"), [{ state: "full" }])
      yield* engine.lose(on.id)
      yield* on.rebuild({ paused: true, generation: 3, revision: 3 }, [], [])
      assert.deepStrictEqual(yield* on.look(c!, b!, a!), [waitingAt(3, c!.seq), waitingAt(2, b!.seq), waitingAt(1, a!.seq)])
    })
  )

  it.effect("restores places of a fenced generation, but not of who has won since or stands further ahead", () =>
    Effect.gen(function* () {
      const on = yield* sale({ stock: 10 })
      const [a, b, c] = yield* on.places("a", "b", "c")
      yield* engine.lose(on.id)
      yield* on.rebuild({}, [{ ...a!, serial: 1 }], [])
      const [late] = yield* on.places("late", "c")
      const restore = on.checked(on.room.restore(on.id, [a!, b!, c!, { userId: "b", seq: b!.seq + 100 }]))
      yield* restore
      yield* restore
      assert.deepInclude(yield* on.counters, { waiting: 3, issued: 1 })
      assert.deepStrictEqual(yield* on.join("a", "b", "c", "late"), [
        { state: "won", seq: a!.seq, serial: 1 },
        waitingAt(1, b!.seq),
        waitingAt(2, c!.seq),
        waitingAt(3, late!.seq)
      ])
    })
  )

  it.effect("notes a coupon that was issued while it was being rebuilt", () =>
    Effect.gen(function* () {
      const on = yield* sale({ stock: 10 })
      const { issued, unissued } = yield* halfIssued(on, engine)
      yield* engine.lose(on.id)
      yield* on.rebuild({}, issued, [2])
      yield* on.room.restore(on.id, [unissued])
      yield* on.settle({ issued: [unissued, ...issued] })
      assert.deepInclude(yield* on.counters, { remaining: 7, waiting: 0, issued: 3 })
      yield* on.places("late")
      assert.deepStrictEqual(briefly(yield* drain(engine, on)), [["late", 4]])
    })
  )
}
