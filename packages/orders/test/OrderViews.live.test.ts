import { assert, describe, it } from "@effect/vitest"
import { MariaDb, Migrations, MongoDb } from "@sluice/engines"
import { freshDatabase } from "@sluice/testkit/database"
import { liveUrl, whenLive } from "@sluice/testkit/live"
import { proxyOf } from "@sluice/testkit/proxy"
import { newId } from "@sluice/testkit/suites/ordersKit"
import { findUnsafely, orderChanged, orderViewsSuite } from "@sluice/testkit/suites/orderViews"
import { Effect, Fiber, Layer, Redacted } from "effect"
import { OrderViews, OrderViewsMongoDb, OrderViewsSql } from "../src/index.ts"

await whenLive(() => {
  const mariadb = Layer.unwrap(
    Effect.gen(function* () {
      const database = yield* Effect.acquireRelease(
        Effect.promise(() => freshDatabase(liveUrl("SLUICE_MARIADB_URL"))),
        ({ drop }) => Effect.promise(drop)
      )
      return Layer.effectDiscard(Migrations.run({ "0020_order_view": OrderViewsSql.orderViewMigration })).pipe(
        Layer.provideMerge(MariaDb.layer({ url: Redacted.make(database.url) }))
      )
    })
  )
  orderViewsSuite("MariaDB", OrderViewsSql.layer.pipe(Layer.provide(mariadb)), { runs: 25 })

  const collection = `order_view_${process.pid}_${Date.now()}`
  const mongodb = MongoDb.layer({ url: Redacted.make(liveUrl("SLUICE_MONGODB_URL")) })
  const dropped = Layer.effectDiscard(
    Effect.flatMap(MongoDb, ({ db }) =>
      Effect.acquireRelease(Effect.void, () =>
        Effect.promise(() => Promise.all([collection, `${collection}_profiles`].map((name) => db.dropCollection(name))))
      )
    )
  )
  describe("order view on MongoDB, whose server falls silent", () => {
    it.live("an order is read though its connection ends meanwhile, and a read that gets no answer fails in time", () =>
      Effect.gen(function* () {
        const proxy = yield* Effect.acquireRelease(
          Effect.promise(() => proxyOf(liveUrl("SLUICE_MONGODB_URL").replace(/replicaSet=\w+/, "directConnection=true"))),
          ({ close }) => Effect.promise(close)
        )
        const throughProxy = MongoDb.layer({ url: Redacted.make(proxy.url), callTimeout: "3 seconds" })
        yield* Effect.gen(function* () {
          const views = yield* OrderViews.OrderViews
          const changed = orderChanged(newId("o"), newId("c"))
          const id = changed.order.orderId
          yield* views.apply([changed])
          for (const find of [views.find, (ids: ReadonlyArray<string>) => findUnsafely(views, ids)]) {
            yield* views.find([id])
            proxy.silence()
            const finding = yield* Effect.forkChild(find([id]), { startImmediately: true })
            yield* Effect.sleep("50 millis")
            proxy.heal()
            assert.strictEqual((yield* Fiber.join(finding))[0]?.orderId, id)
          }
          proxy.silence()
          const error = yield* Effect.flip(findUnsafely(views, [id]))
          assert.deepInclude(error, { _tag: "OrderViewError", refused: false })
          proxy.heal()
        }).pipe(Effect.provide(OrderViewsMongoDb.layer(collection).pipe(Layer.provide(throughProxy))))
      }).pipe(Effect.scoped)
    )
  })

  orderViewsSuite("MongoDB", OrderViewsMongoDb.layer(collection).pipe(Layer.provideMerge(dropped), Layer.provide(mongodb)), {
    runs: 25
  })
})
