import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, describe, it } from "@effect/vitest"
import * as Sqlite from "@sluice/engines/Sqlite"
import { Effect, Layer, Stream } from "effect"
import { BulkLoader, LoadTargetSqlite, redrive } from "../src/index.ts"

/** A database as somebody has it who uses the loader in a program. */
const shop = (schema: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const folder = mkdtempSync(join(tmpdir(), "sluice-library-"))
      const filename = join(folder, "shop.db")
      const db = new DatabaseSync(filename)
      db.exec(schema)
      const target = LoadTargetSqlite.layer.pipe(Layer.provide(Sqlite.layer({ filename })))
      return { db, folder, target }
    }),
    ({ db, folder }) =>
      Effect.sync(() => {
        db.close()
        rmSync(folder, { recursive: true })
      })
  )

interface Person {
  readonly name: string
  readonly age: number | bigint | null
  readonly photo: Uint8Array
}

const people = (count: number): Stream.Stream<Person> =>
  Stream.range(0, count - 1).pipe(
    Stream.map((i) => ({ name: i === 7 ? "n6" : `n${i}`, age: i === 3 ? 2n ** 70n : i, photo: Uint8Array.of(97, 98) }))
  )

describe("the loader as a library", () => {
  it.live("loads a stream of typed rows into a table, each once, and what was refused once it is mended", () =>
    Effect.gen(function* () {
      const { db, folder, target } = yield* shop(
        "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, age INT, photo BLOB)"
      )
      const rejects = join(folder, "rejects.ndjson")
      const load = BulkLoader.load("people", people(1000), { job: "people-1", maxRejects: 2, rejects }).pipe(
        Effect.provide(target)
      )
      const first = yield* load
      assert.deepInclude(first, { state: "done", table: "people", rows: 998, rejects: 2, loadedRows: 998 })
      assert.strictEqual(first.verification.outcome, "equal")
      assert.strictEqual((yield* load).loadedRows, 0)

      const lines = readFileSync(rejects, "utf8")
        .trim()
        .split("\n")
        .map((text) => JSON.parse(text))
      assert.deepStrictEqual(
        lines.map(({ column, line }) => [line, column]),
        [
          [4, "age"],
          [8, "name"]
        ]
      )
      const mended = lines.map(({ raw, ...rest }) => ({
        ...rest,
        raw: JSON.stringify({ ...JSON.parse(raw), age: 5, name: `mended ${rest.line}`, photo: "ab" })
      }))
      writeFileSync(rejects, mended.map((line) => JSON.stringify(line)).join("\n"))
      for (const loaded of [2, 0]) {
        const summaries = yield* Effect.provide(redrive(rejects), target)
        assert.deepStrictEqual(
          summaries.map(({ loadedRows }) => loadedRows),
          [loaded]
        )
      }
      const sql = "SELECT COUNT(*) AS n, COUNT(DISTINCT name) AS names, MIN(photo) = x'6162' AS whole FROM people"
      assert.deepStrictEqual({ ...db.prepare(sql).get() }, { n: 1000, names: 1000, whole: 1 })
    })
  )

  it.live("SQLite keeps whole numbers of 64 bits, and what it would keep as another value is refused", () =>
    Effect.gen(function* () {
      const { db, target } = yield* shop(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n BIGINT, d DECIMAL(10,2), at DATETIME, j JSON)"
      )
      const big = 2n ** 63n - 1n
      const good = [
        { id: 2n ** 62n, n: big, d: "1.5", at: "2026-11-24 12:00:00", j: "1.5" },
        { id: 2n ** 62n + 1n, n: -big, d: String(big), at: "20261124", j: "[1.50]" }
      ]
      const bad = [
        { id: 1, n: big + 1n },
        { id: 2, d: "12345678901234567.89" },
        { id: 3, at: "007" },
        { id: 4, j: "1.50" },
        { id: 5, at: "1e400" }
      ]
      const rows = Stream.fromIterable([...good, ...bad])
      const summary = yield* BulkLoader.load("t", rows, {
        job: "numbers",
        maxRejects: 5,
        columns: ["id", "n", "d", "at", "j"]
      }).pipe(Effect.provide(target))
      assert.deepInclude(summary, { state: "done", rows: 2, rejects: 5 })
      assert.strictEqual(summary.verification.outcome, "equal")
      assert.deepStrictEqual(
        db
          .prepare("SELECT CAST(id AS TEXT) || ' ' || n || ' ' || d || ' ' || at || ' ' || j AS row FROM t ORDER BY id")
          .all()
          .map((one) => one.row),
        [
          "4611686018427387904 9223372036854775807 1.5 2026-11-24 12:00:00 1.5",
          "4611686018427387905 -9223372036854775807 9223372036854775807 20261124 [1.50]"
        ]
      )
    })
  )

  it.live("verifies a table of SQLite that has no row ids", () =>
    Effect.gen(function* () {
      const { target } = yield* shop("CREATE TABLE t (a TEXT PRIMARY KEY, b INT) WITHOUT ROWID")
      const rows = Stream.range(1, 12_000).pipe(Stream.map((b) => ({ a: `a${b}`, b })))
      const { verification } = yield* BulkLoader.load("t", rows, { job: "bare" }).pipe(Effect.provide(target))
      assert.deepInclude(verification, { outcome: "equal", rows: 12_000 })
    })
  )

  it.live("takes arrays in the order of the columns that are named", () =>
    Effect.gen(function* () {
      const { db, target } = yield* shop("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INT)")
      const rows = Stream.make([1, "x"] as const, [2, "y"] as const)
      const { rows: loaded } = yield* BulkLoader.load("t", rows, { job: "arrays", columns: ["b", "a"] }).pipe(
        Effect.provide(target)
      )
      assert.strictEqual(loaded, 2)
      assert.deepStrictEqual({ ...db.prepare("SELECT SUM(b) AS b, MAX(a) AS a FROM t").get() }, { b: 3, a: "y" })
    })
  )
})
