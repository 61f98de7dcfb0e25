/**
 * A `SqlClient` for MariaDB over mysql2, in the shape of `@effect/sql-mysql2`, which has no release for this Effect yet.
 *
 * Sessions are strict (bad data is an error, never a warning), in UTC, and READ COMMITTED: the pipelines decide by unique keys and
 * guarded statements, and gap locks would only make them wait. Affected rows are changed rows: a no-op upsert counts 0.
 */

import type { Scope } from "effect"
import { Duration, Effect, Layer, type Redacted, Stream } from "effect"
import { Reactivity } from "effect/reactivity"
import { SqlClient, type SqlConnection, SqlError, SqlStream, Statement } from "effect/sql"
import * as Driver from "mysql2"
import * as EngineMetrics from "./EngineMetrics.ts"
import { connectionOptions, session } from "./MariaDbSession.ts"

export { connectionOptions, session } from "./MariaDbSession.ts"

export interface Options {
  /** `mysql://user:password@host:port/database` (or `mariadb://`). */
  readonly url: Redacted.Redacted
  readonly maxConnections?: number
  /** How long a connection may take to open, and a caller waits for a free one. */
  readonly connectTimeout?: Duration.Input
  /** A statement that the server is silent about for longer fails, and ends its connection. More than it may wait for a lock. */
  readonly statementTimeout?: Duration.Input
}

const reasonOf = (cause: unknown, operation: string): SqlError.SqlErrorReason => {
  const c = cause as { readonly errno?: number; readonly sqlMessage?: string; readonly code?: string; readonly fatal?: boolean }
  const props = { cause, operation, message: c.sqlMessage ?? c.code ?? String(cause) }
  switch (c.errno) {
    case 1062:
      return new SqlError.UniqueViolation({
        ...props,
        constraint: /for key '([^']*)'/.exec(c.sqlMessage ?? "")?.[1] ?? "unknown"
      })
    case 1048:
    case 1451:
    case 1452:
    case 4025:
      return new SqlError.ConstraintError(props)
    case 1020: // the row changed since it was read (innodb_snapshot_isolation)
    case 1213:
      return new SqlError.DeadlockError(props)
    case 1205:
      return new SqlError.LockTimeoutError(props)
    case 1969:
    case 3024:
      return new SqlError.StatementTimeoutError(props)
    case 1054:
    case 1064:
    case 1146:
      return new SqlError.SqlSyntaxError(props)
    case 1044:
    case 1142:
      return new SqlError.AuthorizationError(props)
    case 1045:
      return new SqlError.AuthenticationError(props)
    case 1040:
    case 1053:
    case 1129:
    case 1203:
      return new SqlError.ConnectionError(props)
  }
  return c.fatal === true || c.code === "PROTOCOL_CONNECTION_LOST" || /^E(CONN|TIMEDOUT|PIPE|HOST|NET)/.test(c.code ?? "")
    ? new SqlError.ConnectionError(props)
    : new SqlError.UnknownError(props)
}

const sqlError = (cause: unknown, operation: string) => {
  const reason = reasonOf(cause, operation)
  EngineMetrics.countSqlFailure("mariadb", reason)
  return new SqlError.SqlError({ reason })
}

type Rows = (<A extends object>(row: ReadonlyArray<A>) => ReadonlyArray<A>) | undefined

/** Gives a connection back, or ends it where that is all that can be done with it. */
type Release = (connection: Driver.PoolConnection) => void

/** A server that has become read-only may be the wrong one by now. */
const isSpent = (errno: number | undefined) => errno === 1290 || errno === 1792 || errno === 1836

const late = (what: string, ms: number) => ({ code: "ETIMEDOUT", message: `${what} within ${ms} ms` })

/** What to run a statement on: a session that is held, or whichever of the pool is free. */
interface Source {
  readonly use: (f: (connection: Driver.PoolConnection) => void, none: (cause: unknown) => void) => void
  readonly release: Release
}

const release: Release = (connection) => connection.release()

/** mysql2 itself lets a caller wait for a free connection for as long as it takes. */
const acquire =
  (pool: Driver.Pool, timeoutMs: number): Source["use"] =>
  (f, none) => {
    let isOver = false
    const timer = setTimeout(() => {
      isOver = true
      none(late("no connection was free", timeoutMs))
    }, timeoutMs)
    pool.getConnection((cause, connection) => {
      if (isOver) return connection?.release()
      clearTimeout(timer)
      if (cause) none(cause)
      else f(connection)
    })
  }

const connectionFrom = (use: Source["use"]) =>
  Effect.callback<Driver.PoolConnection, SqlError.SqlError>((resume) => {
    use(
      (held) => resume(Effect.succeed(held)),
      (cause) => resume(Effect.fail(sqlError(cause, "acquire")))
    )
  })

