import { assert, describe, it } from "@effect/vitest"
import { Batcher } from "@sluice/engines"
import { Cause, Effect, Exit, Tracer } from "effect"

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

  it.live("without a fiber: answers that are there, and what is left to do for others; with a trace as ever", () =>
    Effect.gen(function* () {
      const ways: Array<string> = []
      const { request } = yield* Batcher.make({
        maxBatch: 10,
        run: (key: string, items: ReadonlyArray<number>) =>
          Effect.sync(() => {
            ways.push(`${key} run`)
            return items
          }),
        runUnsafe: (key, items, done: (answers: Effect.Effect<ReadonlyArray<number>, "broken">) => void) => {
          ways.push(key)
          if (key === "now") done(Exit.succeed(items))
          else if (key === "later") setTimeout(() => done(Exit.succeed(items)), 5)
          else if (key === "left") done(Effect.delay(Effect.succeed(items), 5))
          else done(key === "failed" ? Exit.fail("broken") : Effect.fail("broken"))
        }
      })
      const both = (key: string) =>
        Effect.all([Effect.exit(request(key, 1)), Effect.exit(request(key, 2))], { concurrency: "unbounded" })
      for (const key of ["now", "later", "left"]) assert.deepStrictEqual(yield* both(key), [Exit.succeed(1), Exit.succeed(2)])
      const broken = Exit.fail("broken" as const)
      for (const key of ["failed", "failing"]) assert.deepStrictEqual(yield* both(key), [broken, broken])
      const parent = Tracer.externalSpan({ spanId: "1".repeat(16), traceId: "1".repeat(32), sampled: true })
      assert.strictEqual(yield* Effect.withParentSpan(request("traced", 3), parent), 3)
      assert.deepStrictEqual(ways, ["now", "later", "left", "failed", "failing", "traced run"])
    })
  )
})
