import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Migrations, Sqlite } from "@sluice/engines"
import { Effect, Layer } from "effect"
import { auditMigration } from "../src/audit/AuditLog.ts"
import { auditSuite } from "./auditSuite.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "sluice-audit-"))),
  (dir) => Effect.sync(() => rmSync(dir, { recursive: true }))
)

const engines = Layer.unwrap(
  Effect.map(folder, (dir) =>
    Layer.effectDiscard(Migrations.run({ "0060_audit": auditMigration })).pipe(
      Layer.provideMerge(Sqlite.layer({ filename: join(dir, "sluice.db") }))
    )
  )
)

auditSuite("SQLite", Layer.orDie(engines))
