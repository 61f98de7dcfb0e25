import { assert, describe, it } from "@effect/vitest"
import { eventually } from "@sluice/testkit/suites/ordersKit"
import { Deferred, Effect, Exit, Fiber } from "effect"
import * as Convoy from "../src/Convoy.ts"

describe("Convoy", () => {
  it.live("what arrives while the lanes are taken travels together, and each gets its own answer", () =>
    Effect.gen(function* () {
      const batches: Array<ReadonlyArray<number>> = []
      const gate = yield* Deferred.make<void>()
      let underWay = 0
      let most = 0
      const convoy = yield* Convoy.make({
        lanes: 2,
        maxBatch: 4,
        run: (items: ReadonlyArray<number>) =>
          Effect.gen(function* () {
            batches.push(items)
            most = Math.max(most, ++underWay)
            yield* Deferred.await(gate)
            underWay--
            return items.map((n) => n * 10)
          })
      })
      const answers = yield* Effect.forkChild(
        Effect.forEach(
          Array.from({ length: 15 }, (_, i) => i),
          convoy.request,
          { concurrency: "unbounded" }
        )
      )
      yield* eventually("the lanes are taken", Effect.sync(convoy.waiting), (waiting) => waiting === 7)
      yield* Deferred.succeed(gate, undefined)
      assert.deepStrictEqual(
        yield* Fiber.join(answers),
        Array.from({ length: 15 }, (_, i) => i * 10)
      )
      assert.deepStrictEqual(
        batches.map((batch) => batch.length),
        [4, 4, 4, 3]
      )
      assert.strictEqual(most, 2)
    })
  )

  it.live("a batch that fails, fails those in it alone; one that is answered short is a defect; the lane goes on", () =>
    Effect.gen(function* () {
      const convoy = yield* Convoy.make({
        lanes: 1,
        maxBatch: 2,
        run: (items: ReadonlyArray<number>) =>
          items.includes(2) ? Effect.fail("no") : Effect.succeed(items.includes(4) ? items.slice(0, 1) : items)
      })
      const exits = yield* Effect.forEach([0, 1, 2, 3, 4, 5, 6], (n) => Effect.exit(convoy.request(n)), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(exits.map(Exit.isSuccess), [true, true, false, false, true, false, true])
    })
  )
})
