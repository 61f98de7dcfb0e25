/** What every layer of the order view keeps. */
import { assert, describe, it } from "@effect/vitest"
import type { CustomerChanged, OrderChanged, OrderEvent, OrderState } from "@sluice/domain"
import { OrderReads, OrderViews } from "@sluice/orders"
import { Effect, Fiber, Layer } from "effect"
import * as fc from "fast-check"
import { newId } from "./ordersKit.ts"

const states: ReadonlyArray<OrderState> = ["placed", "paid", "shipped"]
const at = (ms: number) => new Date(1_790_000_000_000 + ms).toISOString()

/** Names that would break out of a pipeline, a statement or a document. */
const nameOf = (customerVersion: number) => `$version ${customerVersion} "'\\ ☕`

export const customerChanged = (id: string, customerVersion: number): CustomerChanged => ({
  type: "CustomerChanged",
  version: 1,
  customer: { id, name: nameOf(customerVersion), level: "gold" },
  customerVersion,
  committedAtMs: Date.now()
})

export const orderChanged = (orderId: string, customerId: string, version = 1, customerVersion = 1, ms = 0): OrderChanged => ({
  type: "OrderChanged",
  version: 1,
  order: {
    orderId,
    version,
    state: states[version - 1]!,
    placedAt: at(ms),
    customer: { id: customerId, name: nameOf(customerVersion), level: "gold" },
    lines: [{ productId: "p1", name: "$tea", category: "tea", price: 100, quantity: 2 }],
    total: 200,
    payment: version > 1 ? { paidAt: at(ms + 2) } : null,
    history: states.slice(0, version).map((state, i) => ({ state, at: at(ms + i + 1), version: i + 1 }))
  },
  customerVersion,
  committedAtMs: Date.now()
})

export const findUnsafely = ({ findUnsafe }: OrderViews.OrderViews["Service"], ids: ReadonlyArray<string>) =>
  Effect.callback<OrderViews.Found, OrderViews.OrderViewError>((resume) => findUnsafe(ids, resume))

/** Both ways of reading, which give the same. */
const read = Effect.fnUntraced(function* (ids: ReadonlyArray<string>) {
  const views = yield* OrderViews.OrderViews
  const found = yield* views.find(ids)
  assert.deepStrictEqual(yield* findUnsafely(views, ids), found)
  return found.map((order) => order && JSON.parse(order.json))
})

interface History {
  readonly events: ReadonlyArray<number>
  readonly cuts: ReadonlyArray<number>
}

/** Two orders of one customer in three versions, each with each version of the customer, and the customer's own changes. */
const eventsOf = (one: string, two: string, customerId: string): ReadonlyArray<OrderEvent> => [
  ...[one, two].flatMap((id) => [
    orderChanged(id, customerId, 1, 1),
    orderChanged(id, customerId, 2, 2),
    orderChanged(id, customerId, 3, 2)
  ]),
  ...[1, 2, 3].map((version) => customerChanged(customerId, version))
]
const count = 9

const histories: fc.Arbitrary<History> = fc
  .tuple(
    fc.shuffledSubarray(
      Array.from({ length: count }, (_, i) => i),
      { minLength: count }
    ),
    fc.array(fc.nat(count - 1), { maxLength: 8 }),
    fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 6 })
  )
  .map(([all, again, cuts]) => ({ events: [...all, ...again], cuts }))

const batchesOf = <A>(items: ReadonlyArray<A>, cuts: ReadonlyArray<number>): ReadonlyArray<ReadonlyArray<A>> => {
  const batches: Array<ReadonlyArray<A>> = []
  for (let from = 0, i = 0; from < items.length; i++) {
    const length = cuts[i % cuts.length]!
    batches.push(items.slice(from, from + length))
    from += length
  }
  return batches
}

