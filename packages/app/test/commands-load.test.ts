import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { stripVTControlCharacters } from "node:util"
import { gzipSync } from "node:zlib"
import { NodeServices } from "@effect/platform-node"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Redrive from "@sluice/bulk-load/Redrive"
import { Cause, Console, Effect, Exit as Result } from "effect"
import { Command } from "effect/cli"
import { TestConsole } from "effect/testing"
import { load } from "../src/commands/load.ts"
import { Exit, run } from "../src/commands/run.ts"
import { lock } from "../src/DataDir.ts"
import { databaseOf } from "../src/load/Database.ts"
import * as Job from "../src/load/Job.ts"
import { clock, line } from "../src/load/Progress.ts"

const folder = mkdtempSync(join(tmpdir(), "sluice-load-"))
afterAll(() => rmSync(folder, { recursive: true }))

const root = Command.make("sluice").pipe(Command.withSubcommands([load]))

const sluice = (...argv: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const console = yield* TestConsole.make
    const result = yield* run(root, { version: "1.2.3" })(["load", ...argv]).pipe(
      Effect.provideService(Console.Console, console),
      Effect.provide(NodeServices.layer),
      Effect.exit
    )
    const error = Result.isSuccess(result) ? undefined : Cause.squash(result.cause)
    return {
      code: error === undefined ? 0 : error instanceof Exit ? error.code : error,
      out: stripVTControlCharacters((yield* console.logLines).join("\n")),
      err: stripVTControlCharacters((yield* console.errorLines).join("\n"))
    }
  })

let files = 0
const file = (name: string, content: string | Uint8Array): string => {
  const path = join(folder, `${files++}-${name}`)
  writeFileSync(path, content)
  return path
}

const database = () => {
  const path = file("target.db", "")
  const query = (sql: string) => {
    const db = new DatabaseSync(path)
    try {
      return db
        .prepare(sql)
        .all()
        .map((row) => ({ ...row }))
    } finally {
      db.close()
    }
  }
  query("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL, n INT)")
  return { path, query, rows: () => query("SELECT name, n FROM t ORDER BY id") }
}

const hostile = '\ufeffname,n\r\nplain,1\r\n"quo""ted\nand, more",2\nfew\nmany,1,2\nword,three\n"",4\nnone,\n'
const good = [
  { name: "plain", n: 1 },
  { name: 'quo"ted\nand, more', n: 2 },
  { name: "", n: 4 },
  { name: "none", n: null }
]

