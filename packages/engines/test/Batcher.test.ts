import { assert, describe, it } from "@effect/vitest"
import { Batcher } from "@sluice/engines"
import { Cause, Effect, Exit } from "effect"

const recording = (maxBatch: number, answer: (item: number) => number = (item) => item * 10) => {
  const calls: Array<readonly [string, ReadonlyArray<number>]> = []
  const batcher = Batcher.make({
    maxBatch,
    run: (key: string, items: ReadonlyArray<number>) =>
      Effect.sync(() => {
        calls.push([key, [...items]])
        return items.map(answer)
      })
  })
  return Effect.map(batcher, (made) => ({ ...made, calls }))
}

const range = (n: number) => Array.from({ length: n }, (_, i) => i)

describe("Batcher", () => {
  it.live("what is asked in one turn for one key travels in one call, each answer to who asked", () =>
    Effect.gen(function* () {
      const { calls, request } = yield* recording(100)
      const answers = yield* Effect.forEach(range(20), (i) => request(i % 2 === 0 ? "even" : "odd", i), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(
        answers,
        range(20).map((i) => i * 10)
      )
      assert.deepStrictEqual(
        calls.map(([key, items]) => [key, items.length]),
        [
          ["even", 10],
          ["odd", 10]
        ]
      )
    })
  )

  it.live("no call carries more than maxBatch", () =>
    Effect.gen(function* () {
      const { calls, request } = yield* recording(8)
      yield* Effect.forEach(range(20), (i) => request("k", i), { concurrency: "unbounded" })
      assert.deepStrictEqual(
        calls.map(([, items]) => items.length),
        [8, 8, 4]
      )
    })
  )

  it.live("a call that fails, fails all that travelled in it and no others", () =>
    Effect.gen(function* () {
      const batcher = yield* Batcher.make({
        maxBatch: 10,
        run: (key: string, items: ReadonlyArray<number>) =>
          key === "bad" ? Effect.fail("broken" as const) : Effect.succeed(items)
      })
      const ask = (key: string) => Effect.exit(batcher.request(key, 1))
      const [bad, good, alsoBad] = yield* Effect.all([ask("bad"), ask("good"), ask("bad")], { concurrency: "unbounded" })
      assert.deepStrictEqual([bad, alsoBad], [Exit.fail("broken"), Exit.fail("broken")])
      assert.deepStrictEqual(good, Exit.succeed(1))
    })
  )

  it.live("an answer that is missing is a defect of who ran the call, not a silent wait", () =>
    Effect.gen(function* () {
      const batcher = yield* Batcher.make({
        maxBatch: 10,
        run: (_key: string, _items: ReadonlyArray<number>) => Effect.succeed([1])
      })
      const [first, second] = yield* Effect.all([Effect.exit(batcher.request("k", 1)), Effect.exit(batcher.request("k", 2))], {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(first, Exit.succeed(1))
      assert.isTrue(Exit.isFailure(second) && Cause.hasDies(second.cause))
    })
  )
})
