import { assert, describe, it } from "@effect/vitest"
import { Issuances } from "@sluice/coupons"
import { Migrations, Sqlite } from "@sluice/engines"
import { orderGenerationsSuite } from "@sluice/testkit/suites/orderGenerations"
import { findUnsafely } from "@sluice/testkit/suites/orderViews"
import { Effect, Exit, Layer } from "effect"
import { OrderGenerations, OrderViews, OrderViewsSql, ordersMigration } from "../src/index.ts"

const engine = Layer.effectDiscard(
  Migrations.run({
    "0002_issuances": Issuances.issuancesMigration,
    "0010_orders": ordersMigration,
    "0020_order_view": OrderViewsSql.orderViewMigration
  })
).pipe(Layer.provideMerge(Sqlite.layer({ filename: ":memory:" })))

orderGenerationsSuite("SQLite", engine, OrderViewsSql.layer)

describe("an answer that took long", () => {
  it.live("is given where its generation is still the live one, and read again where it is not", () =>
    Effect.gen(function* () {
      let [live, slowMs, looks] = [0, 0, 0]
      const away = new OrderViews.OrderViewError({ refused: false, cause: new Error("away") })
      const viewOf = (generation: number): OrderGenerations.View => {
        const found = [{ orderId: "o", version: generation + 1, customerId: "c", placedAtMs: 1, json: "{}" }]
        return {
          find: () => Effect.succeed(found),
          findUnsafe: ([id], done) => {
            setTimeout(() => done(id === "failing" ? Exit.fail(away) : Exit.succeed(found)), slowMs)
          }
        } as Partial<OrderGenerations.View> as OrderGenerations.View
      }
      const views = OrderGenerations.make({
        read: Effect.sync(() => {
          looks++
          return { revision: 1, state: { ...OrderGenerations.firstState, live }, isHeld: false }
        }),
        view: viewOf
      } as Partial<OrderGenerations.GenerationStore["Service"]> as OrderGenerations.GenerationStore["Service"])
      const version = Effect.map(findUnsafely(views, ["o"]), ([order]) => order?.version)

      assert.strictEqual(yield* version, 1)
      assert.strictEqual(yield* version, 1)
      assert.strictEqual(looks, 1)
      slowMs = 1_100
      assert.strictEqual(yield* version, 1)
      assert.strictEqual(looks, 2)
      live = 1
      assert.strictEqual(yield* version, 2)
      assert.strictEqual(looks, 3)
      assert.strictEqual(yield* Effect.flip(findUnsafely(views, ["failing"])), away)
      assert.strictEqual(looks, 3)
    })
  )
})
