import { assert, describe, it } from "@effect/vitest"
import { Issuances } from "@sluice/coupons"
import { Migrations, Sqlite } from "@sluice/engines"
import { services, shop, waitingEvents } from "@sluice/testkit/suites/ordersKit"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Orders, OrderViews, OrderViewsSql, ordersMigration, VerifyOrders } from "../src/index.ts"

const layer = Layer.mergeAll(services, OrderViewsSql.layer).pipe(
  Layer.provideMerge(
    Layer.effectDiscard(
      Migrations.run({
        "0002_issuances": Issuances.issuancesMigration,
        "0010_orders": ordersMigration,
        "0020_order_view": OrderViewsSql.orderViewMigration
      })
    ).pipe(Layer.provideMerge(Sqlite.layer({ filename: ":memory:" })))
  )
)

const verify = (repair: boolean, sample?: number) => VerifyOrders.verify({ repair, sample, pauseMs: 1 })

describe("verifying the order view", () => {
  it.live("finds what was planted, field by field, and repairs it", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const orders = yield* Orders.Orders
      const { order } = yield* shop
      const placed = yield* Effect.forEach([1, 2, 3, 4], (quantity) => orders.place(order(quantity), undefined))
      const ids = placed.map(({ orderId }) => orderId)
      yield* (yield* OrderViews.OrderViews).apply(yield* waitingEvents(ids))
      assert.deepStrictEqual(yield* verify(false), {
        checked: 4,
        differing: 0,
        onlyInView: 0,
        repaired: 0,
        differences: [],
        next: null
      })

      yield* sql`UPDATE order_view SET document = REPLACE(document, '"quantity":2', '"quantity":7') WHERE order_id = ${ids[1]!}`
      yield* sql`DELETE FROM order_view WHERE order_id = ${ids[2]!}`
      yield* sql`UPDATE order_view SET customer = '{broken' WHERE order_id = ${ids[3]!}`
      const found = yield* verify(false)
      assert.deepStrictEqual([found.checked, found.differing, found.repaired], [4, 3, 0])
      const quantity = found.differences.find(({ orderId }) => orderId === ids[1])!
      assert.deepStrictEqual(quantity, { orderId: ids[1]!, path: "lines[0].quantity", written: "2", read: "7" })
      assert.deepInclude(found.differences.find(({ orderId }) => orderId === ids[2])!, { path: "", read: null })

      const mended = yield* verify(true)
      assert.deepStrictEqual([mended.differing, mended.repaired], [3, 3])
      assert.strictEqual((yield* verify(false)).differing, 0)
      assert.strictEqual((yield* verify(false, 4)).checked, 4)
    }).pipe(Effect.provide(layer))
  )
})
