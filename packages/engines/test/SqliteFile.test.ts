import { execFile } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Sqlite } from "@sluice/engines"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

const file = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "sluice-sqlite-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  ),
  (folder) => join(folder, "test.db")
)

const writer = fileURLToPath(new URL("./sqliteWriter.ts", import.meta.url))

describe("Sqlite on a file", () => {
  it.live("what is committed survives the end of the machine: a write-ahead log that is synced at each commit", () =>
    Effect.gen(function* () {
      const filename = yield* file
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        assert.deepEqual(yield* sql`PRAGMA journal_mode`, [{ journal_mode: "wal" }])
        assert.deepEqual(yield* sql`PRAGMA synchronous`, [{ synchronous: 2 }])
        assert.deepEqual(yield* sql`PRAGMA foreign_keys`, [{ foreign_keys: 1 }])
      }).pipe(Effect.provide(Sqlite.layer({ filename })))
    }).pipe(Effect.scoped)
  )

  it.live("two processes that read and then write take turns, and neither fails half-way", () =>
    Effect.gen(function* () {
      const filename = yield* file
      const rows = yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`CREATE TABLE here (name TEXT NOT NULL PRIMARY KEY)`
        yield* sql`CREATE TABLE counter (n INTEGER NOT NULL)`
        yield* sql`INSERT INTO counter VALUES (0)`
        const count = (name: string) => promisify(execFile)(process.execPath, [writer, filename, name, "60"])
        yield* Effect.promise(() => Promise.all([count("one"), count("other")]))
        return yield* sql`SELECT n FROM counter`
      }).pipe(Effect.provide(Sqlite.layer({ filename })))
      assert.deepEqual(rows, [{ n: 120 }])
    }).pipe(Effect.scoped)
  )
})
