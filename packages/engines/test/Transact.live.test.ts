import { assert, describe, it } from "@effect/vitest"
import { MariaDb, transact } from "@sluice/engines"
import { isCi } from "@sluice/testkit/ci"
import { freshDatabase } from "@sluice/testkit/database"
import { liveUrl, whenLive } from "@sluice/testkit/live"
import { Context, Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"

await whenLive(() => {
  describe("transact on MariaDB", () => {
    it.live("a row that another has changed since it was read is read again, by a server that tells", (test) =>
      Effect.gen(function* () {
        const database = yield* Effect.acquireRelease(
          Effect.promise(() => freshDatabase(liveUrl("SLUICE_MARIADB_URL"))),
          ({ drop }) => Effect.promise(drop)
        )
        const connected = () =>
          Effect.map(
            Layer.build(MariaDb.layer({ url: Redacted.make(database.url), maxConnections: 1 })),
            Context.get(SqlClient.SqlClient)
          )
        const [sql, other] = [yield* connected(), yield* connected()]
        const [told] = yield* sql<{ version: string }>`SELECT VERSION() AS version`
        if ((yield* sql`SHOW VARIABLES LIKE 'innodb_snapshot_isolation'`).length === 0) {
          assert.isFalse(isCi(), "CI needs a MariaDB that has innodb_snapshot_isolation")
          return test.skip(`MariaDB ${told?.version} has no innodb_snapshot_isolation`)
        }
        yield* sql`CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)`
        yield* sql`INSERT INTO t VALUES (1, 0)`
        yield* sql`SET SESSION innodb_snapshot_isolation = ON`
        yield* sql`SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ`
        const read = sql<{ n: number }>`SELECT n FROM t WHERE id = 1`
        const seen: Array<number> = []
        yield* transact(sql)(
          Effect.gen(function* () {
            const n = (yield* read)[0]!.n
            seen.push(n)
            if (n === 0) yield* other`UPDATE t SET n = 10`
            yield* sql`UPDATE t SET n = ${n + 1} WHERE id = 1`
          })
        )
        assert.deepStrictEqual(seen, [0, 10])
        assert.deepStrictEqual(yield* read, [{ n: 11 }])
      }).pipe(Effect.scoped)
    )
  })
})
