/**
 * The write side of orders on one SQL store: what is answered is committed whole, with its event, once.
 */
import { assert, describe, it } from "@effect/vitest"
import { CouponSpent, IdempotencyKeyReused, type OrderChanged, OrderEventJson, OrderRefused, Unavailable } from "@sluice/domain"
import { Customers, Orders, OrdersRead, Outbox, Products } from "@sluice/orders"
import { Effect, Layer, Result, Schema, Stream } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { anotherCustomer, coupon, newId, orderOf, services, shop, waitingEvents } from "./ordersKit.ts"

const refusedBy = <A, E>(result: Result.Result<A, E>): E | undefined => (Result.isFailure(result) ? result.failure : undefined)
const taken = <A, E>(results: ReadonlyArray<Result.Result<A, E>>): ReadonlyArray<A> =>
  results.flatMap((result) => (Result.isSuccess(result) ? [result.success] : []))

const atOnce = { concurrency: "unbounded" } as const

/** The engines hold the tables of issuances and orders. */
export const ordersSuite = (name: string, engines: Layer.Layer<SqlClient.SqlClient, unknown>) => {
  const all = services.pipe(Layer.provideMerge(engines), Layer.orDie)
  const run = <A, E>(effect: Effect.Effect<A, E, Layer.Success<typeof all>>) => effect.pipe(Effect.provide(all), Effect.orDie)

  describe(`orders on ${name}`, () => {
    it.live("an order is priced by the server, and what is read equals its event", () =>
      run(
        Effect.gen(function* () {
          const { customerId, one, three, order } = yield* shop
          const orders = yield* Orders.Orders
          const { orderId, total, version } = yield* orders.place(order(3))
          assert.deepStrictEqual([version, total], [1, 600])
          const [current] = yield* (yield* OrdersRead.OrdersRead).byIds([orderId])
          const { history, lines, customer, payment, state } = current!.order
          assert.deepStrictEqual(lines, [
            { productId: one, name: "Product 1", category: "tea", price: 100, quantity: 3 },
            { productId: three, name: "Product 3", category: "cups", price: 300, quantity: 1 }
          ])
          assert.deepStrictEqual([customer, payment, state], [{ id: customerId, name: "Ada", level: "gold" }, null, "placed"])
          assert.deepStrictEqual(
            history.map((entry) => [entry.state, entry.version]),
            [["placed", 1]]
          )
          const [event, ...more] = yield* waitingEvents([orderId])
          assert.deepStrictEqual(event, current)
          assert.deepStrictEqual(more, [])
          assert.isTrue(Result.isSuccess(yield* Effect.result(Schema.decodeUnknownEffect(OrderEventJson)(JSON.stringify(event)))))
        })
      )
    )

    it.live("an unknown customer, product or coupon is named by its path, and nothing is kept of the order", () =>
      run(
        Effect.gen(function* () {
          const { customerId, one } = yield* shop
          const orders = yield* Orders.Orders
          const lines = [
            { productId: one, quantity: 1 },
            { productId: newId("p"), quantity: 1 }
          ]
          const foreign = yield* coupon(yield* anotherCustomer)
          const nobody = newId("c")
          const error = yield* Effect.flip(orders.place({ customerId: nobody, lines }, "k"))
          assert.deepStrictEqual(error instanceof OrderRefused && error.errors.map(({ path }) => path), [
            "customerId",
            "lines[1].productId"
          ])
          const other = yield* Effect.flip(orders.place({ customerId, lines: lines.slice(0, 1), couponCode: foreign }, "k"))
          assert.deepStrictEqual(other instanceof OrderRefused && other.errors.map(({ path }) => path), ["couponCode"])
          assert.strictEqual((yield* orders.place({ customerId, lines: lines.slice(0, 1) }, "k")).total, 100)
        })
      )
    )

    it.live("one bad order does not fail those that travel with it", () =>
      run(
        Effect.gen(function* () {
          const { order, customerId } = yield* shop
          const orders = yield* Orders.Orders
          const results = yield* Effect.forEach(
            Array.from({ length: 60 }, (_, i) => i),
            (i) =>
              Effect.result(
                orders.place(i % 3 === 0 ? { customerId, lines: [{ productId: "no-such", quantity: 1 }] } : order(i), `k${i}`)
              ),
            atOnce
          )
          assert.strictEqual(taken(results).length, 40)
          assert.deepStrictEqual(
            results.filter((result, i) => i % 3 === 0 && !(refusedBy(result) instanceof OrderRefused)),
            []
          )
          const ids = taken(results).map(({ orderId }) => orderId)
          assert.strictEqual((yield* waitingEvents(ids)).length, 40)
          assert.deepStrictEqual(
            (yield* (yield* OrdersRead.OrdersRead).byIds(ids)).map((order) => order.order.total).sort((a, b) => a - b),
            Array.from({ length: 60 }, (_, i) => i)
              .filter((i) => i % 3 !== 0)
              .map((i) => i * 100 + 300)
          )
        })
      )
    )

    it.live("the same key gives the same answer, one of another body is refused, and keys are the customer's own", () =>
      run(
        Effect.gen(function* () {
          const { order, customerId, one } = yield* shop
          const orders = yield* Orders.Orders
          const first = yield* orders.place(order(), "key")
          yield* (yield* Products.Products).put(one, { name: "Dearer", category: "tea", price: 999 })
          assert.deepStrictEqual(yield* orders.place(order(), "key"), first)
          assert.instanceOf(yield* Effect.flip(orders.place(order(2), "key")), IdempotencyKeyReused)
          const other = yield* anotherCustomer
          assert.notStrictEqual((yield* orders.place({ ...order(), customerId: other }, "key")).orderId, first.orderId)
          assert.notStrictEqual((yield* orders.place(order(), "KEY")).orderId, first.orderId)
          assert.strictEqual((yield* orders.place(order(), "~".repeat(255))).version, 1)
          const [a, b] = [yield* orders.place(order()), yield* orders.place(order())]
          assert.notStrictEqual(a.orderId, b.orderId)
          const sql = yield* SqlClient.SqlClient
          const [count] = yield* sql<{ n: number }>`SELECT COUNT(*) AS n FROM orders WHERE customer_id = ${customerId}`
          assert.strictEqual(count?.n, 5)
        })
      )
    )

    it.live("of many at once with one key, one is placed", () =>
      run(
        Effect.gen(function* () {
          const { order, customerId } = yield* shop
          // Two services, as in two processes, so that they meet in the database and not in one batch.
          const [one, two] = [yield* Orders.Orders, yield* Layer.build(Layer.fresh(Orders.layer({ maxBatch: 3 })))]
          const second = yield* Effect.provideContext(Orders.Orders, two)
          const results = yield* Effect.forEach(
            Array.from({ length: 60 }, (_, i) => i),
            (i) => Effect.result((i % 2 === 0 ? one : second).place(order(i % 20 === 7 ? 2 : 1), `k${i % 5}`)),
            atOnce
          )
          const sql = yield* SqlClient.SqlClient
          const [count] = yield* sql<{ n: number }>`SELECT COUNT(*) AS n FROM orders WHERE customer_id = ${customerId}`
          assert.strictEqual(count?.n, 5)
          for (let key = 0; key < 5; key++) {
            const mine = results.filter((_, i) => i % 5 === key)
            assert.strictEqual(new Set(taken(mine).map(({ orderId }) => orderId)).size, 1)
            assert.isTrue(mine.every((result) => Result.isSuccess(result) || result.failure instanceof IdempotencyKeyReused))
          }
        }).pipe(Effect.scoped)
      )
    )

    it.live("a coupon is spent by one order, and given back when that is cancelled", () =>
      run(
        Effect.gen(function* () {
          const { order, customerId } = yield* shop
          const orders = yield* Orders.Orders
          const couponCode = yield* coupon(customerId)
          const results = yield* Effect.forEach(
            Array.from({ length: 30 }, (_, i) => i),
            (i) => Effect.result(orders.place({ ...order(i + 1), couponCode }, `k${i}`)),
            atOnce
          )
          const [winner, ...others] = taken(results)
          assert.deepStrictEqual(others, [])
          assert.strictEqual(results.filter((result) => refusedBy(result) instanceof CouponSpent).length, 29)
          const loser = results.findIndex(Result.isFailure)
          assert.instanceOf(yield* Effect.flip(orders.place({ ...order(loser + 1), couponCode }, `k${loser}`)), CouponSpent)
          yield* orders.change(winner!.orderId, "cancelled")
          const again = yield* orders.place({ ...order(loser + 1), couponCode }, `k${loser}`)
          assert.strictEqual(again.version, 1)
          assert.instanceOf(yield* Effect.flip(orders.place({ ...order(), couponCode })), CouponSpent)
        })
      )
    )

    it.live("an order moves only as its state allows, and only for its customer", () =>
      run(
        Effect.gen(function* () {
          const { order, customerId } = yield* shop
          const orders = yield* Orders.Orders
          const tags = Effect.fnUntraced(function* (...states: ReadonlyArray<Orders.NextState>) {
            const { orderId } = yield* orders.place(order())
            const told: Array<string | number> = []
            for (const state of states) {
              const result = yield* Effect.result(orders.change(orderId, state))
              told.push(Result.isSuccess(result) ? result.success.version : result.failure._tag)
            }
            return told
          })
          const no = "OrderStateRefused"
          assert.deepStrictEqual(yield* tags("shipped", "paid", "paid", "shipped", "cancelled", "shipped"), [
            no,
            2,
            no,
            3,
            no,
            no
          ])
          assert.deepStrictEqual(yield* tags("cancelled", "paid", "shipped", "cancelled"), [2, no, no, no])
          assert.deepStrictEqual(yield* tags("paid", "cancelled", "shipped"), [2, 3, no])
          assert.strictEqual((yield* Effect.flip(orders.change(newId("o"), "paid")))._tag, "OrderNotFound")
          const { orderId } = yield* orders.place(order())
          assert.strictEqual((yield* Effect.flip(orders.change(orderId, "paid", "somebody")))._tag, "OrderForbidden")
          assert.strictEqual((yield* orders.change(orderId, "paid", customerId)).version, 2)
          const [paid] = yield* (yield* OrdersRead.OrdersRead).byIds([orderId])
          assert.strictEqual(paid!.order.payment?.paidAt, paid!.order.history[1]?.at)
        })
      )
    )

    it.live("contradicting changes at once: each version has its history and its event", () =>
      run(
        Effect.gen(function* () {
          const { order } = yield* shop
          const orders = yield* Orders.Orders
          const read = yield* OrdersRead.OrdersRead
          yield* Effect.forEach(
            Array.from({ length: 15 }),
            Effect.fnUntraced(function* () {
              const { orderId } = yield* orders.place(order())
              const states = ["paid", "cancelled", "shipped", "paid", "cancelled", "shipped"] as const
              const results = yield* Effect.forEach(states, (state) => Effect.result(orders.change(orderId, state)), atOnce)
              const events = yield* waitingEvents([orderId])
              const [current] = yield* read.byIds([orderId])
              assert.strictEqual(current!.order.version, 1 + taken(results).length)
              assert.deepStrictEqual(
                events.map((event) => orderOf(event).version),
                Array.from({ length: current!.order.version }, (_, i) => i + 1)
              )
              assert.deepStrictEqual(events.at(-1), current)
              const path = current!.order.history.map(({ state }) => state).join()
              assert.include(["placed,paid", "placed,cancelled", "placed,paid,shipped", "placed,paid,cancelled"], path)
            }),
            atOnce
          )
        })
      )
    )

    it.live("where the event can't be written, nothing else is", () =>
      Effect.gen(function* () {
        const failing = Layer.effect(
          Outbox.Outbox,
          Effect.map(SqlClient.SqlClient, (sql) => {
            const outbox = Outbox.makeOutbox(sql)
            return {
              ...outbox,
              append: (events) =>
                Effect.andThen(
                  outbox.append(events),
                  Effect.fail(
                    new SqlError.SqlError({
                      reason: new SqlError.ConstraintError({ cause: "full", message: "full", operation: "execute" })
                    })
                  )
                )
            }
          })
        )
        const { order, customerId } = yield* shop
        const placedBefore = yield* (yield* Orders.Orders).place(order())
        const broken = yield* Effect.map(
          Layer.build(Layer.fresh(Layer.mergeAll(Orders.layer(), Customers.layer)).pipe(Layer.provide(failing))),
          (context) => ({
            orders: Effect.runSync(Effect.provideContext(Orders.Orders, context)),
            customers: Effect.runSync(Effect.provideContext(Customers.Customers, context))
          })
        )
        const results = yield* Effect.forEach([1, 2, 3], (n) => Effect.result(broken.orders.place(order(n), `k${n}`)), atOnce)
        assert.isTrue(results.every((result) => refusedBy(result) instanceof Unavailable))
        assert.instanceOf(yield* Effect.flip(broken.orders.change(placedBefore.orderId, "paid")), Unavailable)
        const address = { street: "s", city: "c", zipcode: "z" }
        assert.instanceOf(
          yield* Effect.flip(broken.customers.put(customerId, { name: "New", level: "gold", address })),
          Unavailable
        )
        const sql = yield* SqlClient.SqlClient
        const rows = yield* sql<{ id: string; state: string; version: number; name: string }>`
          SELECT o.id, o.state, o.version, c.name FROM orders o JOIN customers c ON c.id = o.customer_id WHERE c.id = ${customerId}`
        assert.deepStrictEqual(
          rows.map((row) => ({ ...row })),
          [{ id: placedBefore.orderId, state: "placed", version: 1, name: "Ada" }]
        )
        const keys = yield* sql`SELECT order_id FROM order_keys WHERE customer_id = ${customerId}`
        assert.deepStrictEqual(keys, [])
        assert.strictEqual((yield* waitingEvents([placedBefore.orderId, customerId])).length, 2)
        assert.strictEqual((yield* (yield* Orders.Orders).place(order(1), "k1")).version, 1)
      }).pipe(Effect.scoped, run)
    )

    it.live("a profile that changes has a new version and is told, the same one is neither; orders keep what was sold", () =>
      run(
        Effect.gen(function* () {
          const { order, customerId, one } = yield* shop
          const customers = yield* Customers.Customers
          const products = yield* Products.Products
          const before = yield* (yield* Orders.Orders).place(order())
          const address = { street: "2 Low Street", city: "Town", zipcode: "12345" }
          const put = (name: string, level = "gold") =>
            Effect.map(customers.put(customerId, { name, level, address }), (customer) => customer.version)
          assert.deepStrictEqual(
            [yield* put("Ada"), yield* put("ada"), yield* put("ada"), yield* put("ada", "basic")],
            [1, 2, 2, 3]
          )
          assert.deepStrictEqual(
            (yield* waitingEvents([customerId])).map((event) => event.type === "CustomerChanged" && event.customerVersion),
            [1, 2, 3]
          )
          const product = { name: "Product 1", category: "tea", price: 100 }
          const versionOf = (more: object) => Effect.map(products.put(one, { ...product, ...more }), ({ version }) => version)
          assert.deepStrictEqual(
            [
              yield* versionOf({}),
              yield* versionOf({ price: 5 }),
              yield* versionOf({ price: 5 }),
              yield* versionOf({ category: newId("other") })
            ],
            [1, 2, 2, 3]
          )
          const [read] = yield* (yield* OrdersRead.OrdersRead).byIds([before.orderId])
          assert.strictEqual(read!.customerVersion, 3)
          assert.deepStrictEqual(read!.order.customer, { id: customerId, name: "ada", level: "basic" })
          assert.deepStrictEqual(
            read!.order.lines.map(({ category, price }) => [category, price]),
            [
              ["tea", 100],
              ["cups", 300]
            ]
          )
        })
      )
    )

    it.live("all orders are read in pages, each once, in the order of their ids", () =>
      run(
        Effect.gen(function* () {
          const { order } = yield* shop
          const orders = yield* Orders.Orders
          yield* Effect.forEach(Array.from({ length: 17 }), () => orders.place(order()), atOnce)
          const read = yield* OrdersRead.OrdersRead
          const pages: ReadonlyArray<OrderChanged> = yield* Stream.runCollect(read.currentOrders({ pageSize: 5 }))
          const ids = pages.map(({ order }) => order.orderId)
          assert.strictEqual(ids.length, yield* read.count)
          assert.deepStrictEqual(ids, [...new Set(ids)].sort())
          assert.deepStrictEqual(
            (yield* read.page(ids[2]!, 3)).map(({ order }) => order.orderId),
            ids.slice(3, 6)
          )
        })
      )
    )
  })
}
