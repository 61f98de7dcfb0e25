import { Issuances } from "@sluice/coupons"
import { Migrations, Sqlite } from "@sluice/engines"
import { ordersSuite } from "@sluice/testkit/suites/orders"
import { relaySuite } from "@sluice/testkit/suites/relay"
import { Layer } from "effect"
import { ordersMigration } from "../src/index.ts"

const engines = Layer.suspend(() =>
  Layer.effectDiscard(Migrations.run({ "0002_issuances": Issuances.issuancesMigration, "0010_orders": ordersMigration })).pipe(
    Layer.provideMerge(Sqlite.layer({ filename: ":memory:" }))
  )
)

ordersSuite("SQLite", engines)
relaySuite("SQLite", engines)
