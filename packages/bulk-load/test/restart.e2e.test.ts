/** The server dies in the middle of a load and comes back: the loader waits for it, and each row is there once. */
import { type Database, freshDatabase } from "@sluice/testkit/database"
import { areOurs, liveUrl } from "@sluice/testkit/live"
import { restart, stop } from "@sluice/testkit/stack/index"
import { Effect, Redacted, Stream } from "effect"
import mysql from "mysql2/promise"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import { BulkLoader, LoadTargetMariaDb, RowSource } from "../src/index.ts"

const tables = {
  "that numbers its rows": "id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, n BIGINT NOT NULL",
  "whose rows bring their ids": "n BIGINT NOT NULL PRIMARY KEY"
} as const

describe.runIf(await areOurs(["mariadb"]))("MariaDB killed in the middle of a load", () => {
  let database: Database
  let isDown = false

  beforeEach(async () => {
    database = await freshDatabase(liveUrl("SLUICE_MARIADB_URL"))
  })
  afterEach(async () => {
    if (isDown) await restart("mariadb")
    isDown = false
    await database.drop()
  })

  for (const [kind, columns] of Object.entries(tables)) {
    it(`a table ${kind}`, async () => {
      const connection = await mysql.createConnection({ uri: database.url })
      await connection.query(`CREATE TABLE numbers (${columns}, text VARCHAR(20) NOT NULL)`)
      await connection.end()
      const rows = 300_000
      const source = RowSource.fromRows(Stream.range(0, rows - 1).pipe(Stream.map((n) => ({ n, text: `n${n}` }))), {
        columns: ["n", "text"]
      })
      let kills = 0
      const kill = async () => {
        isDown = true
        await stop("mariadb", "SIGKILL")
        await restart("mariadb")
        isDown = false
      }
      let killing = Promise.resolve()
      const summary = await Effect.runPromise(
        BulkLoader.load(source, {
          table: "numbers",
          job: "killed",
          chunkRows: 20_000,
          onProgress: (report) => {
            if (isDown || report.rows < 60_000 * (kills + 1) || kills === 2) return
            kills++
            killing = kill()
          }
        }).pipe(Effect.provide(LoadTargetMariaDb.layer(Redacted.make(database.url))))
      )
      await killing
      assert.strictEqual(kills, 2)
      assert.deepInclude(summary, { state: "done", rows, loadedRows: rows })
      assert.strictEqual(summary.verification.outcome, "equal")
      const again = await mysql.createConnection({ uri: database.url })
      const [held] = await again.query("SELECT COUNT(*) AS n, COUNT(DISTINCT n) AS different, MAX(n) AS last FROM numbers")
      await again.end()
      assert.deepStrictEqual(
        (held as Array<object>).map((row) => ({ ...row })),
        [{ n: rows, different: rows, last: rows - 1 }]
      )
    }, 120_000)
  }
})
