/** Statements that MariaDB and SQLite spell differently. */
import { Array, Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"

/** SQLite takes 32,766 parameters. */
const rowsAtOnce = 2000

/** Many rows in few statements. With `keepFirst`, one of its key's columns, a row whose key is taken is left out. */
export const insertAll = (
  sql: SqlClient.SqlClient,
  table: string,
  rows: ReadonlyArray<Record<string, string | number | null>>,
  keepFirst?: string
): Effect.Effect<void, SqlError.SqlError> => {
  const onTaken = sql.literal(
    keepFirst === undefined
      ? ""
      : sql.onDialectOrElse({
          mysql: () => `ON DUPLICATE KEY UPDATE ${keepFirst} = ${keepFirst}`,
          orElse: () => "ON CONFLICT DO NOTHING"
        })
  )
  return Effect.forEach(
    Array.chunksOf(rows, rowsAtOnce),
    (chunk) => sql`INSERT INTO ${sql(table)} ${sql.insert(chunk)} ${onTaken}`.unprepared,
    { discard: true }
  )
}

/** The database's clock, in milliseconds. */
export const nowMs = (sql: SqlClient.SqlClient) =>
  sql.literal(
    sql.onDialectOrElse({
      mysql: () => "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)",
      orElse: () => "CAST(unixepoch('subsec') * 1000 AS INTEGER)"
    })
  )

/** How many rows a statement changed; one that is set to what it was counts on SQLite alone. */
export const changedBy = <E>(result: Effect.Effect<unknown, E>): Effect.Effect<number, E> =>
  Effect.map(result, (raw) => {
    const { affectedRows, changes } = raw as { readonly affectedRows?: number; readonly changes?: number }
    return Number(affectedRows ?? changes ?? 0)
  })