export const orderViewsSuite = <E>(name: string, layer: Layer.Layer<OrderViews.OrderViews, E>, options = { runs: 100 }) =>
  describe(`order view on ${name}`, () => {
    it.layer(OrderReads.layer({ waitMs: 300 }).pipe(Layer.provideMerge(layer)), {
      timeout: "60 seconds",
      excludeTestServices: true
    })((it) => {
      it.effect("gives back what was applied, each to the one who asked", () =>
        Effect.gen(function* () {
          const views = yield* OrderViews.OrderViews
          const [one, two, customer] = [newId("o"), newId("o"), newId("c")]
          const changes = [orderChanged(one, customer), orderChanged(two, customer, 3)]
          yield* views.apply(changes)
          assert.deepStrictEqual(yield* read([two, "none", one, two]), [
            changes[1]!.order,
            undefined,
            changes[0]!.order,
            changes[1]!.order
          ])
          assert.deepStrictEqual(yield* read([two]), [changes[1]!.order])
          assert.deepStrictEqual(yield* read([two, two]), [changes[1]!.order, changes[1]!.order])
          assert.deepStrictEqual(yield* read(["none"]), [undefined])
        })
      )

      const property = (concurrency: number) =>
        Effect.gen(function* () {
          const context = yield* Effect.context<OrderViews.OrderViews>()
          const check = Effect.fnUntraced(function* ({ cuts, events }: History) {
            const views = yield* OrderViews.OrderViews
            const [one, two, customer] = [newId("o"), newId("o"), newId("c")]
            const all = eventsOf(one, two, customer)
            const batches = batchesOf(
              events.map((i) => all[i]!),
              cuts
            )
            yield* Effect.forEach(batches, (batch) => Effect.retry(views.apply(batch), { times: 20 }), {
              concurrency,
              discard: true
            })
            const expected = [one, two].map((id) => ({
              ...orderChanged(id, customer, 3, 2).order,
              customer: customerChanged(customer, 3).customer
            }))
            assert.deepStrictEqual(yield* read([one, two]), expected)
          })
          yield* Effect.promise(() =>
            fc.assert(
              fc.asyncProperty(histories, (history) => Effect.runPromiseWith(context)(check(history))),
              { numRuns: options.runs }
            )
          )
        })

      it.effect("any order of events, doubled, in any batches, gives the same view", () => property(1))
      it.effect("so it does when many apply at once", () => property(8))

      it.effect("an order with an old customer that comes after the customer's change has the new one", () =>
        Effect.gen(function* () {
          const views = yield* OrderViews.OrderViews
          const [order, customer] = [newId("o"), newId("c")]
          yield* views.apply([customerChanged(customer, 2)])
          yield* views.apply([orderChanged(order, customer, 1, 1)])
          assert.strictEqual((yield* read([order]))[0].customer.name, nameOf(2))
          yield* views.apply([customerChanged(customer, 1)])
          assert.strictEqual((yield* read([order]))[0].customer.name, nameOf(2))
          const [old, current, later] = [newId("o"), newId("o"), newId("o")]
          yield* views.apply([current, old, later].map((id, i) => orderChanged(id, customer, 1, [2, 1, 3][i])))
          assert.deepStrictEqual(
            (yield* read([old, current, later])).map((order) => order.customer.name),
            [nameOf(2), nameOf(2), nameOf(3)]
          )
        })
      )

      it.effect("a wrong part of the same version is mended, and nothing newer is", () =>
        Effect.gen(function* () {
          const views = yield* OrderViews.OrderViews
          const [order, customer] = [newId("o"), newId("c")]
          const right = orderChanged(order, customer, 2, 2)
          yield* views.apply([
            { ...right, order: { ...right.order, total: 7, customer: { ...right.order.customer, name: "Eve" } } }
          ])
          yield* views.apply([right])
          assert.strictEqual((yield* read([order]))[0].total, 7)
          yield* views.mend([right])
          assert.deepStrictEqual(yield* read([order]), [right.order])
          yield* views.mend([orderChanged(order, customer, 1, 1)])
          assert.deepStrictEqual(yield* read([order]), [right.order])
        })
      )

      it.effect("pages give each order once, newest first, also those of one instant, and filter by state", () =>
        Effect.gen(function* () {
          const views = yield* OrderViews.OrderViews
          const reads = yield* OrderReads.OrderReads
          const customerId = newId("c")
          const changes = Array.from({ length: 53 }, (_, i) =>
            orderChanged(newId("o"), customerId, i % 3 === 0 ? 2 : 1, 1, Math.floor(i / 7))
          )
          yield* views.apply([...changes, orderChanged(newId("o"), newId("c"))])
          const all = Effect.fnUntraced(function* (state?: OrderState) {
            const ids: Array<string> = []
            let cursor: string | undefined
            do {
              const page = yield* reads.page({ customerId, limit: 5, ...(state && { state }), ...(cursor && { cursor }) })
              ids.push(...page.orders.map(({ orderId }) => orderId))
              cursor = page.nextCursor ?? undefined
            } while (cursor !== undefined)
            return ids
          })
          const sorted = changes
            .map(({ order }) => order)
            .sort((a, b) => (a.placedAt === b.placedAt ? (a.orderId < b.orderId ? 1 : -1) : a.placedAt < b.placedAt ? 1 : -1))
          assert.deepStrictEqual(
            yield* all(),
            sorted.map(({ orderId }) => orderId)
          )
          const paid = sorted.filter(({ state }) => state === "paid").map(({ orderId }) => orderId)
          assert.deepStrictEqual(yield* all("paid"), paid)
          assert.deepStrictEqual(yield* all("cancelled"), [])
          const { nextCursor } = yield* reads.page({ customerId, limit: 5 })
          for (const [cursor, by] of [
            [`${nextCursor!.slice(0, -2)}AA`, customerId],
            ["nonsense", customerId],
            [nextCursor!, newId("c")]
          ] as const) {
            const refused = yield* Effect.flip(reads.page({ customerId: by, limit: 5, cursor }))
            assert.strictEqual(refused._tag, "CursorInvalid")
          }
        })
      )

      it.effect("a reader of a version waits for it, and is told when it does not come", () =>
        Effect.gen(function* () {
          const views = yield* OrderViews.OrderViews
          const reads = yield* OrderReads.OrderReads
          const [order, customer] = [newId("o"), newId("c")]
          const late = yield* Effect.forkChild(reads.find(order, 2))
          yield* views.apply([orderChanged(order, customer, 1)])
          yield* Effect.sleep("30 millis")
          yield* views.apply([orderChanged(order, customer, 2)])
          assert.strictEqual((yield* Fiber.join(late)).version, 2)
          assert.strictEqual((yield* Effect.flip(reads.find(order, 3)))._tag, "Unavailable")
          assert.strictEqual((yield* Effect.flip(reads.find(newId("o"))))._tag, "OrderNotFound")
        })
      )
    })
  })
