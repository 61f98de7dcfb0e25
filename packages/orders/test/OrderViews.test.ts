import { Migrations, Sqlite } from "@sluice/engines"
import { orderViewsSuite } from "@sluice/testkit/suites/orderViews"
import { Layer } from "effect"
import { OrderViewsSql } from "../src/index.ts"

const engine = Layer.effectDiscard(Migrations.run({ "0020_order_view": OrderViewsSql.orderViewMigration })).pipe(
  Layer.provideMerge(Sqlite.layer({ filename: ":memory:" }))
)

orderViewsSuite("SQLite", OrderViewsSql.layer.pipe(Layer.provide(engine)))
