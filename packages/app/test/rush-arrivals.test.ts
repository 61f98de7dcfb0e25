import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { arrivals } from "../src/rush/Arrivals.ts"

const first = (count: number, seed: number, perSecond: number) => {
  const next = arrivals(seed, perSecond)
  return Array.from({ length: count }, next)
}

const gaps = (times: ReadonlyArray<number>) => times.map((at, i) => at - (times[i - 1] ?? 0))

describe("arrivals", () => {
  it("are the same for the same seed, and others for another one", () => {
    assert.deepStrictEqual(first(100, 7, 500), first(100, 7, 500))
    assert.notDeepEqual(first(100, 7, 500), first(100, 8, 500))
  })

  it("keep the rate on average, as independent arrivals do", () => {
    for (const seed of [1, 2, 2 ** 32 - 1]) {
      const between = gaps(first(20_000, seed, 500))
      const mean = between.reduce((sum, gap) => sum + gap, 0) / between.length
      const deviation = Math.sqrt(between.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / between.length)
      assert.closeTo(mean, 2, 0.1)
      // Exponential gaps: as much deviation as mean. A metronome would have none.
      assert.closeTo(deviation, 2, 0.2)
    }
  })

  it.prop(
    "never go back, and end",
    { seed: Schema.Int, perSecond: Schema.Literals([0.01, 1, 1000, 1_000_000]) },
    ({ perSecond, seed }) => gaps(first(200, seed, perSecond)).every((gap) => gap >= 0 && Number.isFinite(gap))
  )
})
