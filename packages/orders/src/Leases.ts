/**
 * Who publishes which shard of the outbox: at most one relay a shard at a time, by leases that the database's clock ends.
 *
 * Relays that live share the shards evenly: one that holds more than its part gives some back, one that has less takes what is free. A
 * relay that dies keeps its shards until its lease has run out. What a holder knows of its own lease it measures from before it asked, on
 * a clock that never jumps, and takes a margin off: it stops before the database lets another one in.
 */
import { Duration, Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { shards } from "./OrdersSchema.ts"

export interface Held {
  readonly shards: ReadonlyArray<number>
  /** Of `performance.now()`: after it nothing may be published. */
  readonly until: number
  /** Of `performance.now()`: from then on the leases are to be renewed. */
  readonly renewAt: number
}

export const nothingHeld: Held = { shards: [], until: 0, renewAt: 0 }

export interface Leases {
  readonly renew: Effect.Effect<Held, SqlError.SqlError>
  /** Gives everything back, for others to take at once; gives how many others there are. */
  readonly release: Effect.Effect<number, SqlError.SqlError>
}

export const makeLeases = (sql: SqlClient.SqlClient, owner: string, lease: Duration.Input): Leases => {
  const ms = Duration.toMillis(Duration.fromInputUnsafe(lease))
  const now = sql.literal(
    sql.onDialectOrElse({
      mysql: () => "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)",
      orElse: () => "CAST(unixepoch('subsec') * 1000 AS INTEGER)"
    })
  )
  const join = sql.onDialectOrElse({
    mysql: () => sql`INSERT INTO outbox_relays (owner, expires_at_ms) VALUES (${owner}, ${now} + ${ms})
      ON DUPLICATE KEY UPDATE expires_at_ms = VALUES(expires_at_ms)`,
    orElse: () => sql`INSERT INTO outbox_relays (owner, expires_at_ms) VALUES (${owner}, ${now} + ${ms})
      ON CONFLICT (owner) DO UPDATE SET expires_at_ms = excluded.expires_at_ms`
  })

  const renew = Effect.gen(function* () {
    const askedAt = performance.now()
    yield* join
    const [relays] = yield* sql<{ n: number }>`SELECT COUNT(*) AS n FROM outbox_relays WHERE expires_at_ms > ${now}`
    const part = Math.ceil(shards / Math.max(1, Number(relays?.n ?? 1)))
    const rows = yield* sql<{ shard: number; owner: string; free: number }>`SELECT shard, owner, expires_at_ms <= ${now} AS free
      FROM outbox_leases ORDER BY shard`
    const own = rows.filter((row) => row.owner === owner).map(({ shard }) => shard)
    const free = rows.filter((row) => row.owner !== owner && Number(row.free) === 1).map(({ shard }) => shard)
    const wanted = [...own, ...free].slice(0, part)
    const spare = own.slice(part)
    if (spare.length > 0) {
      yield* sql`UPDATE outbox_leases SET owner = '', expires_at_ms = 0 WHERE owner = ${owner} AND ${sql.in("shard", spare)}`
        .unprepared
    }
    if (wanted.length > 0) {
      yield* sql`UPDATE outbox_leases SET owner = ${owner}, expires_at_ms = ${now} + ${ms}
        WHERE ${sql.in("shard", wanted)} AND (owner = ${owner} OR expires_at_ms <= ${now})`.unprepared
    }
    const held = yield* sql<{ shard: number }>`SELECT shard FROM outbox_leases WHERE owner = ${owner} AND expires_at_ms > ${now}`
    return {
      shards: held.map(({ shard }) => shard),
      until: askedAt + ms * 0.8,
      renewAt: askedAt + (held.length < part ? ms / 12 : ms / 3)
    } satisfies Held
  })

  const release = Effect.gen(function* () {
    yield* sql`UPDATE outbox_leases SET owner = '', expires_at_ms = 0 WHERE owner = ${owner}`
    yield* sql`DELETE FROM outbox_relays WHERE owner = ${owner} OR expires_at_ms < ${now} - 60000`
    const [others] = yield* sql<{ n: number }>`SELECT COUNT(*) AS n FROM outbox_relays WHERE expires_at_ms > ${now}`
    return Number(others?.n ?? 0)
  })

  return { renew, release }
}
