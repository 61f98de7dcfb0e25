/** What every target of a load keeps, whatever the source. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { BulkLoader, LoadTarget, RowSource, TextSource } from "@sluice/bulk-load"
import { Effect, type Layer, Stream } from "effect"

export interface Target {
  readonly layer: Layer.Layer<LoadTarget, unknown>
  /** Runs a statement outside of the loader, gives rows. */
  readonly query: (sql: string) => Promise<ReadonlyArray<Record<string, unknown>>>
}

const createPeople = (id: string) =>
  `CREATE TABLE people (id ${id}, name VARCHAR(20) NOT NULL, email VARCHAR(60), age INTEGER, CONSTRAINT one_email UNIQUE (email))`

export const suite = (
  name: string,
  acquire: () => Promise<{ readonly target: Target; readonly release: () => Promise<void> }>,
  id: string
) =>
  describe(`loading into ${name}`, () => {
    const run = <A, E>(
      test: (options: {
        readonly target: Target
        readonly file: (name: string, text: string | Uint8Array) => string
        readonly folder: string
        readonly load: (
          path: string,
          options?: Partial<BulkLoader.LoadOptions>,
          text?: Partial<TextSource.TextOptions>
        ) => Effect.Effect<BulkLoader.LoadSummary, BulkLoader.LoadFailure, LoadTarget>
      }) => Effect.Effect<A, E, LoadTarget>
    ) =>
      Effect.scoped(
        Effect.gen(function* () {
          const { target } = yield* Effect.acquireRelease(Effect.promise(acquire), ({ release }) => Effect.promise(release))
          const folder = yield* Effect.acquireRelease(
            Effect.sync(() => mkdtempSync(join(tmpdir(), "sluice-load-"))),
            (path) => Effect.sync(() => rmSync(path, { recursive: true }))
          )
          yield* Effect.promise(() => target.query(createPeople(id)))
          const file = (name: string, text: string | Uint8Array) => {
            const path = join(folder, name)
            writeFileSync(path, text)
            return path
          }
          const load = (
            path: string,
            options: Partial<BulkLoader.LoadOptions> = {},
            text: Partial<TextSource.TextOptions> = {}
          ) =>
            Effect.flatMap(TextSource.fromFile(path, { ...TextSource.formatOf(path), ...text }), (source) =>
              BulkLoader.load(source, { table: "people", job: "job", ...options })
            )
          return yield* Effect.provide(test({ target, file, folder, load }), target.layer)
        })
      )
    const rows = (target: Target, sql = "SELECT name, email, age FROM people ORDER BY id") =>
      Effect.promise(async () => (await target.query(sql)).map((row) => Object.values(row)))

    it.live("every row as it is, NULL and all, with contiguous ids, verified", () =>
      run(({ file, load, target }) =>
        Effect.gen(function* () {
          const path = file(
            "people.csv",
            '\ufeffname,email,age\r\n"O""Hara, Ann",a@x,30\r\n김수현,\\N,\n"two\nlines\t\\ ",b@x,-5\r\n\r\n"\\N",c@x,007'
          )
          const summary = yield* load(path)
          assert.deepInclude(summary, { state: "done", rows: 4, rejects: 0, loadedRows: 4, firstId: 1, lastId: 4 })
          assert.deepStrictEqual(summary.verification, { outcome: "equal", rows: 4, leftOut: [] })
          assert.deepStrictEqual(yield* rows(target), [
            ['O"Hara, Ann', "a@x", 30],
            ["김수현", null, null],
            ["two\nlines\t\\ ", "b@x", -5],
            ["\\N", "c@x", 7]
          ])
        })
      )
    )

    it.live("exactly the bad rows are set aside, each with line, column, reason and raw text", () =>
      run(({ file, folder, load, target }) =>
        Effect.gen(function* () {
          const path = file(
            "people.csv",
            Buffer.concat([
              Buffer.from("name,email,age\nfine,1@x,1\ntoo,few\ntoo,many,1,2\nold,2@x,abc\nlarge,3@x,99999999999999999999\n"),
              Buffer.from("this name is longer than twenty,4@x,1\n\\N,5@x,1\nbro"),
              Buffer.from([0xff, 0xfe]),
              Buffer.from(',6@x,1\nquo"te,7@x,1\n"closed"x,8@x,1\nlast,9@x,2\n"open,10@x,3\nafter,11@x,4\n')
            ])
          )
          const rejects = join(folder, "rejects.ndjson")
          const summary = yield* load(path, { maxRejects: 100, rejects })
          assert.deepInclude(summary, { state: "done", rows: 3, rejects: 10 })
          assert.deepStrictEqual(
            (yield* rows(target)).map(([name]) => name),
            ["fine", "last", "after"]
          )
          const written = readFileSync(rejects, "utf8")
            .trim()
            .split("\n")
            .map((line) => JSON.parse(line))
          assert.deepStrictEqual(
            written.map(({ column, line }) => [line, column]),
            [
              [3, null],
              [4, null],
              [5, "age"],
              [6, "age"],
              [7, "name"],
              [8, "name"],
              [9, "name"],
              [10, "name"],
              [11, "name"],
              [13, null]
            ]
          )
          assert.strictEqual(written[0].raw, "too,few")
          assert.include(written[9].reason, "never closed")
        })
      )
    )

    it.live("rows that the database refuses stand alone in the end; of two that exclude each other the first stays", () =>
      run(({ file, folder, load, target }) =>
        Effect.gen(function* () {
          const lines = Array.from({ length: 9000 }, (_, i) => `n${i},${i === 5000 || i === 8999 ? 17 : i}@x,${i % 100}`)
          const path = file("people.csv", `name,email,age\n${lines.join("\n")}\n`)
          const rejects = join(folder, "rejects.ndjson")
          const summary = yield* load(path, { maxRejects: 2, rejects })
          assert.deepInclude(summary, { state: "done", rows: 8998, rejects: 2 })
          assert.strictEqual(summary.verification.outcome, "equal")
          const written = readFileSync(rejects, "utf8")
            .trim()
            .split("\n")
            .map((line) => JSON.parse(line))
          assert.deepStrictEqual(
            written.map(({ line, raw }) => [line, raw]),
            [
              [5002, "n5000,17@x,0"],
              [9001, "n8999,17@x,99"]
            ]
          )
          const [count] = yield* rows(target, "SELECT COUNT(*), COUNT(DISTINCT email) FROM people")
          assert.deepStrictEqual(count!.map(Number), [8998, 8998])
        })
      )
    )

    it.live("one reject too many stops the job; what was committed stays, and with a higher limit it goes on", () =>
      run(({ file, folder, load, target }) =>
        Effect.gen(function* () {
          const lines = Array.from({ length: 10_000 }, (_, i) => (i === 6000 ? "bad,row" : `n${i},${i}@x,1`))
          const path = file("people.csv", `name,email,age\n${lines.join("\n")}\n`)
          const rejects = join(folder, "rejects.ndjson")
          const failed = yield* Effect.flip(load(path, { chunkRows: 1000, rejects }))
          assert.strictEqual(failed._tag, "TooManyRejects")
          assert.include(failed.message, "line 6002")
          const [before] = yield* rows(target, "SELECT COUNT(*) FROM people")
          assert.isBelow(Number(before![0]), 6000)
          const job = yield* LoadTarget.use(({ find }) => find("job"))
          assert.deepInclude(job, { state: "failed", rows: Number(before![0]) })
          const summary = yield* load(path, { chunkRows: 1000, rejects, maxRejects: 1 })
          assert.deepInclude(summary, { state: "done", rows: 9999, rejects: 1, loadedRows: 9999 - Number(before![0]) })
          assert.strictEqual(readFileSync(rejects, "utf8").trim().split("\n").length, 1)
          const [after] = yield* rows(target, "SELECT COUNT(DISTINCT email) FROM people")
          assert.strictEqual(Number(after![0]), 9999)
        })
      )
    )

    it.live("stopped between two chunks it goes on where it was; done twice it loads nothing", () =>
      run(({ file, load, target }) =>
        Effect.gen(function* () {
          const lines = Array.from({ length: 60_000 }, (_, i) => `n${i},${i}@x,1`)
          const path = file("people.csv", `name,email,age\n${lines.join("\n")}\n`)
          let chunks = 0
          const first = yield* load(path, { chunkRows: 5000, stopRequested: () => ++chunks === 2 })
          assert.strictEqual(first.state, "stopped")
          assert.isAbove(first.rows, 0)
          assert.isBelow(first.rows, 60_000)
          const second = yield* load(path, { chunkRows: 5000 })
          assert.deepInclude(second, { state: "done", rows: 60_000, loadedRows: 60_000 - first.rows })
          assert.deepInclude(yield* load(path), { state: "done", rows: 60_000, loadedRows: 0 })
          const [count] = yield* rows(target, "SELECT COUNT(*), COUNT(DISTINCT email) FROM people")
          assert.deepStrictEqual(count!.map(Number), [60_000, 60_000])
        })
      )
    )

    it.live("a source that has changed since is refused", () =>
      run(({ file, load }) =>
        Effect.gen(function* () {
          yield* load(file("people.csv", "name,email,age\na,a@x,1\n"), { stopRequested: () => true })
          const error = yield* Effect.flip(load(file("people.csv", "name,email,age\nb,b@x,1\n")))
          assert.include(error.message, "began with another source")
        })
      )
    )

    it.live("columns that are not there, named twice or left out are refused before anything is stored", () =>
      run(({ file, load }) =>
        Effect.gen(function* () {
          for (const [header, reason] of [
            ["name,mail", "no column"],
            ["name,Name", "twice"],
            ["email,age", "no value for name"]
          ] as const) {
            const error = yield* Effect.flip(load(file("people.csv", `${header}\na,b\n`)))
            assert.include(error.message, reason)
          }
          assert.include((yield* Effect.flip(load(file("empty.csv", "")))).message, "empty")
          assert.include((yield* Effect.flip(load(file("x.csv", "name\nx\n"), { table: "nobody" }))).message, "no table")
        })
      )
    )

    it.live("NDJSON, and the rows of a program", () =>
      run(({ file, load, target }) =>
        Effect.gen(function* () {
          const path = file(
            "people.ndjson",
            '{"name":"a","email":null,"age":3}\n{"age":1e0,"name":"b"}\nnope\n{"name":"c","x":1}\n'
          )
          assert.deepInclude(yield* load(path, { maxRejects: 3 }), { rows: 1, rejects: 3 })
          const rowsOfProgram = Stream.range(1, 10_000).pipe(Stream.map((i) => ({ name: `p${i}`, age: i })))
          const source = RowSource.fromRows(rowsOfProgram, { columns: ["name", "age"] })
          const summary = yield* BulkLoader.load(source, { table: "people", job: "rows" })
          assert.deepInclude(summary, { state: "done", rows: 10_000 })
          const [count] = yield* rows(target, "SELECT COUNT(*), SUM(age) FROM people WHERE name LIKE 'p%'")
          assert.deepStrictEqual(count!.map(Number), [10_000, 50_005_000])
        })
      )
    )

    it.live("a dry run stores nothing and says what would be refused", () =>
      run(({ file, load, target }) =>
        Effect.gen(function* () {
          const summary = yield* load(file("people.csv", "name,email,age\na,a@x,1\nb,b@x,x\n"), { dryRun: true, maxRejects: 1 })
          assert.deepInclude(summary, { state: "dry_run", rows: 1, rejects: 1, loadedRows: 0 })
          assert.lengthOf(yield* rows(target), 0)
        })
      )
    )

    it.live("two loaders of one job: the second is told", () =>
      run(() =>
        Effect.gen(function* () {
          const target = yield* LoadTarget
          const start = { job: "job", table: "people", source: "s", identity: "i", columns: ["name"] }
          const table = yield* target.describe(start.table)
          yield* target.open(start, table)
          assert.isTrue((yield* target.find("job"))?.isHeld)
          const error = yield* Effect.flip(Effect.scoped(target.open(start, table)))
          assert.include(error.message, "another loader")
        }).pipe(Effect.scoped)
      )
    )
  })
