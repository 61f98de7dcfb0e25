import { Issuances } from "@sluice/coupons"
import { Migrations, Sqlite } from "@sluice/engines"
import { orderGenerationsSuite } from "@sluice/testkit/suites/orderGenerations"
import { Layer } from "effect"
import { OrderViewsSql, ordersMigration } from "../src/index.ts"

const engine = Layer.effectDiscard(
  Migrations.run({
    "0002_issuances": Issuances.issuancesMigration,
    "0010_orders": ordersMigration,
    "0020_order_view": OrderViewsSql.orderViewMigration
  })
).pipe(Layer.provideMerge(Sqlite.layer({ filename: ":memory:" })))

orderGenerationsSuite("SQLite", engine, OrderViewsSql.layer)
