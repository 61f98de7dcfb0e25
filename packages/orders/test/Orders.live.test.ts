import { Issuances } from "@sluice/coupons"
import { MariaDb, Migrations } from "@sluice/engines"
import { freshDatabase } from "@sluice/testkit/database"
import { liveUrl, whenLive } from "@sluice/testkit/live"
import { ordersSuite } from "@sluice/testkit/suites/orders"
import { relaySuite } from "@sluice/testkit/suites/relay"
import { Effect, Layer, Redacted } from "effect"
import { ordersMigration } from "../src/index.ts"

await whenLive(() => {
  /** Each use has a database of its own. */
  const engines = Layer.unwrap(
    Effect.gen(function* () {
      const database = yield* Effect.acquireRelease(
        Effect.promise(() => freshDatabase(liveUrl("SLUICE_MARIADB_URL"))),
        ({ drop }) => Effect.promise(drop)
      )
      return Layer.effectDiscard(
        Migrations.run({ "0002_issuances": Issuances.issuancesMigration, "0010_orders": ordersMigration })
      ).pipe(Layer.provideMerge(MariaDb.layer({ url: Redacted.make(database.url) })))
    })
  )

  ordersSuite("MariaDB", engines)
  relaySuite("MariaDB", engines)
})