describe("sluice load", () => {
  it.live("lands a hostile CSV to the letter, with exactly the bad rows set aside, and once mended those as well", () =>
    Effect.gen(function* () {
      const db = database()
      const csv = file("hostile.csv", hostile)
      const bad = join(folder, "bad.ndjson")
      const first = yield* sluice("t", csv, "--database", db.path, "--job", "h", "--max-rejects", "3", "--rejects", bad)
      assert.strictEqual(first.code, 0, first.err)
      assert.match(first.out, /^done\n[\s\S]*^rows +4$[\s\S]*^rejects +3, in /m)
      assert.deepStrictEqual(db.rows(), good)
      const rejects = readFileSync(bad, "utf8")
        .trim()
        .split("\n")
        .map((text) => JSON.parse(text))
      assert.deepStrictEqual(
        rejects.map(({ job, line, raw }) => [job, line, raw]),
        [
          ["h", 5, "few"],
          ["h", 6, "many,1,2"],
          ["h", 7, "word,three"]
        ]
      )
      const mended = rejects.map((reject) => ({ ...reject, raw: `${reject.raw.split(",")[0]},9` }))
      const file2 = file("mended.ndjson", mended.map((reject) => JSON.stringify(reject)).join("\n"))
      for (const loaded of ["3", "0"]) {
        const again = yield* sluice("redrive", file2, "--database", db.path, "--json")
        assert.strictEqual(again.code, 0, again.err)
        assert.strictEqual(String(JSON.parse(again.out.split("\n").at(-1)!).loadedRows), loaded)
      }
      assert.deepStrictEqual(db.rows(), [...good, ...["few", "many", "word"].map((name) => ({ name, n: 9 }))])
    })
  )

  it.live("what the database refused has its values when it is loaded again, however the source wrote them", () =>
    Effect.gen(function* () {
      const sources = [
        ["a.csv", 'id;a;b\n1;x;\n1;nil;"z;"""\n1;"nil";nil\n1;"\\N";ff\n', ["--delimiter", ";", "--null", "nil"]],
        [
          "a.ndjson",
          '{"id":1,"a":"x","b":""}\n{"id":1,"a":null,"b":"z;\\""}\n{"id":1,"a":"nil","b":null}\n{"id":1,"a":"\\\\N","b":"ff"}\n',
          []
        ]
      ] as const
      for (const [name, text, flags] of sources) {
        const db = database()
        db.query("CREATE TABLE u (id INTEGER PRIMARY KEY, a TEXT, b BLOB)")
        const bad = join(folder, `${name}.rejects`)
        const input = file(name, text)
        const first = yield* sluice("u", input, ...flags, "--database", db.path, "--max-rejects", "3", "--rejects", bad)
        assert.strictEqual(first.code, 0, first.err)
        db.query("UPDATE u SET id = 100")
        const lines = readFileSync(bad, "utf8").trim().split("\n")
        const mended = lines.map((line, i) => line.replace(/"raw":"(\{\\"id\\":\\"|\{\\"id\\":)?1/, `"raw":"$1${i + 2}`))
        const again = yield* sluice("redrive", file(`${name}.mended`, mended.join("\n")), ...flags, "--database", db.path)
        assert.strictEqual(again.code, 0, again.err)
        assert.deepStrictEqual(db.query("SELECT a, CAST(b AS TEXT) AS b FROM u WHERE id < 100 ORDER BY id"), [
          { a: null, b: 'z;"' },
          { a: "nil", b: null },
          { a: "\\N", b: "ff" }
        ])
      }
    })
  )

  it.live("a raw that is not all of the row is not loaded again as if it were", () =>
    Effect.gen(function* () {
      for (const [value, reason] of [
        [Buffer.from("a\xff,x\n", "latin1"), "not UTF-8"],
        [Buffer.from(`${"a".repeat(70_000)},x\n`), "cut short"]
      ] as const) {
        const db = database()
        const bad = join(folder, "incomplete.ndjson")
        rmSync(bad, { force: true })
        const input = file("incomplete.csv", Buffer.concat([Buffer.from("name,n\n"), value]))
        const first = yield* sluice("t", input, "--database", db.path, "--max-rejects", "1", "--rejects", bad)
        assert.strictEqual(first.code, 0, first.err)
        const again = yield* sluice("redrive", bad, "--database", db.path)
        assert.strictEqual(again.code, 2)
        assert.include(again.err, `its raw is ${reason}`)
      }
    })
  )

  it.live("stops at one bad row too many with how to go on, and goes on", () =>
    Effect.gen(function* () {
      const db = database()
      const csv = file("bad.csv", hostile)
      const stopped = yield* sluice("t", csv, "--database", db.path)
      assert.strictEqual(stopped.code, 1)
      assert.match(stopped.err, /to go on: the same command again with --max-rejects above 0 \(job t:\d+-bad\.csv:[0-9a-f]{6}\)/)
      assert.match(stopped.err, /more than 0 rows were refused; 0 rows are loaded and stay\n {2}line 5/)
      assert.deepStrictEqual(db.rows(), [])
      assert.strictEqual((yield* sluice("t", csv, "--database", db.path, "--max-rejects", "3")).code, 0)
      assert.deepStrictEqual(db.rows(), good)
    })
  )

  it.live("loads the same file once, and refuses one that has changed", () =>
    Effect.gen(function* () {
      const db = database()
      const csv = file("same.csv", "name\na\n")
      assert.strictEqual((yield* sluice("t", csv, "--database", db.path)).code, 0)
      const again = yield* sluice("t", csv, "--database", db.path)
      assert.deepStrictEqual([again.code, /skipped: the job was done already/.test(again.out)], [0, true])
      writeFileSync(csv, "name\na\nb\n")
      const changed = yield* sluice("t", csv, "--database", db.path)
      assert.strictEqual(changed.code, 1)
      assert.match(changed.err, /began with another source/)
      assert.notInclude(changed.err, "to go on: the same command")
      assert.deepStrictEqual(db.rows(), [{ name: "a", n: null }])
    })
  )

  it.live("reads NDJSON and what is packed, columns by name, other delimiters and NULL texts", () =>
    Effect.gen(function* () {
      const db = database()
      const cases: ReadonlyArray<ReadonlyArray<string>> = [
        [file("a.ndjson", '{"n":1,"name":"a"}\n{"name":"b","n":null}\n')],
        [file("b.csv.gz", gzipSync("name,n\nc,3\n"))],
        [file("c.txt", "4;d\nnix;e\n"), "--no-header", "--columns", "n,name", "--delimiter", ";", "--null", "nix"],
        [file("d.tsv", "name\tn\nf\t6\n"), "--delimiter", "tab"]
      ]
      for (const argv of cases) {
        const { code, err } = yield* sluice("t", ...argv, "--database", db.path)
        assert.strictEqual(code, 0, err)
      }
      assert.deepStrictEqual(
        db.rows().map(({ n, name }) => `${name}${n}`),
        ["a1", "bnull", "c3", "d4", "enull", "f6"]
      )
    })
  )

  it.live("with --dry-run looks at everything and stores nothing", () =>
    Effect.gen(function* () {
      const db = database()
      const { code, out } = yield* sluice("t", file("dry.csv", hostile), "--database", db.path, "--dry-run", "--json")
      assert.strictEqual(code, 1)
      const events = out.split("\n").map((text) => JSON.parse(text))
      assert.deepInclude(events.at(-1), { event: "summary", state: "dry_run", rows: 4, rejects: 3 })
      assert.deepStrictEqual(db.rows(), [])
      assert.strictEqual((yield* sluice("t", file("fine.csv", "name\na\n"), "--database", db.path, "--dry-run")).code, 0)
    })
  )

  it.live("makes the same rows from the same seed", () =>
    Effect.gen(function* () {
      const make = Effect.fnUntraced(function* (seed: string) {
        const db = database()
        db.query("CREATE TABLE users (id BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, age INT NOT NULL, level TEXT NOT NULL)")
        const argv = ["--generate", "users", "--rows", "500", "--seed", seed, "--database", db.path]
        const { code, err } = yield* sluice("users", ...argv)
        assert.strictEqual(code, 0, err)
        return db.query("SELECT * FROM users ORDER BY id")
      })
      const rows = yield* make("7")
      assert.strictEqual(rows.length, 500)
      assert.deepStrictEqual(yield* make("7"), rows)
      assert.notDeepEqual(yield* make("8"), rows)
    })
  )

  it.live("refuses wrong usage with 2 before it stores anything", () =>
    Effect.gen(function* () {
      const db = database()
      const csv = file("usage.csv", "name\na\n")
      const cases: ReadonlyArray<readonly [RegExp, ...ReadonlyArray<string>]> = [
        [/no table nosuch/, "nosuch", csv],
        [/no column "zip"/, "t", csv, "--columns", "zip"],
        [/no value for name/, "t", csv, "--columns", "n"],
        [/ENOENT/, "t", join(folder, "missing.csv")],
        [/one ASCII character/, "t", csv, "--delimiter", "ab"],
        [/Expected 1 to 120/, "t", csv, "--job", "a b"],
        [/--rows/, "t", "--generate", "users"],
        [/not both/, "t", csv, "--generate", "users", "--rows", "1"],
        [/needs the file/, "redrive"],
        [/is not a reject/, "redrive", csv],
        [/--rejects names the file/, "t", csv, "--rejects", csv],
        [/max-rejects/, "t", csv, "--max-rejects", "-1"]
      ]
      for (const [expected, ...argv] of cases) {
        const { code, err } = yield* sluice(...argv, "--database", db.path)
        assert.deepStrictEqual([code, expected.test(err)], [2, true], `${argv.join(" ")}: ${err}`)
      }
      assert.match((yield* sluice("t", csv, "--database", join(folder, "none.db"))).err, /there is no SQLite file/)
      assert.deepStrictEqual(db.rows(), [])
    })
  )
})

