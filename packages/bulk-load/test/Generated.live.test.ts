import { connectionOptions } from "@sluice/engines/MariaDb"
import { freshDatabase } from "@sluice/testkit/database"
import { liveUrl, whenLive } from "@sluice/testkit/live"
import { Effect, Redacted } from "effect"
import mysql from "mysql2/promise"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { BulkLoader, createTableSql, generators, LoadTargetMariaDb, RowSource } from "../src/index.ts"

await whenLive(() => {
  describe("built-ins into their tables in MariaDB", () => {
    let database: Awaited<ReturnType<typeof freshDatabase>>
    let connection: mysql.Connection

    beforeAll(async () => {
      database = await freshDatabase(liveUrl("SLUICE_MARIADB_URL"))
      connection = await mysql.createConnection(connectionOptions(Redacted.make(database.url)))
    })
    afterAll(async () => {
      await connection.end()
      await database.drop()
    })

    for (const name of Object.keys(generators)) {
      it(`${name}: every row, compared with the table`, async () => {
        await connection.query(createTableSql(name, "mariadb")!)
        const summary = await Effect.gen(function* () {
          const source = yield* RowSource.fromGenerator({ name, rows: 10_000, seed: 5 })
          return yield* BulkLoader.load(source, { table: name, job: name })
        }).pipe(Effect.provide(LoadTargetMariaDb.layer(Redacted.make(database.url))), Effect.runPromise)
        assert.strictEqual(summary.rows, 10_000)
        assert.strictEqual(summary.rejects, 0)
        assert.deepStrictEqual(summary.verification, { outcome: "equal", rows: 10_000, leftOut: [] })
      })
    }
  })
})
