/**
 * A `SqlClient` over `node:sqlite`, for the embedded engines: one file, one connection, one writer.
 *
 * A committed transaction survives the end of the process and of the machine (WAL, synchronous = FULL). Transactions are immediate: they
 * take the write lock at the start, and never fail half-way for the want of it. Statements are synchronous, so each is to be short.
 */

import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite"
import { Effect, Layer, Semaphore, Stream } from "effect"
import { Reactivity } from "effect/reactivity"
import { SqlClient, type SqlConnection, SqlError, Statement } from "effect/sql"
import * as EngineMetrics from "./EngineMetrics.ts"

export interface Options {
  /** A path, or `:memory:`. */
  readonly filename: string
}

const keptStatements = 500
/** SQLITE_ERROR */
const wrongStatement = 1

const sqlError = (cause: unknown, operation: string) => {
  const { errcode, message } = cause as { readonly errcode?: number; readonly message?: string }
  const reason = SqlError.classifySqliteError(
    { cause, message, errno: errcode },
    { message: message ?? String(cause), operation }
  )
  if (errcode !== wrongStatement) EngineMetrics.countSqlFailure("sqlite", reason)
  return new SqlError.SqlError({ reason })
}

const make = (options: Options) =>
  Effect.gen(function* () {
    yield* EngineMetrics.show("sqlite")
    const db = yield* Effect.acquireRelease(
      Effect.try({
        try: () => new DatabaseSync(options.filename, { timeout: 5000 }),
        catch: (cause) => sqlError(cause, "open")
      }),
      (d) => Effect.sync(() => d.close())
    )
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY")

    const statements = new Map<string, StatementSync>()
    const prepare = (sql: string): StatementSync => {
      const known = statements.get(sql)
      if (known !== undefined) return known
      if (statements.size >= keptStatements) statements.delete(statements.keys().next().value!)
      const statement = db.prepare(sql)
      statements.set(sql, statement)
      return statement
    }
    const attempt = <A>(f: () => A) => Effect.try({ try: f, catch: (cause) => sqlError(cause, "execute") })
    const all = (sql: string, params: ReadonlyArray<unknown>) => prepare(sql).all(...(params as Array<SQLInputValue>))
    const rows: SqlConnection.Connection["execute"] = (sql, params, f) =>
      attempt(() => (f ? f(all(sql, params)) : all(sql, params)))
    const values: SqlConnection.Connection["executeValues"] = (sql, params) =>
      attempt(() => all(sql, params).map((row) => Object.values(row)))
    const connection: SqlConnection.Connection = {
      execute: rows,
      executeUnprepared: rows,
      executeValues: values,
      executeValuesUnprepared: values,
      executeRaw: (sql, params) => attempt(() => prepare(sql).run(...(params as Array<SQLInputValue>))),
      executeStream: (sql, params, f) => {
        const stream = Stream.fromIterableEffect(attempt(() => db.prepare(sql).iterate(...(params as Array<SQLInputValue>))))
        return f ? Stream.mapArray(stream, (chunk) => f(chunk) as typeof chunk) : stream
      }
    }
    return yield* SqlClient.make({
      ...SqlClient.makeSqliteAcquirers({ connection: Effect.succeed(connection), semaphore: yield* Semaphore.make(1) }),
      driver: "node-sqlite",
      beginTransaction: "BEGIN IMMEDIATE",
      prepareTransactionControls: true,
      compiler: Statement.makeCompilerSqlite(),
      spanAttributes: [["db.system.name", "sqlite"]]
    })
  })

export const layer = (options: Options): Layer.Layer<SqlClient.SqlClient, SqlError.SqlError> =>
  Layer.effect(SqlClient.SqlClient, make(options)).pipe(Layer.provide(Reactivity.layer))
