import { MariaDb, Migrations } from "@sluice/engines"
import { freshDatabase } from "@sluice/testkit/database"
import { liveUrl, whenLive } from "@sluice/testkit/live"
import { Effect, Layer, Redacted } from "effect"
import { auditMigration } from "../src/audit/AuditLog.ts"
import { auditSuite } from "./auditSuite.ts"

await whenLive(() => {
  const engines = Layer.unwrap(
    Effect.gen(function* () {
      const database = yield* Effect.acquireRelease(
        Effect.promise(() => freshDatabase(liveUrl("SLUICE_MARIADB_URL"))),
        ({ drop }) => Effect.promise(drop)
      )
      return Layer.effectDiscard(Migrations.run({ "0060_audit": auditMigration })).pipe(
        Layer.provideMerge(MariaDb.layer({ url: Redacted.make(database.url) }))
      )
    })
  )
  auditSuite("MariaDB", Layer.orDie(engines))
})
