import { assert, describe, it } from "@effect/vitest"
import { MariaDb, Migrations, transact } from "@sluice/engines"
import { freshDatabase } from "@sluice/testkit/database"
import { liveUrl, whenLive } from "@sluice/testkit/live"
import { proxyOf } from "@sluice/testkit/proxy"
import { Cause, Duration, Effect, Exit, Layer, Redacted, Schedule } from "effect"
import { SqlClient } from "effect/sql"

/** A database of its own, gone at the end. */
const fresh = Effect.map(
  Effect.acquireRelease(
    Effect.promise(() => freshDatabase(liveUrl("SLUICE_MARIADB_URL"))),
    ({ drop }) => Effect.promise(drop)
  ),
  ({ url }) => Redacted.make(url)
)

const withFresh = <A, E>(use: (sql: SqlClient.SqlClient, url: Redacted.Redacted) => Effect.Effect<A, E, SqlClient.SqlClient>) =>
  Effect.flatMap(fresh, (url) =>
    SqlClient.SqlClient.use((sql) => use(sql, url)).pipe(Effect.provide(MariaDb.layer({ url })))
  ).pipe(Effect.scoped)

await whenLive(() => {
  describe("MariaDb", () => {
    it.live("bad data is an error on every connection, never a warning", () =>
      withFresh((sql) =>
        Effect.gen(function* () {
          yield* sql`CREATE TABLE t (n TINYINT UNSIGNED, d DATE, s VARCHAR(3))`
          const attempts = Array.from(
            { length: 20 },
            (_, i) =>
              [
                sql`INSERT INTO t (n) VALUES (999)`,
                sql`INSERT INTO t (d) VALUES ('2026-02-31')`,
                sql`INSERT INTO t (s) VALUES ('long')`
              ][i % 3]!
          )
          yield* Effect.forEach(attempts, Effect.flip, { concurrency: "unbounded" })
          assert.deepStrictEqual((yield* sql`SELECT * FROM t`).length, 0)
          const levels = yield* Effect.forEach(
            Array.from({ length: 20 }),
            () => sql<{ level: string }>`SELECT @@tx_isolation AS level`,
            { concurrency: "unbounded" }
          )
          assert.isTrue(levels.every(([row]) => row?.level === "READ-COMMITTED"))
        })
      )
    )

    it.live("a no-op upsert changes 0 rows; a new row counts 1", () =>
      withFresh((sql) =>
        Effect.gen(function* () {
          yield* sql`CREATE TABLE t (id INTEGER PRIMARY KEY)`
          const upsert = Effect.map(
            sql`INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE id = id`.raw,
            (r) => (r as { affectedRows: number }).affectedRows
          )
          assert.deepStrictEqual([yield* upsert, yield* upsert], [1, 0])
          assert.strictEqual((yield* Effect.flip(sql`INSERT INTO t VALUES (1)`)).reason._tag, "UniqueViolation")
        })
      )
    )

    it.live("transactions that deadlock are tried again until both have happened", () =>
      withFresh((sql) =>
        Effect.gen(function* () {
          yield* sql`CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)`
          yield* sql`INSERT INTO t VALUES (1, 0), (2, 0)`
          const add = (id: number) => sql`UPDATE t SET n = n + 1 WHERE id = ${id}`
          const both = (first: number, second: number) =>
            transact(sql)(Effect.andThen(add(first), Effect.andThen(Effect.sleep("50 millis"), add(second))))
          yield* Effect.all([both(1, 2), both(2, 1), both(1, 2)], { concurrency: "unbounded" })
          assert.deepStrictEqual(
            (yield* sql<{ n: number }>`SELECT n FROM t`).map(({ n }) => n),
            [3, 3]
          )
        })
      )
    )

    it.live("a connection that is lost within a transaction is an error to its caller and no defect, and the pool goes on", () =>
      withFresh((sql) =>
        Effect.gen(function* () {
          yield* sql`CREATE TABLE t (id INTEGER PRIMARY KEY)`
          const lost = Effect.gen(function* () {
            yield* sql`INSERT INTO t VALUES (1)`
            yield* sql`KILL CONNECTION_ID()`.unprepared
            yield* sql`INSERT INTO t VALUES (2)`
          })
          for (let i = 0; i < 5; i++) {
            const exit = yield* Effect.exit(transact(sql)(lost))
            assert.isTrue(Exit.isFailure(exit))
            assert.isFalse(Exit.isFailure(exit) && Cause.hasDies(exit.cause), String(exit))
          }
          assert.deepStrictEqual(yield* transact(sql)(sql`SELECT * FROM t`), [])
        })
      )
    )

    it.live("a statement that takes too long fails, and the pool goes on", () =>
      Effect.flatMap(fresh, (url) =>
        SqlClient.SqlClient.use((sql) =>
          Effect.gen(function* () {
            const [elapsed] = yield* Effect.timed(Effect.flip(sql`SELECT SLEEP(5)`))
            assert.isBelow(Duration.toMillis(elapsed), 3000)
            assert.deepStrictEqual((yield* sql<{ one: number }>`SELECT 1 AS one`)[0]?.one, 1)
          })
        ).pipe(Effect.provide(MariaDb.layer({ url, maxConnections: 2, statementTimeout: "500 millis" })))
      ).pipe(Effect.scoped)
    )

    it.live("a server that falls silent holds nobody up, however often it is asked, and is asked again when it is back", () =>
      Effect.gen(function* () {
        const url = yield* fresh
        const proxy = yield* Effect.acquireRelease(
          Effect.promise(() => proxyOf(Redacted.value(url))),
          ({ close }) => Effect.promise(close)
        )
        const options = { maxConnections: 2, connectTimeout: "300 millis", statementTimeout: "500 millis" } as const
        const layer = MariaDb.layer({ url: Redacted.make(proxy.url), ...options })
        const asking = Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const one = sql<{ one: number }>`SELECT 1 AS one`
          const calls = [one, one, one, transact(sql)(one), transact(sql)(one), one]
          proxy.silence()
          for (let round = 1; round <= 3; round++) {
            const [elapsed, exits] = yield* Effect.timed(Effect.forEach(calls, Effect.exit, { concurrency: "unbounded" }))
            assert.isTrue(exits.every((exit) => Exit.isFailure(exit) && !Cause.hasDies(exit.cause)))
            assert.isBelow(Duration.toMillis(elapsed), 5000)
          }
          proxy.heal()
          assert.deepStrictEqual(yield* Effect.retry(one, { schedule: Schedule.spaced("50 millis"), times: 100 }), [{ one: 1 }])
          assert.deepStrictEqual(yield* transact(sql)(one), [{ one: 1 }])
        })
        yield* Effect.provide(asking, layer)
      }).pipe(Effect.scoped)
    )

    it.live("however many processes migrate at once, each migration runs once", () =>
      withFresh((sql, url) =>
        Effect.gen(function* () {
          const ran: Array<string> = []
          const step = (name: string) =>
            SqlClient.SqlClient.use((client) =>
              Effect.sync(() => ran.push(name)).pipe(
                Effect.andThen(client`CREATE TABLE IF NOT EXISTS ${client(name)} (id INTEGER)`),
                Effect.asVoid
              )
            )
          const migrations = { "0001_a": step("a"), "0002_b": step("b"), "0003_c": step("c") }
          const process = Effect.provide(Migrations.run(migrations), Layer.fresh(MariaDb.layer({ url, maxConnections: 2 })))
          yield* Effect.all(
            Array.from({ length: 5 }, () => process),
            { concurrency: "unbounded" }
          )
          assert.deepStrictEqual(ran, ["a", "b", "c"])
          assert.deepStrictEqual((yield* sql`SHOW TABLES`).length, 5)
        })
      )
    )
  })
})
