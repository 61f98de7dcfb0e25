/**
 * A transaction that is tried again where the engine asks for it: deadlock, lock wait, row changed since it was read. Bounded, with jitter.
 */
import { Effect, Schedule } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import * as EngineMetrics from "./EngineMetrics.ts"

const conflicts = new Set(["DeadlockError", "LockTimeoutError"])

const isConflict = (error: unknown): boolean => {
  const reason = (error as Partial<SqlError.SqlError>)?.reason
  return reason !== undefined && conflicts.has(reason._tag)
}

const engineOf = (sql: SqlClient.SqlClient) =>
  sql.onDialectOrElse({ mysql: () => "mariadb" as const, orElse: () => "sqlite" as const })

/** Runs `effect` in a transaction of `sql`; what it did outside of the database must bear repetition. */
export const transact =
  (sql: SqlClient.SqlClient) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError.SqlError, R> =>
    sql.withTransaction(effect).pipe(
      Effect.retry({
        while: isConflict,
        schedule: Schedule.exponential("10 millis").pipe(
          Schedule.jittered,
          Schedule.upTo({ times: 6 }),
          Schedule.tap(() => Effect.sync(() => EngineMetrics.countRetry(engineOf(sql), "call")))
        )
      })
    )
