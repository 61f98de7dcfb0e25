/**
 * The tables of the waiting room in SQLite. Harmless when repeated.
 *
 * `room_campaigns` carries each room's definition, counters and token bucket, so no answer ever counts a big table. `room_blocks` holds
 * how many wait in each block of 256 places: a rank is the sum of the blocks ahead and a count inside one block, whoever left or came
 * back in between.
 */
import { Effect } from "effect"
import { SqlClient, type SqlError } from "effect/sql"

const tables = [
  `CREATE TABLE IF NOT EXISTS room_campaigns (
    id INTEGER PRIMARY KEY,
    campaign_id TEXT NOT NULL UNIQUE,
    generation INTEGER NOT NULL DEFAULT 0,
    revision INTEGER NOT NULL DEFAULT 0,
    stock INTEGER NOT NULL DEFAULT 0,
    rate_per_second INTEGER NOT NULL DEFAULT 1,
    opens_at_ms INTEGER,
    closes_at_ms INTEGER,
    paused INTEGER NOT NULL DEFAULT 0,
    max_waiting INTEGER,
    last_seq INTEGER NOT NULL DEFAULT 0,
    last_serial INTEGER NOT NULL DEFAULT 0,
    free INTEGER NOT NULL DEFAULT 0,
    waiting INTEGER NOT NULL DEFAULT 0,
    pending INTEGER NOT NULL DEFAULT 0,
    issued INTEGER NOT NULL DEFAULT 0,
    dead INTEGER NOT NULL DEFAULT 0,
    micro_tokens INTEGER NOT NULL DEFAULT 0,
    refilled_at_ms INTEGER NOT NULL DEFAULT 0,
    hold_ms INTEGER NOT NULL DEFAULT 0,
    hold_until_ms INTEGER NOT NULL DEFAULT 0
  )`,
  `CREATE TABLE IF NOT EXISTS room_places (
    room INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (room, user_id)
  ) WITHOUT ROWID`,
  "CREATE UNIQUE INDEX IF NOT EXISTS room_places_by_seq ON room_places (room, seq)",
  `CREATE TABLE IF NOT EXISTS room_blocks (
    room INTEGER NOT NULL,
    block INTEGER NOT NULL,
    waiting INTEGER NOT NULL,
    PRIMARY KEY (room, block)
  ) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS room_wins (
    room INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    serial INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'issued', 'dead')),
    attend_at_ms INTEGER NOT NULL,
    PRIMARY KEY (room, user_id)
  ) WITHOUT ROWID`,
  "CREATE UNIQUE INDEX IF NOT EXISTS room_wins_by_serial ON room_wins (room, serial)",
  "CREATE INDEX IF NOT EXISTS room_wins_pending ON room_wins (room, attend_at_ms, serial) WHERE state = 'pending'",
  `CREATE TABLE IF NOT EXISTS room_free (
    room INTEGER NOT NULL,
    serial INTEGER NOT NULL,
    PRIMARY KEY (room, serial)
  ) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS room_rebuilds (
    campaign_id TEXT NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    lease_ms INTEGER NOT NULL,
    lease_until_ms INTEGER NOT NULL
  ) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS room_rebuild_wins (
    campaign_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    serial INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (campaign_id, user_id)
  ) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS room_rebuild_free (
    campaign_id TEXT NOT NULL,
    serial INTEGER NOT NULL,
    PRIMARY KEY (campaign_id, serial)
  ) WITHOUT ROWID`
]

export const waitingRoomMigration: Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient> = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* Effect.forEach(tables, (table) => sql.unsafe(table), { discard: true })
})