describe("the database of a load", () => {
  const secret = "hunter2-hunter2"
  const url = `mysql://u:${secret}@db:3307/shop`
  const of = (env: Record<string, string>, flag?: string) =>
    Effect.map(Effect.result(databaseOf(env, flag)), (result) =>
      result._tag === "Success" ? `${result.success.kind} ${result.success.name}` : result.failure.message
    )

  it.effect("is MariaDB where its address is set, of which nothing secret is told", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* of({ SLUICE_MARIADB_URL: url }), "mariadb MariaDB db:3307/shop")
      assert.strictEqual(yield* of({ SLUICE_ENGINES: "cluster", SLUICE_MARIADB_URL: url }), "mariadb MariaDB db:3307/shop")
      const inFile = { SLUICE_MARIADB_URL_FILE: file("url", `${url}\n`) }
      assert.strictEqual(yield* of(inFile), "mariadb MariaDB db:3307/shop")
      assert.match(yield* of({ ...inFile, SLUICE_MARIADB_URL: url }), /both set/)
      for (const wrong of [`mysql://u:${secret}@db`, `redis://u:${secret}@db/0`, secret]) {
        const told = yield* of({ SLUICE_MARIADB_URL: wrong })
        assert.match(told, /value \(not shown\)/)
        assert.notInclude(told, secret)
      }
      assert.match(yield* of({ SLUICE_ENGINES: "cluster" }), /SLUICE_MARIADB_URL is missing/)
      assert.match(yield* of({ SLUICE_ENGINES: "both" }), /"both" is not understood/)
    })
  )

  it.live("is else the file of the data folder, unless a server holds it", () =>
    Effect.gen(function* () {
      const dataDir = mkdtempSync(join(folder, "data-"))
      const env = { SLUICE_DATA_DIR: dataDir, SLUICE_MARIADB_URL: url, SLUICE_ENGINES: "embedded" }
      const own = join(dataDir, "sluice.db")
      assert.match(yield* of(env), /no database at .* yet: start Sluice once/)
      new DatabaseSync(own).exec("CREATE TABLE t (name TEXT)")
      assert.strictEqual(yield* of(env), `sqlite SQLite ${own}`)
      process.env.SLUICE_DATA_DIR = dataDir
      yield* Effect.addFinalizer(() => Effect.sync(() => delete process.env.SLUICE_DATA_DIR))
      const csv = file("own.csv", "name\na\n")
      const held = yield* Effect.scoped(Effect.andThen(lock(dataDir), sluice("t", csv, "--database", own)))
      assert.deepStrictEqual([held.code, /another Sluice runs on it/.test(held.err)], [2, true], held.err)
      assert.strictEqual((yield* sluice("t", csv, "--database", own)).code, 0)
    }).pipe(Effect.scoped)
  )
})

