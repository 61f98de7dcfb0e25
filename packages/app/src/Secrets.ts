/**
 * Secrets that every process of one system must share and nobody had to set: made once, kept in the SQL store.
 */

import { randomBytes } from "node:crypto"
import type { TicketKey } from "@sluice/waiting-room"
import { Effect, Redacted } from "effect"
import { SqlClient } from "effect/sql"

export const secretsMigration = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE IF NOT EXISTS secrets (name VARCHAR(64) NOT NULL PRIMARY KEY, value VARCHAR(255) NOT NULL)`
})

/** The first process to ask makes it; all others get the same. */
const shared = Effect.fnUntraced(function* (name: string) {
  const sql = yield* SqlClient.SqlClient
  const value = randomBytes(32).toString("base64url")
  yield* sql.onDialectOrElse({
    mysql: () => sql`INSERT INTO secrets (name, value) VALUES (${name}, ${value}) ON DUPLICATE KEY UPDATE name = secrets.name`,
    orElse: () => sql`INSERT INTO secrets (name, value) VALUES (${name}, ${value}) ON CONFLICT DO NOTHING`
  })
  const [row] = yield* sql<{ value: string }>`SELECT value FROM secrets WHERE name = ${name}`
  return Redacted.make(row!.value)
})

export const sharedTicketKey = Effect.map(shared("ticket-key"), (secret): TicketKey => ({ kid: "shared", secret }))
