import { assert, describe, it } from "@effect/vitest"
import { DeadLetters } from "@sluice/coupons"
import { ordersTopic } from "@sluice/domain"
import { type Batch, EventLog, EventLogSqlite, Migrations, Sqlite } from "@sluice/engines"
import { eventually } from "@sluice/testkit/suites/ordersKit"
import { orderChanged } from "@sluice/testkit/suites/orderViews"
import { Deferred, Effect, Fiber, Layer, Queue, Stream } from "effect"
import { OrderViews, OrderViewsSql, Projector } from "../src/index.ts"

const engine = Layer.suspend(() =>
  Layer.effectDiscard(Migrations.run({ "0020_order_view": OrderViewsSql.orderViewMigration })).pipe(
    Layer.provideMerge(Sqlite.layer({ filename: ":memory:" }))
  )
)

interface Fault {
  isAway: boolean
  refuses: string
  /** How often the view was not there. */
  missed?: number
}

/** The view on SQLite behind a fault that can be switched. */
const faulty = (fault: Fault) =>
  Layer.effect(
    OrderViews.OrderViews,
    Effect.map(OrderViews.OrderViews, (views) =>
      OrderViews.OrderViews.of({
        ...views,
        apply: (events) =>
          Effect.suspend(() => {
            if (fault.isAway) fault.missed = (fault.missed ?? 0) + 1
            const refused = events.some(
              (event) => event.type === "OrderChanged" && fault.refuses !== "" && event.order.orderId.startsWith(fault.refuses)
            )
            return fault.isAway || refused
              ? Effect.fail(new OrderViews.OrderViewError({ refused: !fault.isAway, cause: new Error("a fault") }))
              : views.apply(events)
          })
      })
    )
  ).pipe(Layer.provide(OrderViewsSql.layer))

const layerOf = (fault: Fault) =>
  Layer.mergeAll(faulty(fault), DeadLetters.layer).pipe(
    Layer.provideMerge(EventLogSqlite.layer()),
    Layer.provideMerge(engine),
    Layer.fresh
  )

const publish = (...values: ReadonlyArray<readonly [key: string, value: unknown]>) =>
  EventLog.use((log) =>
    log.publish(
      ordersTopic,
      values.map(([key, value]) => ({ key, value: typeof value === "string" ? value : JSON.stringify(value) }))
    )
  )

const versions = (...ids: ReadonlyArray<string>) =>
  OrderViews.OrderViews.use((views) => Effect.map(views.find(ids), (orders) => orders.map((order) => order?.version)))

const reaches = (ids: ReadonlyArray<string>, expected: ReadonlyArray<number | undefined>) =>
  eventually("the view", versions(...ids), (found) => JSON.stringify(found) === JSON.stringify(expected))

const noneLeft = eventually(
  "the lag",
  EventLog.use((log) => log.lag(ordersTopic, Projector.projectorGroup)),
  ({ events }) => events === 0
)

const project = Effect.andThen(
  EventLog.use((log) => log.ensureTopics([ordersTopic])),
  Effect.forkScoped(Projector.run)
)

