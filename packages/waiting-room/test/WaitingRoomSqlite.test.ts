import { Sqlite } from "@sluice/engines"
import { waitingRoomSuite } from "@sluice/testkit/suites/waitingRoom"
import { waitingRoomProperties } from "@sluice/testkit/suites/waitingRoomProperties"
import { WaitingRoomSqlite } from "@sluice/waiting-room"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"

const sqlite = Sqlite.layer({ filename: ":memory:" })
const room = WaitingRoomSqlite.layer.pipe(
  Layer.provideMerge(Layer.effectDiscard(WaitingRoomSqlite.waitingRoomMigration)),
  Layer.provideMerge(sqlite)
)

const lose = Effect.fnUntraced(function* (campaignId: string) {
  const sql = yield* SqlClient.SqlClient
  for (const table of ["room_places", "room_blocks", "room_wins", "room_free"]) {
    yield* sql`DELETE FROM ${sql(table)} WHERE room IN (SELECT id FROM room_campaigns WHERE campaign_id = ${campaignId})`
  }
  yield* sql`DELETE FROM room_campaigns WHERE campaign_id = ${campaignId}`
})

const engine = { elapse: (ms: number) => TestClock.adjust(ms), isVirtual: true, lose }

waitingRoomSuite("SQLite", room, engine)
waitingRoomProperties("SQLite", room, engine, { numRuns: 400 })
