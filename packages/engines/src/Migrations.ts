/**
 * Applies migrations in their order, each once, however many processes start at the same time.
 *
 * MariaDB commits at each DDL statement, so a process that dies there leaves a migration recorded and half done. Therefore the last one
 * that is known to be whole is recorded apart, what comes after it is run again, and every migration must be harmless when repeated
 * (`CREATE TABLE IF NOT EXISTS`).
 */
import { Effect } from "effect"
import { Migrator, SqlClient, SqlError } from "effect/sql"

/** By name, as `0001_campaigns`. */
export type Migrations = Readonly<Record<string, Effect.Effect<void, unknown, SqlClient.SqlClient>>>

const locked = <A, E, R>(run: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    return yield* sql.onDialectOrElse({
      mysql: () =>
        Effect.scoped(
          Effect.gen(function* () {
            const connection = yield* sql.reserve
            const [row] = yield* Effect.acquireRelease(
              connection.executeValuesUnprepared("SELECT GET_LOCK(CONCAT('sluice.migrations.', DATABASE()), 60)", []),
              () =>
                Effect.ignore(
                  connection.executeUnprepared("DO RELEASE_LOCK(CONCAT('sluice.migrations.', DATABASE()))", [], undefined)
                )
            )
            if (row?.[0] !== 1) {
              return yield* new SqlError.SqlError({
                reason: new SqlError.LockTimeoutError({
                  cause: row,
                  message: "another process holds the migrations lock",
                  operation: "migrate"
                })
              })
            }
            return yield* run
          })
        ),
      orElse: () => run
    })
  })

export const run = (migrations: Migrations) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`CREATE TABLE IF NOT EXISTS sluice_migrated (latest INTEGER NOT NULL PRIMARY KEY)`
    const [whole] = yield* sql<{ latest: number | null }>`SELECT MAX(latest) AS latest FROM sluice_migrated`
    const table = "sluice_migrations"
    // Fails on the first start of all, where the table does not stand yet.
    yield* Effect.ignore(sql`DELETE FROM ${sql(table)} WHERE migration_id > ${whole?.latest ?? 0}`)
    const applied = yield* Migrator.make({})({ loader: Migrator.fromRecord(migrations), table })
    const last = applied.at(-1)
    if (last !== undefined) yield* sql`INSERT INTO sluice_migrated ${sql.insert({ latest: last[0] })}`
    return applied
  }).pipe(locked)