describe("projector", () => {
  it.live("sets aside what it can't read, with the reason, and goes on with the later events of the order", () =>
    Effect.gen(function* () {
      yield* project
      yield* publish(
        ["a", "{broken"],
        ["a", { ...orderChanged("a", "c", 1), version: 2 }],
        ["a", orderChanged("a", "c", 2)],
        ["b", orderChanged("b", "c", 1)]
      )
      yield* reaches(["a", "b"], [2, 1])
      yield* noneLeft
      const deadLetters = yield* DeadLetters
      const { deadLetters: letters, total } = yield* deadLetters.list(ordersTopic, 10)
      assert.strictEqual(total, 2)
      assert.match(letters[0]!.reason, /^not an event of orders/)
      assert.deepStrictEqual(
        letters.map(({ attempts }) => attempts),
        [1, 1]
      )
    }).pipe(Effect.provide(layerOf({ isAway: false, refuses: "" })))
  )

  it.live("sets aside only the event that the view refuses; a replay applies it, and changes nothing newer", () => {
    const fault = { isAway: false, refuses: "bad" }
    return Effect.gen(function* () {
      yield* publish(
        ...Array.from({ length: 20 }, (_, i) => {
          const id = i === 7 ? "bad-1" : i === 12 ? "bad-2" : `o${i}`
          return [id, orderChanged(id, "c")] as const
        })
      )
      yield* project
      yield* noneLeft
      assert.deepStrictEqual(yield* versions("o0", "bad-1", "o6", "o8", "bad-2", "o19"), [1, undefined, 1, 1, undefined, 1])
      const deadLetters = yield* DeadLetters
      assert.deepStrictEqual(
        (yield* deadLetters.list(ordersTopic, 10)).deadLetters.map(({ attempts, key }) => [key, attempts]),
        [
          ["bad-1", 3],
          ["bad-2", 3]
        ]
      )
      fault.refuses = ""
      yield* publish(["bad-2", orderChanged("bad-2", "c", 2)])
      yield* reaches(["bad-2"], [2])
      yield* deadLetters.replay(ordersTopic, undefined)
      yield* noneLeft
      assert.deepStrictEqual(yield* versions("bad-1", "bad-2"), [1, 2])
    }).pipe(Effect.provide(layerOf(fault)))
  })

  it.live("waits while the view is away, gives nothing up, and converges", () => {
    const fault: Fault = { isAway: true, refuses: "", missed: 0 }
    return Effect.gen(function* () {
      const log = yield* EventLog
      yield* project
      yield* publish(["a", orderChanged("a", "c", 1)], ["a", orderChanged("a", "c", 2)])
      yield* eventually(
        "it was tried again",
        Effect.sync(() => fault.missed ?? 0),
        (n) => n >= 3
      )
      assert.deepStrictEqual(yield* versions("a"), [undefined])
      assert.strictEqual((yield* log.lag(ordersTopic, Projector.projectorGroup)).events, 2)
      fault.isAway = false
      yield* reaches(["a"], [2])
      yield* noneLeft
      assert.strictEqual((yield* (yield* DeadLetters).list(ordersTopic, 10)).total, 0)
    }).pipe(Effect.provide(layerOf(fault)))
  })

  it.live("two at once, one of them ended on the way: every order is there", () =>
    Effect.gen(function* () {
      yield* project
      const other = yield* Effect.forkScoped(Projector.run)
      const ids = Array.from({ length: 500 }, (_, i) => `o${i}`)
      for (let i = 0; i < ids.length; i += 50) {
        yield* publish(...ids.slice(i, i + 50).flatMap((id) => [2, 1].map((v) => [id, orderChanged(id, "c", v)] as const)))
        if (i === 200) yield* Fiber.interrupt(other)
      }
      yield* reaches(
        ids,
        ids.map(() => 2)
      )
    }).pipe(Effect.provide(layerOf({ isAway: false, refuses: "" })))
  )

  it.live("what waits of several partitions is applied together, and the next while that is committed", () =>
    Effect.gen(function* () {
      const applied: Array<ReadonlyArray<string>> = []
      const committed: Array<string> = []
      const [view, commits] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const handed = yield* Queue.unbounded<Batch>()
      const hand = (id: string, partition: number) => {
        const event = { topic: ordersTopic, partition, offset: "0", key: id, headers: {}, atMs: 0 }
        const commit = Effect.andThen(
          Deferred.await(commits),
          Effect.sync(() => committed.push(id))
        )
        return Queue.offer(handed, { events: [{ ...event, value: JSON.stringify(orderChanged(id, "c")) }], commit })
      }
      const layer = Layer.mergeAll(
        Layer.mock(EventLog)({ batches: () => Stream.fromQueue(handed) }),
        Layer.mock(OrderViews.OrderViews)({
          findUnsafe: () => {},
          apply: (events) =>
            Effect.andThen(
              Deferred.await(view),
              Effect.sync(() => applied.push(events.map((event) => (event.type === "OrderChanged" ? event.order.orderId : ""))))
            )
        })
      )
      yield* hand("a", 0)
      yield* Effect.forkScoped(Projector.run.pipe(Effect.provide(layer)))
      yield* eventually("the first is under way", Queue.size(handed), (size) => size === 0)
      for (const [partition, id] of ["b", "c", "d"].entries()) yield* hand(id, partition + 1)
      yield* eventually("the others wait", Queue.size(handed), (size) => size === 0)
      yield* Deferred.succeed(view, undefined)
      const all = yield* eventually(
        "all are applied",
        Effect.sync(() => applied),
        (batches) => batches.flat().length === 4
      )
      assert.deepStrictEqual(all, [["a"], ["b", "c", "d"]])
      assert.deepStrictEqual(committed, [])
      yield* Deferred.succeed(commits, undefined)
      yield* eventually(
        "all are committed",
        Effect.sync(() => committed.length),
        (n) => n === 4
      )
    })
  )
})
