import { MariaDb, Migrations, MongoDb } from "@sluice/engines"
import { freshDatabase } from "@sluice/testkit/database"
import { liveUrl, whenLive } from "@sluice/testkit/live"
import { orderViewsSuite } from "@sluice/testkit/suites/orderViews"
import { Effect, Layer, Redacted } from "effect"
import { OrderViewsMongoDb, OrderViewsSql } from "../src/index.ts"

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
  orderViewsSuite("MongoDB", OrderViewsMongoDb.layer(collection).pipe(Layer.provideMerge(dropped), Layer.provide(mongodb)), {
    runs: 25
  })
})
