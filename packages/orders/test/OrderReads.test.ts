import { assert, describe, it } from "@effect/vitest"
import { orderChanged } from "@sluice/testkit/suites/orderViews"
import { Effect, Exit, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Arrivals, OrderReads, OrderViews } from "../src/index.ts"

/** A view in memory that counts how often it is asked. */
const makeView = () => {
  const stored = new Map<string, OrderViews.StoredOrder>()
  const view = {
    asked: 0,
    put: (id: string, version: number) => {
      const {
        order_id: orderId,
        customer_id: customerId,
        placed_at_ms: placedAtMs
      } = OrderViews.toKept(orderChanged(id, "c", version))
      stored.set(id, { orderId, version, customerId, placedAtMs, json: "{}" })
    },
    layer: Layer.mock(OrderViews.OrderViews)({
      findUnsafe: (ids, done) => {
        view.asked++
        done(Exit.succeed(ids.map((id) => stored.get(id))))
      }
    })
  }
  return view
}

const until = (holds: () => boolean) =>
  TestClock.withLive(Effect.repeat(Effect.sleep("1 millis"), { until: () => Effect.sync(holds) }))

describe("reads that wait for a version", () => {
  it.effect("are woken by what is applied in their own process, without a look at the clock, however many wait", () => {
    const view = makeView()
    return Effect.gen(function* () {
      const reads = yield* OrderReads.OrderReads
      const arrivals = yield* Arrivals.Arrivals
      view.put("a", 1)
      const waiting = yield* Effect.forEach([2, 2, 3], (version) => Effect.forkChild(reads.find("a", version)))
      const other = yield* Effect.forkChild(reads.find("b", 1))
      yield* until(() => view.asked >= 2)
      view.put("a", 2)
      arrivals.announce(["a", "nobody"])
      for (const fiber of waiting.slice(0, 2)) assert.strictEqual((yield* Fiber.join(fiber)).version, 2)
      view.put("a", 3)
      arrivals.announce(["a"])
      assert.strictEqual((yield* Fiber.join(waiting[2]!)).version, 3)
      assert.isUndefined(other.pollUnsafe())
      yield* Fiber.interrupt(other)
    }).pipe(Effect.provide(OrderReads.layer().pipe(Layer.provide(view.layer))))
  })

  it.effect("look again where nobody wakes them, and end in time", () => {
    const view = makeView()
    return Effect.gen(function* () {
      const reads = yield* OrderReads.OrderReads
      const fiber = yield* Effect.forkChild(reads.find("a", 1))
      yield* until(() => view.asked >= 2)
      view.put("a", 1)
      yield* TestClock.adjust("60 millis")
      yield* until(() => view.asked >= 3)
      assert.strictEqual((yield* Fiber.join(fiber)).version, 1)
      const late = yield* Effect.forkChild(Effect.flip(reads.find("a", 2)))
      for (let i = 0; late.pollUnsafe() === undefined; i++) {
        assert.isBelow(i, 1000)
        yield* TestClock.adjust("50 millis")
        yield* TestClock.withLive(Effect.sleep("1 millis"))
      }
      assert.strictEqual((yield* Fiber.join(late))._tag, "Unavailable")
    }).pipe(Effect.provide(OrderReads.layer().pipe(Layer.provide(view.layer))))
  })
})

describe("arrivals", () => {
  it("are heard by who listens to that order, once, and by nobody who has left", async () => {
    const arrivals = Arrivals.make()
    const [a, b] = [arrivals.listen("a"), arrivals.listen("a")]
    b.close()
    const heard: Array<string> = []
    const news = [a, b].map(({ news }, i) => Effect.runFork(Effect.map(news, () => heard.push(String(i)))))
    arrivals.announce(["b"])
    await Promise.resolve()
    assert.deepStrictEqual(heard, [])
    arrivals.announce(["a", "a"])
    await Effect.runPromise(Fiber.join(news[0]!))
    assert.deepStrictEqual(heard, ["0"])
    a.attend()
    a.close()
    arrivals.announce(["a"])
    await Effect.runPromise(Fiber.interrupt(news[1]!))
    assert.deepStrictEqual(heard, ["0"])
  })
})