describe("what a load shows", () => {
  it("is one line with a bar, its rates and what is left", () => {
    const begun = { rows: 1000, rejects: 0, position: 10_000_000 }
    const now = { rows: 201_000, rejects: 2, position: 50_000_000 }
    const scale = { size: 100_000_000, unit: "bytes" } as const
    assert.strictEqual(
      line(now, begun, 2, scale, 104_857_600, true),
      "[############------------]  50%  201,000 rows  100,000 rows/s  20.0 MB/s  3 s left  2 rejects  100 MB"
    )
    assert.strictEqual(
      line(now, begun, 0, { size: undefined, unit: "bytes" }, 104_857_600, true),
      "201,000 rows  0 rows/s  0.0 MB/s  2 rejects  100 MB"
    )
    assert.deepStrictEqual([0.2, 61, 7265].map(clock), ["1 s", "1 m 01 s", "2 h 01 m"])
  })

  it("are names of jobs that are the same for the same table and file", () => {
    const name = Job.jobOfFile("users", "/data/a b.csv")
    assert.match(name, /^users:a_b\.csv:[0-9a-f]{6}$/)
    assert.strictEqual(Job.jobOfFile("users", "/data/../data/a b.csv"), name)
    assert.notStrictEqual(Job.jobOfFile("users", "/other/a b.csv"), name)
    for (const made of [
      name,
      Job.jobOfFile("_t", "x".repeat(300)),
      Job.jobOfStdin("ü", new Date(0)),
      Redrive.jobOf({ job: "j".repeat(120), digest: "abcdef01", kinds: ["ndjson"] }, "ndjson")
    ]) {
      assert.isTrue(Job.isJobName(made), made)
    }
  })
})
