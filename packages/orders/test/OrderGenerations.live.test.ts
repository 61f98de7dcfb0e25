import { Issuances } from "@sluice/coupons"
import { MariaDb, Migrations, MongoDb, Sqlite } from "@sluice/engines"
import { freshDatabase } from "@sluice/testkit/database"
import { liveUrl, whenLive } from "@sluice/testkit/live"
import { orderGenerationsSuite } from "@sluice/testkit/suites/orderGenerations"
import { Context, Effect, Layer, Redacted } from "effect"
import { OrderViewsMongoDb, OrderViewsSql, ordersMigration } from "../src/index.ts"

const migrated = Layer.effectDiscard(
  Migrations.run({
    "0002_issuances": Issuances.issuancesMigration,
    "0010_orders": ordersMigration,
    "0020_order_view": OrderViewsSql.orderViewMigration
  })
)

/** The names that one test's view has on a server that all share. */
class Prefix extends Context.Service<Prefix, { readonly prefix: string }>()("test/Prefix") {}

await whenLive(() => {
  const mariadb = Layer.unwrap(
    Effect.gen(function* () {
      const database = yield* Effect.acquireRelease(
        Effect.promise(() => freshDatabase(liveUrl("SLUICE_MARIADB_URL"))),
        ({ drop }) => Effect.promise(drop)
      )
      return migrated.pipe(Layer.provideMerge(MariaDb.layer({ url: Redacted.make(database.url) })))
    })
  )
  orderGenerationsSuite("MariaDB", mariadb, OrderViewsSql.layer)

  let tests = 0
  const prefix = Layer.effect(
    Prefix,
    Effect.gen(function* () {
      const { db } = yield* MongoDb
      const name = `order_view_${process.pid}_${Date.now()}_${tests++}`
      yield* Effect.addFinalizer(() =>
        Effect.promise(async () => {
          const all = await db.listCollections({}, { nameOnly: true }).toArray()
          await Promise.all(all.filter((one) => one.name.startsWith(name)).map((one) => db.dropCollection(one.name)))
        })
      )
      return { prefix: name }
    })
  )
  const mongodb = prefix.pipe(Layer.provideMerge(MongoDb.layer({ url: Redacted.make(liveUrl("SLUICE_MONGODB_URL")) })))
  orderGenerationsSuite(
    "MongoDB",
    Layer.mergeAll(mongodb, migrated.pipe(Layer.provideMerge(Sqlite.layer({ filename: ":memory:" })))),
    Layer.unwrap(Effect.map(Prefix, (named) => OrderViewsMongoDb.layer(named.prefix)))
  )
})