const connection = ({ release, use }: Source, timeout: number): SqlConnection.Connection => {
  const call = (method: "execute" | "query", sql: string, values: ReadonlyArray<unknown>, rowsAsArray: boolean) =>
    Effect.callback<unknown, SqlError.SqlError>((resume) => {
      const run = (connection: Driver.PoolConnection) => {
        // The driver's own timeout leaves out the preparing of a statement, and the connection waiting for the answer.
        const timer = setTimeout(() => {
          connection.destroy()
          resume(Effect.fail(sqlError(late("no answer", timeout), method)))
        }, timeout)
        connection[method](
          { sql, values: values as Array<Driver.QueryValues>, rowsAsArray },
          (cause: Driver.QueryError | null, result: unknown) => {
            clearTimeout(timer)
            if (isSpent(cause?.errno)) connection.destroy()
            release(connection)
            resume(cause ? Effect.fail(sqlError(cause, method)) : Effect.succeed(result))
          }
        )
      }
      use(run, (cause) => resume(Effect.fail(sqlError(cause, "acquire"))))
    })
  const rows = (method: "execute" | "query", sql: string, values: ReadonlyArray<unknown>, f: Rows, asArray = false) =>
    Effect.map(call(method, sql, values, asArray), (r) => (Array.isArray(r) ? (f ? f(r) : r) : []))
  return {
    execute: (sql, params, f) => rows("execute", sql, params, f),
    executeRaw: (sql, params) => call("execute", sql, params, false),
    executeValues: (sql, params) => rows("execute", sql, params, undefined, true),
    executeValuesUnprepared: (sql, params) => rows("query", sql, params, undefined, true),
    executeUnprepared: (sql, params, f) => rows("query", sql, params, f),
    executeStream: (sql, params, f) => {
      const stream = SqlStream.asyncPauseResume<object, SqlError.SqlError>(
        Effect.fnUntraced(function* (emit) {
          const held = yield* Effect.acquireRelease(connectionFrom(use), (c) => Effect.sync(() => release(c)))
          const query = held.query(sql, params as Array<Driver.QueryValues>).stream()
          // Rows that nobody reads any more would stand before whatever is asked next.
          yield* Effect.addFinalizer(() => Effect.sync(() => query.readableEnded || held.destroy()))
          query.on("data", (row: object) => emit.single(row))
          query.on("error", (cause: unknown) => emit.fail(sqlError(cause, "stream")))
          query.on("end", () => emit.end())
          return { onPause: () => query.pause(), onResume: () => query.resume() }
        })
      )
      return f ? Stream.mapArray(stream, (chunk) => f(chunk) as typeof chunk) : stream
    }
  }
}

/** A session that can't even roll back is ended, and its server rolls it back: who failed is told of that failure and no other. */
const transactionOn = (c: Driver.PoolConnection, timeout: number): SqlConnection.Connection => {
  const own = connection({ use: (f) => f(c), release: () => {} }, timeout)
  const end = Effect.sync(() => {
    c.destroy()
    return []
  })
  return {
    ...own,
    executeUnprepared: (sql, params, f) => {
      const done = own.executeUnprepared(sql, params, f)
      return sql === "ROLLBACK" ? Effect.catch(done, () => end) : done
    }
  }
}

const make = (options: Options): Effect.Effect<SqlClient.SqlClient, SqlError.SqlError, Scope.Scope | Reactivity.Reactivity> =>
  Effect.gen(function* () {
    const { url, maxConnections = 10, connectTimeout = "3 seconds", statementTimeout = "7 seconds" } = options
    const timeout = Duration.toMillis(Duration.fromInputUnsafe(statementTimeout))
    const openTimeout = Duration.toMillis(Duration.fromInputUnsafe(connectTimeout))
    const target = connectionOptions(url)
    yield* EngineMetrics.show("mariadb")
    const pool = yield* Effect.acquireRelease(
      Effect.sync(() =>
        Driver.createPool({
          ...target,
          connectionLimit: maxConnections,
          connectTimeout: openTimeout,
          enableKeepAlive: true,
          supportBigNumbers: true,
          timezone: "Z",
          charset: "utf8mb4",
          maxPreparedStatements: 500,
          flags: ["-FOUND_ROWS"]
        })
      ),
      // A server that is silent does not hear of the end either.
      (p) =>
        Effect.timeoutOption(
          Effect.callback<void>((resume) => p.end(() => resume(Effect.void))),
          openTimeout
        )
    )
    // Queued on the new connection before whatever it was opened for.
    pool.on("connection", (c: Driver.PoolConnection) => {
      for (const statement of session) c.query(statement, (cause) => cause && c.destroy())
    })
    const fromPool = acquire(pool, openTimeout)
    const shared = connection({ use: fromPool, release }, timeout)
    yield* shared.executeUnprepared("SELECT 1", [], undefined)
    const transactionAcquirer = Effect.acquireRelease(connectionFrom(fromPool), (c) => Effect.sync(() => release(c))).pipe(
      Effect.map((c) => transactionOn(c, timeout))
    )
    return yield* SqlClient.make({
      acquirer: Effect.succeed(shared),
      borrower: (f) => f(shared),
      transactionAcquirer,
      driver: "mysql2",
      compiler: Statement.makeCompiler({
        dialect: "mysql",
        placeholder: () => "?",
        onIdentifier: Statement.defaultEscape("`"),
        onCustom: () => ["", []],
        onRecordUpdate: () => ["", []]
      }),
      spanAttributes: [
        ["db.system.name", "mariadb"],
        ["server.address", target.host],
        ["server.port", target.port],
        ["db.namespace", target.database]
      ]
    })
  })

export const layer = (options: Options): Layer.Layer<SqlClient.SqlClient, SqlError.SqlError> =>
  Layer.effect(SqlClient.SqlClient, make(options)).pipe(Layer.provide(Reactivity.layer))
