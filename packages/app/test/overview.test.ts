import { assert, describe, it } from "@effect/vitest"
import { Drop } from "@sluice/coupons"
import { Unavailable } from "@sluice/domain"
import { Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Health } from "../src/http/Health.ts"
import { Lag } from "../src/Lag.ts"
import * as Overviews from "../src/overview/Overview.ts"
import { campaign, layerFakes, makeFakes } from "./http-testing.ts"

const over = (fakes = makeFakes()) => layerFakes(fakes)

const replaced = Effect.fnUntraced(function* (parts: {
  readonly campaigns?: Drop["Service"]["campaigns"]
  readonly health?: Health["Service"]["check"]
  readonly lag?: Lag["Service"]["report"]
}) {
  const drop = yield* Drop
  const { campaigns, health, lag } = parts
  return yield* Overviews.make.pipe(
    campaigns === undefined ? (same) => same : Effect.provideService(Drop, Drop.of({ ...drop, campaigns })),
    health === undefined ? (same) => same : Effect.provideService(Health, { check: health }),
    lag === undefined ? (same) => same : Effect.provideService(Lag, { report: lag })
  )
})

/** Those of the next seconds, to one listener. */
const listen = Effect.fnUntraced(function* <A>(stream: Stream.Stream<A>, seconds: number) {
  const seen: Array<A> = []
  const fiber = yield* Effect.forkChild(Stream.runForEach(stream, (one) => Effect.sync(() => seen.push(one))))
  for (let i = 0; i < seconds * 10; i++) yield* TestClock.adjust("100 millis")
  yield* Fiber.interrupt(fiber)
  return seen
})

describe("the overview", () => {
  it.effect("tells engines, lag, outbox, orders and admission, once a second", () => {
    const fakes = makeFakes()
    fakes.engines.push({ engine: "kafka", ok: false, required: false, detail: "KafkaError", milliseconds: 3 })
    return Effect.gen(function* () {
      const [first, ...more] = yield* listen(yield* Overviews.make, 3)
      assert.isAtLeast(more.length, 2)
      assert.deepInclude(first, {
        engines: [
          { name: "fake", state: "up", required: true, milliseconds: 1 },
          { name: "kafka", state: "down", required: false, detail: "KafkaError", milliseconds: 3 }
        ],
        lag: [
          { consumer: "issuer", events: 0, milliseconds: 0 },
          { consumer: "relay", events: 1, milliseconds: 20 },
          { consumer: "projector", events: 2, milliseconds: 30 }
        ],
        outbox: { events: 1, oldestMs: 20 },
        admitted: [{ campaignId: "sale", perSecond: null, ratePerSecond: 100 }]
      })
      assert.match(first!.process.version, /^\d+\.\d+\.\d+/)
      assert.isAbove(first!.process.rssBytes, 1_000_000)
    }).pipe(Effect.scoped, Effect.provide(over(fakes)))
  })

  it.effect("works rates out from what rose, and leaves out campaigns in which nothing goes on", () => {
    let passed = 0
    const closed = { ...campaign("over"), state: "closed" as const }
    const campaigns = Effect.sync(() => {
      passed += 40
      return [{ ...campaign("sale"), stock: 1000, remaining: 1000 - passed, ratePerSecond: 50 }, closed]
    })
    return Effect.gen(function* () {
      const seen = yield* listen(yield* replaced({ campaigns }), 4)
      assert.deepStrictEqual(seen[0]!.admitted, [{ campaignId: "sale", perSecond: null, ratePerSecond: 50 }])
      assert.deepStrictEqual(seen.at(-1)!.admitted, [{ campaignId: "sale", perSecond: 40, ratePerSecond: 50 }])
      assert.strictEqual(seen.at(-1)!.orders.placedPerSecond, 0)
    }).pipe(Effect.scoped, Effect.provide(over()))
  })

  it.effect("is sampled once for all who listen, and not while nobody does", () => {
    let asked = 0
    const campaigns = Effect.sync(() => {
      asked++
      return [campaign("sale")]
    })
    return Effect.gen(function* () {
      const overview = yield* replaced({ campaigns })
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(asked, 0)
      yield* Effect.all(
        Array.from({ length: 20 }, () => Stream.runHead(overview)),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(asked, 1)
      const seen = yield* listen(overview, 5)
      assert.isAtLeast(seen.length, 5)
      assert.isAtMost(asked, 8)
      yield* TestClock.adjust("6 seconds")
      const after = asked
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(asked, after)
    }).pipe(Effect.scoped, Effect.provide(over()))
  })

  it.effect("goes on without a part that does not answer, fails or throws, and has it again when it is back", () => {
    let isBlack = true
    const health = Effect.suspend(() =>
      isBlack ? Effect.never : Effect.succeed([{ engine: "redis", ok: true, milliseconds: 1 }])
    )
    const lag = Effect.fail(new Unavailable({ engine: "event-log", retryAfterSeconds: 1 }))
    const campaigns = Effect.die(new Error("a bug"))
    return Effect.gen(function* () {
      const overview = yield* replaced({ campaigns, health, lag })
      const dark = yield* listen(overview, 8)
      assert.isAtLeast(dark.length, 5)
      for (const sample of dark) {
        const { admitted, engines, lag, outbox } = sample
        assert.deepStrictEqual({ admitted, engines, lag, outbox }, { admitted: null, engines: null, lag: null, outbox: null })
      }
      isBlack = false
      const bright = yield* listen(overview, 4)
      assert.deepStrictEqual(bright.at(-1)!.engines, [{ name: "redis", state: "up", required: true, milliseconds: 1 }])
    }).pipe(Effect.scoped, Effect.provide(over()))
  })
})
