/** What a rebuild of the order view keeps, on every layer of the view. */
import { assert, describe, it } from "@effect/vitest"
import { type OrderChanged, OrderEventJson } from "@sluice/domain"
import {
  Customers,
  OrderGenerations,
  Orders,
  OrdersRead,
  OrderViews,
  Outbox,
  RebuildOrders,
  shards,
  VerifyOrders
} from "@sluice/orders"
import { Context, Effect, Fiber, Layer, Schema, Scope } from "effect"
import type { SqlClient } from "effect/sql"
import { eventually, newId, services, shop, waitingEvents } from "./ordersKit.ts"
import { findUnsafely, orderChanged } from "./orderViews.ts"

type Views = OrderViews.OrderViews | OrderGenerations.GenerationStore

const rebuilding = { leaseMs: 2_000, pageSize: 25, pauseMs: 1_000 }

const decode = Schema.decodeUnknownSync(OrderEventJson)
const all = Array.from({ length: shards }, (_, shard) => shard)

/** `engine` is empty each time it is built, and has the write side in it; `view` is what one process has of the view. */
export const orderGenerationsSuite = <R, E>(
  name: string,
  engine: Layer.Layer<SqlClient.SqlClient | R, E>,
  view: Layer.Layer<Views, never, SqlClient.SqlClient | R>
) => {
  const everything = services.pipe(Layer.provideMerge(engine), Layer.fresh)

  /** One more process: what it knows of the generations is its own. */
  const process = Effect.map(Layer.build(Layer.fresh(view)), (context) => ({
    views: Context.get(context, OrderViews.OrderViews),
    store: Context.get(context, OrderGenerations.GenerationStore)
  }))
  type Process = Effect.Success<typeof process>

  const rebuilderOf = ({ store }: Pick<Process, "store">, options: RebuildOrders.Options = rebuilding) =>
    RebuildOrders.layer(options).pipe(
      Layer.provide(Layer.succeed(OrderGenerations.GenerationStore, store)),
      Layer.fresh,
      Layer.build,
      Effect.map((context) => Context.get(context, RebuildOrders.RebuildOrders))
    )

  /** Writes to what is being built take their time. */
  const slowly = ({ store }: Process, ms: number): Pick<Process, "store"> => ({
    store: {
      ...store,
      view: (generation) => {
        const found = store.view(generation)
        const apply: typeof found.apply = (events) => Effect.andThen(Effect.sleep(ms), found.apply(events))
        return generation === 0 ? found : { ...found, apply }
      }
    }
  })

  /** One that stands still before it writes to the first generation, until it is released. */
  const heldUp = ({ store }: Process) => {
    let isInside = false
    let isReleased = false
    const views = OrderGenerations.make({
      ...store,
      view: (generation) => {
        const found = store.view(generation)
        const apply: typeof found.apply = (events) =>
          Effect.gen(function* () {
            isInside = true
            while (!isReleased) yield* Effect.sleep(5)
            yield* found.apply(events)
          })
        return generation === 0 ? { ...found, apply } : found
      }
    })
    return {
      views,
      waiting: eventually(
        "the writer",
        Effect.sync(() => isInside),
        (inside) => inside
      ),
      release: () => {
        isReleased = true
      }
    }
  }

  const verify = ({ views }: Pick<Process, "views">, options: Partial<VerifyOrders.VerifyOptions> = {}) =>
    VerifyOrders.verify({ repair: false, pauseMs: 20, ...options }).pipe(Effect.provideService(OrderViews.OrderViews, views))

  /** Publishes and projects a batch, as relay, log and projector would. */
  const project = Effect.fnUntraced(function* ({ views }: Pick<Process, "views">) {
    const outbox = yield* Outbox.Outbox
    const rows = yield* outbox.next(all, 40)
    yield* views.apply(rows.map(({ payload }) => decode(payload)))
    yield* outbox.published(
      rows.map(({ id }) => id),
      false
    )
    return rows.length
  })

  const projected = ({ views }: Pick<Process, "views">) =>
    Effect.gen(function* () {
      while ((yield* project({ views })) > 0) {}
    })

  const finished = (rebuilder: RebuildOrders.RebuildOrders["Service"]) =>
    eventually("the rebuild", rebuilder.status, ({ isHeld, state }) => !isHeld && state.run?.state !== "running")

  const test = <A, E2>(
    title: string,
    effect: Effect.Effect<A, E2, Scope.Scope | SqlClient.SqlClient | R | Layer.Success<typeof services>>
  ) => it.live(title, () => effect.pipe(Effect.scoped, Effect.provide(everything)), 60_000)

  const placed = Effect.fnUntraced(function* (count: number) {
    const orders = yield* Orders.Orders
    const { order } = yield* shop
    const answers = yield* Effect.forEach(Array.from({ length: count }), () => orders.place(order(), undefined), {
      concurrency: 20
    })
    return answers.map(({ orderId }) => orderId).sort()
  })

  describe(`generations of the order view on ${name}`, () => {
    test(
      "orders that come in, change, and get another customer's name while it is built anew are all in it, and in the former one",
      Effect.gen(function* () {
        const orders = yield* Orders.Orders
        const customers = yield* Customers.Customers
        const [one, two] = [yield* process, yield* process]
        const rebuilder = yield* rebuilderOf(slowly(yield* process, 40))
        const { customerId, order } = yield* shop
        const before = yield* placed(150)
        yield* projected(one)
        const ghost = newId("ghost")
        yield* one.views.apply([orderChanged(ghost, customerId)])
        yield* one.views.remove([before[7]!])
        const wrong = (yield* (yield* OrdersRead.OrdersRead).byIds([before[9]!]))[0]!
        yield* one.views.mend([{ ...wrong, order: { ...wrong.order, total: 7 } }])

        let isOpen = true
        let written = 0
        const writtenOn = (from: number) =>
          eventually(
            "orders come in",
            Effect.sync(() => written),
            (n) => n >= from + 10
          )
        const writing = yield* Effect.forkChild(
          Effect.gen(function* () {
            const address = { street: "1 High Street", city: "Town", zipcode: "12345" }
            const own: Array<string> = []
            for (let i = 0; isOpen; i++) {
              own.push((yield* orders.place(order((i % 5) + 1), undefined)).orderId)
              written = own.length
              if (i % 2 === 0) yield* orders.change(own[i]!, "paid")
              if (i % 3 === 0 && i > 20) yield* Effect.ignore(orders.change(own[i - 20]!, "shipped"))
              if (i < before.length) yield* orders.change(before[before.length - 1 - i]!, "paid")
              if (i % 25 === 0) yield* customers.put(customerId, { name: `Ada ${i}`, level: "gold", address })
              yield* Effect.sleep(2)
            }
            return own
          })
        )
        const projecting = yield* Effect.forkChild(
          Effect.forEach(
            [one, two],
            (projector) =>
              project(projector).pipe(
                Effect.retry({ times: 20 }),
                Effect.flatMap((count) => Effect.sleep(count === 0 ? 5 : 0)),
                Effect.forever
              ),
            { concurrency: 2 }
          )
        )
        yield* writtenOn(0)
        yield* rebuilder.start
        const { state } = yield* finished(rebuilder)
        assert.deepInclude(state, { live: 1, former: 0, building: null })
        assert.deepInclude(state.run!, { state: "done", problem: null, mended: 0, differing: 0 })
        yield* writtenOn(written)
        isOpen = false
        const own = yield* Fiber.join(writing)
        yield* eventually("the backlog", (yield* Outbox.Outbox).backlog, ({ events }) => events === 0)
        yield* Fiber.interrupt(projecting)

        const report = yield* verify(yield* process)
        assert.deepInclude(report, { checked: 150 + own.length, differing: 0, onlyInView: 0 })

        yield* rebuilder.back
        const back = yield* process
        const former = yield* verify(back)
        const planted = [ghost, before[7], before[9]].sort()
        const differing = [...new Set(former.differences.map(({ orderId }) => orderId))].sort()
        // Those of before that were changed later are whole again: each event carries the whole order.
        assert.deepStrictEqual(
          differing,
          planted.filter((id) => id === ghost || differing.includes(id!))
        )
        assert.include(differing, ghost)
        assert.strictEqual(former.onlyInView, 1)
      })
    )

    test(
      "a writer that was on its way while a generation was named writes that one too, and none is asked to hurry",
      Effect.gen(function* () {
        const [slow, other] = [yield* process, yield* process]
        const { release, views, waiting } = heldUp(slow)
        yield* views.find(["none"])
        const id = newId("o")
        const writing = yield* Effect.forkChild(views.apply([orderChanged(id, newId("c"), 2)]))
        yield* waiting
        yield* other.store.create(1)
        const { revision, state } = yield* other.store.read
        assert.isTrue(yield* other.store.swap(revision, { ...state, building: 1, last: 1 }, 0))
        release()
        yield* Fiber.join(writing)
        assert.deepStrictEqual(
          (yield* other.store.view(1).find([id])).map((order) => order?.version),
          [2]
        )
      })
    )

    test(
      "a writer that was on its way while its generation was dropped writes the one that took its place",
      Effect.gen(function* () {
        const [slow, other] = [yield* process, yield* process]
        const rebuilder = yield* rebuilderOf(other)
        const { release, views, waiting } = heldUp(slow)
        const id = newId("o")
        const writing = yield* Effect.forkChild(views.apply([orderChanged(id, newId("c"))]))
        yield* waiting
        yield* rebuilder.start
        yield* finished(rebuilder)
        yield* rebuilder.drop
        yield* eventually("dropped", other.store.stored, (stored) => !stored.includes(0))
        release()
        yield* Fiber.join(writing)
        assert.strictEqual((yield* other.views.find([id]))[0]?.version, 1)
        // Where the engine makes a collection by a write, it is there again; nobody names it, so the next one drops it.
        yield* rebuilder.drop
        yield* eventually("dropped again", other.store.stored, (stored) => !stored.includes(0))
      })
    )

    test(
      "what was written before the generation was named is copied, though its writer never hears of it",
      Effect.gen(function* () {
        const [deaf, other] = [yield* process, yield* process]
        const rebuilder = yield* rebuilderOf(other)
        const { customerId, order } = yield* shop
        const orders = yield* Orders.Orders
        const ids: Array<string> = []
        for (let i = 0; i < 60; i++) ids.push((yield* orders.place(order(), undefined)).orderId)
        const old = (yield* waitingEvents(ids)) as ReadonlyArray<OrderChanged>
        const address = { street: "2", city: "Town", zipcode: "1" }
        yield* (yield* Customers.Customers).put(customerId, { name: "Eve", level: "new", address })
        yield* deaf.store.view(0).apply([...old, ...(yield* waitingEvents([customerId]))])
        yield* rebuilder.start
        const { state } = yield* finished(rebuilder)
        assert.deepInclude(state.run!, { state: "done", copied: 60, total: 60, mended: 0 })
        assert.strictEqual((yield* verify(other)).differing, 0)
        // One that is late, and knows only the customer of before.
        const orderId = newId("o")
        yield* other.views.apply([{ ...old[0]!, order: { ...old[0]!.order, orderId } }])
        assert.strictEqual(JSON.parse((yield* (yield* process).views.find([orderId]))[0]!.json).customer.name, "Eve")
      })
    )

    test(
      "readers see every order all along: switched, back again, and when the former one is dropped",
      Effect.gen(function* () {
        const [writer, reader] = [yield* process, yield* process]
        const rebuilder = yield* rebuilderOf(writer)
        const ids = yield* placed(80)
        yield* projected(writer)
        let reads = 0
        const reading = yield* Effect.forkChild(
          Effect.gen(function* () {
            while (true) {
              const found = yield* reads % 2 === 0 ? reader.views.find(ids) : findUnsafely(reader.views, ids)
              if (found.some((order) => order === undefined)) return yield* Effect.die(new Error("an order was not there"))
              reads++
              yield* Effect.sleep(2)
            }
          })
        )
        const step = <A, E3>(effect: Effect.Effect<A, E3>) => Effect.raceFirst(effect, Fiber.join(reading))
        yield* rebuilder.start
        yield* step(finished(rebuilder))
        yield* step(rebuilder.back)
        const mark = newId("o")
        yield* writer.store.view(0).apply([orderChanged(mark, newId("c"))])
        yield* step(eventually("the reader has gone back", reader.views.find([mark]), ([order]) => order !== undefined))
        assert.deepInclude((yield* rebuilder.status).state, { live: 0, former: 1 })
        yield* step(rebuilder.back)
        const { isHeld, state } = (yield* step(rebuilder.drop)) as OrderGenerations.Stored
        assert.isFalse(isHeld)
        assert.deepInclude(state, { live: 1, former: null })
        yield* eventually("dropped", writer.store.stored, (stored) => stored.length === 1 && stored[0] === 1)
        assert.strictEqual((yield* Effect.flip(rebuilder.back))._tag, "RebuildRefused")
        const later = newId("o")
        yield* writer.views.apply([orderChanged(later, newId("c"))])
        assert.strictEqual((yield* reader.views.find([later]))[0]?.version, 1)
        yield* Fiber.interrupt(reading)
        assert.isAbove(reads, 100)
        yield* rebuilder.start
        yield* finished(rebuilder)
        assert.deepStrictEqual([...(yield* writer.store.stored)].sort(), [1, 2])
      })
    )

    test(
      "a second one is refused; one that was stopped, or died, goes on where it was",
      Effect.gen(function* () {
        const [one, other] = [yield* process, yield* process]
        yield* placed(200)
        yield* projected(one)
        const scope = yield* Scope.make()
        const first = yield* rebuilderOf(slowly(one, 120)).pipe(Scope.provide(scope))
        const second = yield* rebuilderOf(other)
        yield* first.start
        assert.deepInclude(yield* Effect.flip(second.start), { _tag: "RebuildRefused", reason: "running" })
        assert.deepInclude(yield* Effect.flip(second.drop), { reason: "running" })
        yield* eventually("half of it", second.status, ({ state }) => (state.run?.copied ?? 0) >= 50)
        yield* Scope.close(scope, { _tag: "Success", value: undefined } as never)
        const stopped = yield* second.status
        assert.deepInclude(stopped.state.run!, { state: "stopped", phase: "orders" })
        assert.isFalse(stopped.isHeld)
        assert.isBelow(stopped.state.run!.copied, 200)

        // As one that died leaves it.
        const dead = { ...stopped.state, run: { ...stopped.state.run!, owner: "dead:1", state: "running" as const } }
        assert.isTrue(yield* other.store.swap(stopped.revision, dead, 400))
        assert.deepInclude(yield* Effect.flip(second.start), { reason: "running" })
        yield* eventually("its lease is over", second.status, ({ isHeld }) => !isHeld)
        yield* second.start
        const { state } = yield* finished(second)
        assert.deepInclude(state, { live: 1, former: 0 })
        assert.deepInclude(state.run!, { state: "done", copied: 200 })
        assert.strictEqual((yield* verify(one)).differing, 0)
      })
    )

    test(
      "an engine that is away for a moment ends no rebuild",
      Effect.gen(function* () {
        const one = yield* process
        yield* placed(60)
        yield* projected(one)
        let calls = 0
        const away = <A>(effect: Effect.Effect<A, OrderViews.OrderViewError>) =>
          Effect.suspend(() =>
            ++calls % 3 === 0 ? Effect.fail(new OrderViews.OrderViewError({ refused: false, cause: new Error("away") })) : effect
          )
        const faulty: Process["store"] = {
          ...one.store,
          swap: (...args) => away(one.store.swap(...args)),
          view: (generation) => {
            const found = one.store.view(generation)
            return { ...found, apply: (events) => away(found.apply(events)), find: (ids) => away(found.find(ids)) }
          }
        }
        const rebuilder = yield* rebuilderOf({ store: faulty })
        yield* rebuilder.start
        const { state } = yield* finished(yield* rebuilderOf(one))
        assert.deepInclude(state, { live: 1, former: 0, building: null })
        assert.deepInclude(state.run!, { state: "done", copied: 60, differing: 0 })
        assert.isAbove(calls, 5)
      })
    )

    test(
      "with an order that can't be written nothing is switched, and it says so",
      Effect.gen(function* () {
        const one = yield* process
        const ids = yield* placed(30)
        yield* projected(one)
        const refuse = <A>(events: ReadonlyArray<unknown>, write: Effect.Effect<A, OrderViews.OrderViewError>) =>
          events.some((event) => (event as OrderChanged).order?.orderId === ids[11])
            ? Effect.fail(new OrderViews.OrderViewError({ refused: true, cause: new Error("a fault") }))
            : write
        const faulty = {
          ...one.store,
          view: (generation: number) => {
            const found = one.store.view(generation)
            const apply: typeof found.apply = (events) => refuse(events, found.apply(events))
            const mend: typeof found.mend = (events) =>
              events.length > 0 && refuse(events, Effect.void) !== Effect.void ? Effect.void : found.mend(events)
            return { ...found, apply, mend }
          }
        }
        const rebuilder = yield* rebuilderOf({ store: faulty }, { ...rebuilding, pauseMs: 20 })
        yield* rebuilder.start
        const { state } = yield* finished(rebuilder)
        assert.deepInclude(state, { live: 0, former: null, building: 1 })
        assert.deepInclude(state.run!, { state: "failed", differing: 1, phase: "comparing" })
        const healed = yield* rebuilderOf(one)
        yield* healed.start
        assert.deepInclude((yield* finished(healed)).state, { live: 1, former: 0, building: null })
      })
    )

    test(
      "verify finds what only one side has, in parts as in the whole, and repairs both",
      Effect.gen(function* () {
        const one = yield* process
        const ids = yield* placed(1_100)
        yield* projected(one)
        const ghosts = ["0", ids[500]!.slice(0, -1), "zz"].map((id) => `${id}ghost`)
        yield* one.views.apply(ghosts.map((id) => orderChanged(id, newId("c"))))
        yield* one.views.remove([ids[3]!, ids[1_099]!])
        const whole = yield* verify(one)
        assert.deepInclude(whole, { checked: 1_100, differing: 5, onlyInView: 3, repaired: 0, next: null })
        assert.deepStrictEqual(
          whole.differences.map(({ orderId, path, read, written }) => [orderId, path, read === null, written === null]).sort(),
          [
            ...ghosts.map((id) => [id, "", false, true]),
            ...[ids[3]!, ids[1_099]!].map((id) => [id, "", true, false])
          ].sort() as never
        )
        let parts = { checked: 0, differing: 0 }
        let after: string | null = ""
        while (after !== null) {
          const part: VerifyOrders.VerifyReport = yield* verify(one, { after, limit: 500 })
          parts = { checked: parts.checked + part.checked, differing: parts.differing + part.differing }
          after = part.next
        }
        assert.deepStrictEqual(parts, { checked: 1_100, differing: 5 })
        const sampled = yield* verify(one, { sample: 100 })
        assert.isAtLeast(sampled.checked, 50)
        assert.isAtMost(sampled.checked, 150)
        assert.deepInclude(yield* verify(one, { repair: true }), { differing: 5, repaired: 5 })
        assert.deepInclude(yield* verify(one), { checked: 1_100, differing: 0 })
      })
    )
  })
}
