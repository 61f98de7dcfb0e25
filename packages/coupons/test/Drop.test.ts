import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { EventLogSqlite, Migrations, Sqlite } from "@sluice/engines"
import { dropSuite } from "@sluice/testkit/suites/drop"
import { WaitingRoomSqlite } from "@sluice/waiting-room"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Campaigns, Issuances } from "../src/index.ts"

const migrated = Layer.effectDiscard(
  Migrations.run({
    "0001_campaigns": Campaigns.campaignsMigration,
    "0002_issuances": Issuances.issuancesMigration,
    "0003_room": WaitingRoomSqlite.waitingRoomMigration
  })
)
const engines = Layer.suspend(() =>
  Layer.mergeAll(WaitingRoomSqlite.layer, EventLogSqlite.layer()).pipe(
    Layer.provideMerge(migrated),
    Layer.provideMerge(Sqlite.layer({ filename: join(mkdtempSync(join(tmpdir(), "sluice-")), "sluice.db") }))
  )
)

dropSuite("SQLite", engines, (id) =>
  SqlClient.SqlClient.use((sql) =>
    sql.withTransaction(
      Effect.gen(function* () {
        for (const table of ["room_places", "room_blocks", "room_wins", "room_free"]) {
          yield* sql`DELETE FROM ${sql(table)} WHERE room IN (SELECT id FROM room_campaigns WHERE campaign_id = ${id})`
        }
        yield* sql`DELETE FROM room_campaigns WHERE campaign_id = ${id}`
      })
    )
  )
)
