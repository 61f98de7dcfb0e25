import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Campaigns, Issuances } from "@sluice/coupons"
import { Migrations, Sqlite } from "@sluice/engines"
import { WaitingRoomSqlite } from "@sluice/waiting-room"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import * as embedded from "../src/layers/embedded.ts"
import { secretsMigration } from "../src/Secrets.ts"

describe("a data folder from before there were orders", () => {
  it.live("is given their tables, and a second start changes nothing", () =>
    Effect.gen(function* () {
      const folder = mkdtempSync(join(tmpdir(), "sluice-"))
      yield* Migrations.run({
        "0001_campaigns": Campaigns.campaignsMigration,
        "0002_issuances": Issuances.issuancesMigration,
        "0003_secrets": secretsMigration,
        "0050_waiting_room": WaitingRoomSqlite.waitingRoomMigration
      }).pipe(Effect.provide(Sqlite.layer({ filename: join(folder, "sluice.db") })))
      const leases = SqlClient.SqlClient.use((sql) => sql`SELECT shard FROM outbox_leases`)
      for (let start = 0; start < 2; start++) {
        const rows = yield* Effect.scoped(Effect.provide(leases, embedded.layer(folder), { local: true }))
        assert.strictEqual(rows.length, 16)
      }
    })
  )
})
