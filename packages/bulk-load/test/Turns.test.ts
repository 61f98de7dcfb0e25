import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option } from "effect"
import { makeTurns, type Turn } from "../src/Turns.ts"

/** A piece of work that is done ahead and ends in its turn, and what happened when. */
const work = (turn: Turn, name: string, log: Array<string>, options: { readonly fails?: boolean } = {}) =>
  Effect.gen(function* () {
    const done = yield* turn.ahead(
      Effect.gen(function* () {
        log.push(`${name} ahead`)
        if (options.fails === true) return false
        yield* turn.after("ended")
        return true
      }).pipe(Effect.onInterrupt(() => Effect.sync(() => void log.push(`${name} taken back`))))
    )
    if (Option.isNone(done) || !done.value) {
      yield* turn.after("ended")
      yield* turn.clear
      log.push(`${name} in turn`)
      yield* Effect.yieldNow
    }
    log.push(`${name} ended`)
    yield* turn.reach("ended")
  })

describe("Turns", () => {
  it.effect("what goes well is under way at once and ends in its order", () =>
    Effect.gen(function* () {
      const next = makeTurns()
      const log: Array<string> = []
      const turns = [next(), next(), next()]
      const fibers = yield* Effect.forEach(turns.toReversed(), (turn, i) => Effect.forkChild(work(turn, `${3 - i}`, log)))
      yield* Fiber.joinAll(fibers)
      assert.sameMembers(log.slice(0, 3), ["1 ahead", "2 ahead", "3 ahead"])
      assert.deepStrictEqual(log.slice(3), ["1 ended", "2 ended", "3 ended"])
    })
  )

  it.effect("trouble takes back what is behind, which begins anew in its turn; afterwards others go ahead again", () =>
    Effect.gen(function* () {
      const next = makeTurns()
      const log: Array<string> = []
      const [first, second, third] = [next(), next(), next()] as const
      const ahead = [yield* Effect.forkChild(work(second, "2", log)), yield* Effect.forkChild(work(third, "3", log))]
      yield* Effect.yieldNow
      yield* work(first, "1", log, { fails: true })
      yield* Fiber.joinAll(ahead)
      const at = (what: string) => log.indexOf(what)
      assert.isBelow(at("2 taken back"), at("1 in turn"))
      assert.isBelow(at("3 taken back"), at("1 in turn"))
      assert.deepStrictEqual(
        log.filter((entry) => entry.endsWith("ended")),
        ["1 ended", "2 ended", "3 ended"]
      )
      yield* work(next(), "4", log)
      assert.include(log, "4 ahead")
    })
  )

  it.effect("nobody goes ahead while somebody before is in trouble", () =>
    Effect.gen(function* () {
      const next = makeTurns()
      const [first, second] = [next(), next()] as const
      yield* first.clear
      assert.deepStrictEqual(yield* second.ahead(Effect.succeed("done")), Option.none())
      yield* first.reach("ended")
      assert.deepStrictEqual(yield* second.ahead(Effect.succeed("done")), Option.some("done"))
    })
  )
})
