import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { stripVTControlCharacters } from "node:util"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Cause, ConfigProvider, Console, Data, Effect, Exit as Result, Runtime } from "effect"
import { Command } from "effect/cli"
import { TestConsole } from "effect/testing"
import { subcommandsFor } from "../src/commands/index.ts"
import { list, plain, table } from "../src/commands/Output.ts"
import { Exit, run } from "../src/commands/run.ts"
import { type DropOptions, drop } from "./rushServer.ts"

const adminKey = "an-admin-key-of-at-least-32-characters"

class Broken extends Data.TaggedError("Broken")<{ readonly message: string }> {}
class Misconfigured extends Data.TaggedError("Misconfigured")<{ readonly message: string }> {
  override readonly [Runtime.errorExitCode] = 2
}

const failing = Command.make("fail", {}, () => Effect.fail(new Broken({ message: "it broke" })))
const misconfigured = Command.make("misconfigured", {}, () =>
  Effect.fail(new Misconfigured({ message: "SLUICE_PORT is no port" }))
)
const dying = Command.make("die", {}, () => Effect.die(new Error("a bug")))
const root = Command.make("sluice").pipe(Command.withSubcommands([...(await subcommandsFor([])), failing, misconfigured, dying]))

/** What a command line prints, and its exit code. */
const sluice = (argv: ReadonlyArray<string>, env: Record<string, string> = {}) =>
  Effect.gen(function* () {
    const console = yield* TestConsole.make
    const result = yield* run(root, { version: "1.2.3" })(argv).pipe(
      Effect.provideService(Console.Console, console),
      Effect.provide([NodeServices.layer, ConfigProvider.layer(ConfigProvider.fromEnv({ env }))]),
      Effect.exit
    )
    const error = Result.isSuccess(result) ? undefined : Cause.squash(result.cause)
    return {
      code: error === undefined ? 0 : error instanceof Exit ? error.code : error,
      out: stripVTControlCharacters((yield* console.logLines).join("\n")),
      err: stripVTControlCharacters((yield* console.errorLines).join("\n"))
    }
  })

const serving = (options: Partial<DropOptions> = {}) =>
  drop({ stock: 20, perSecond: 1000, adminKey, campaignId: "spring", ...options })

const tempDir = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "sluice-commands-"))),
  (dir) => Effect.sync(() => rmSync(dir, { recursive: true }))
)

const nobody = "http://127.0.0.1:1"

/** An address where somebody was, and nobody is. */
const gone = Effect.map(Effect.scoped(serving()), ({ url }) => url)

describe("exit codes", () => {
  for (const argv of [["--help"], ["campaign", "--help"], ["--version"], ["campaign"], []]) {
    it.live(`0: ${["sluice", ...argv].join(" ")}`, () =>
      Effect.gen(function* () {
        const { code, err, out } = yield* sluice(argv)
        assert.strictEqual(code, 0)
        assert.strictEqual(err, "")
        assert.isNotEmpty(out)
      })
    )
  }

  for (const argv of [
    ["nonsense"],
    ["campaign", "create", "spring"],
    ["campaign", "create", "spring", "--stock", "0", "--rate", "1"],
    ["campaign", "show", "../secrets"],
    ["campaign", "show", "spring", "--url", "ftp://x"],
    ["campaign", "show", "spring", "--colour"],
    ["campaign", "close", "spring", "--at", "tomorrow"],
    ["rush", "--users", "many"],
    ["rush", "--sse", "2"],
    ["dlq", "list", "--topic", "other"],
    ["dlq", "replay", "--limit", "0"]
  ]) {
    it.live(`2, nothing on stdout: ${["sluice", ...argv].join(" ")}`, () =>
      Effect.gen(function* () {
        const { code, err, out } = yield* sluice(argv, { SLUICE_URL: nobody })
        assert.strictEqual(code, 2)
        assert.strictEqual(out, "")
        assert.match(err, /^error: .+\nSee `sluice.* --help`\.$/su)
      })
    )
  }

  it.live("2 for a port that is none", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* sluice(["campaign", "list"], { SLUICE_PORT: "abc" })).code, 2)
    })
  )

  it.live("1 for a failure, with its message and no stack", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* sluice(["fail"]), { code: 1, out: "", err: "error: it broke" })
    })
  )

  it.live("the error's own, where it has one", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* sluice(["misconfigured"]), { code: 2, out: "", err: "error: SLUICE_PORT is no port" })
    })
  )

  it.live("1 for a bug, with its stack", () =>
    Effect.gen(function* () {
      const { code, err } = yield* sluice(["die"])
      assert.strictEqual(code, 1)
      assert.match(err, /a bug\n\s+at /)
    })
  )
})

describe("what was meant", () => {
  for (const [line, meant] of [
    ["docter", "doctor"],
    ["campain list", "campaign"],
    ["campaign lst", "list"],
    ["rush --user 5", "--users"],
    ["doctor --jsn", "--json"],
    ["orders verfiy", "verify"],
    ["--hlep", "--help"],
    ["load --versoin", "--version"]
  ] as const) {
    it.live(`${line}: ${meant}`, () =>
      Effect.gen(function* () {
        const { code, err, out } = yield* sluice(line.split(" "))
        assert.strictEqual(code, 2)
        assert.strictEqual(out, "")
        assert.match(err, new RegExp(`Did you mean this\\?\n +${meant}\n`))
      })
    )
  }

  it.live("nothing, where nothing is near", () =>
    Effect.gen(function* () {
      assert.notInclude((yield* sluice(["nonsense"])).err, "Did you mean")
    })
  )
})

describe("help", () => {
  const paths = [
    ...["create", "list", "show", "open", "pause", "rate", "stock", "close", "reconcile"].map((name) => ["campaign", name]),
    ["dlq", "list"],
    ["dlq", "replay"],
    ["rush"]
  ]
  for (const path of paths) {
    it.live(`${path.join(" ")}: description and examples`, () =>
      Effect.gen(function* () {
        const { out } = yield* sluice([...path, "--help"])
        assert.match(out, /DESCRIPTION\n +\S/)
        assert.match(out, new RegExp(`EXAMPLES\n(.*\n)* +sluice ${path.join(" ")}`))
      })
    )
  }
})

describe("campaign", () => {
  it.live("show, as text and as JSON", () =>
    Effect.gen(function* () {
      const { url } = yield* serving()
      const text = yield* sluice(["campaign", "show", "spring"], { SLUICE_URL: `${url}/` })
      assert.strictEqual(text.code, 0)
      assert.match(text.out, /^stock +20 = 20 remaining \+ 0 issuing \+ 0 issued \+ 0 dead$/m)
      const { err, out } = yield* sluice(["campaign", "show", "spring", "--url", url, "--json"])
      assert.strictEqual(JSON.parse(out).remaining, 20)
      assert.strictEqual(err, "")
    })
  )

  it.live("finds the server by SLUICE_PORT", () =>
    Effect.gen(function* () {
      const { url } = yield* serving()
      assert.strictEqual((yield* sluice(["campaign", "show", "spring"], { SLUICE_PORT: new URL(url).port })).code, 0)
    })
  )

  it.live("a problem is its title, its detail and its fields", () =>
    Effect.gen(function* () {
      const { url } = yield* serving()
      const lower = yield* sluice(["campaign", "stock", "spring", "5"], { SLUICE_URL: url, SLUICE_ADMIN_KEY: adminKey })
      assert.deepStrictEqual(lower, { code: 1, out: "", err: "error: Refused: Because.\n  stock: only up" })
    })
  )

  for (const [times, reason] of [
    [["--opens-at", "2999-01-02T00:00:00Z", "--closes-at", "2999-01-01T00:00:00Z"], "not after --opens-at"],
    [["--closes-at", "2020-01-01T00:00:00Z"], "over already"]
  ] as const) {
    it.live(`create: a closing that is ${reason} is wrong usage, with an example, and not sent`, () =>
      Effect.gen(function* () {
        const { requests, url } = yield* serving()
        const env = { SLUICE_URL: url, SLUICE_ADMIN_KEY: adminKey }
        const { code, err } = yield* sluice(["campaign", "create", "new", "--stock", "5", "--rate", "1", ...times], env)
        assert.strictEqual(code, 2)
        assert.include(err, `--closes-at ${JSON.stringify(times.at(-1))} is ${reason}`)
        const example = /for example --closes-at (\S+)$/.exec(err)![1]!
        assert.isAbove(Date.parse(example), Date.parse(times[0] === "--opens-at" ? times[1] : new Date().toISOString()))
        assert.deepStrictEqual(requests, [])
      })
    )
  }

  it.live("open and pause fail for one that is closed; close leaves it as it is", () =>
    Effect.gen(function* () {
      const { requests, url } = yield* serving({ closedAt: "2026-11-24T12:00:00.000Z" })
      const env = { SLUICE_URL: url, SLUICE_ADMIN_KEY: adminKey }
      for (const asked of ["open", "pause"]) {
        const { code, err, out } = yield* sluice(["campaign", asked, "spring"], env)
        assert.strictEqual(code, 1)
        assert.match(out, /^state +closed$/m)
        assert.match(err, /The campaign spring closed at 2026-11-24T12:00:00.000Z: it can't be (opened|paused)/)
      }
      requests.length = 0
      const { code, err, out } = yield* sluice(["campaign", "close", "spring"], env)
      assert.strictEqual(code, 0)
      assert.match(err, /closed already, since 2026-11-24T12:00:00.000Z/)
      assert.match(out, /^closes +2026-11-24T12:00:00.000Z$/m)
      assert.isFalse(requests.some((line) => line.startsWith("PATCH")))
    })
  )

  it.live("nobody there: says what to do", () =>
    Effect.gen(function* () {
      const url = yield* gone
      const { code, err } = yield* sluice(["campaign", "list"], { SLUICE_URL: url })
      assert.strictEqual(code, 1)
      assert.strictEqual(
        err,
        `error: No answer from ${url} (ECONNREFUSED).\nStart a server with \`npm start\`, or name a running one with --url or SLUICE_URL.`
      )
    })
  )

  it.live("something else there: says so", () =>
    Effect.gen(function* () {
      const { url } = yield* serving({
        before: (_req, res) => {
          res.end("<h1>It works!</h1>")
          return true
        }
      })
      const { code, err } = yield* sluice(["campaign", "show", "spring"], { SLUICE_URL: url })
      assert.strictEqual(code, 1)
      assert.match(err, /is it a Sluice/)
    })
  )
})

describe("the admin key", () => {
  const create = ["campaign", "create", "new", "--stock", "5", "--rate", "1", "--json"]

  it.live("comes from a file, or from the data folder of this machine's server", () =>
    Effect.gen(function* () {
      const { url } = yield* serving()
      const dir = yield* tempDir
      const file = join(dir, "admin-key")
      writeFileSync(file, `${adminKey}\n`)
      for (const env of [{ SLUICE_ADMIN_KEY_FILE: file }, { SLUICE_DATA_DIR: dir }]) {
        const { code, out } = yield* sluice(create, { SLUICE_URL: url, ...env })
        assert.strictEqual(code, 0)
        assert.strictEqual(JSON.parse(out).id, "new")
      }
    })
  )

  it.live("of the data folder goes to this machine alone", () =>
    Effect.gen(function* () {
      const dir = yield* tempDir
      writeFileSync(join(dir, "admin-key"), adminKey)
      const { code, err } = yield* sluice(create, { SLUICE_URL: "http://sluice.invalid", SLUICE_DATA_DIR: dir })
      assert.strictEqual(code, 1)
      assert.match(err, /^error: This needs the admin key\./)
    })
  )

  it.live("missing or wrong: says where it is looked for, and never shows it", () =>
    Effect.gen(function* () {
      const { requests, url } = yield* serving()
      const dir = yield* tempDir
      const missing = yield* sluice(create, { SLUICE_URL: url, SLUICE_DATA_DIR: dir })
      assert.strictEqual(missing.code, 1)
      assert.deepStrictEqual(requests, [])
      const wrong = yield* sluice(create, { SLUICE_URL: url, SLUICE_ADMIN_KEY: "marked-secret-marked-secret-marked" })
      assert.strictEqual(wrong.code, 1)
      for (const { err } of [missing, wrong]) {
        assert.include(err, "SLUICE_ADMIN_KEY_FILE")
        assert.notInclude(err, "marked-secret")
      }
    })
  )
})

describe("rush", () => {
  const crowd = ["--users", "60", "--rate", "3000"]

  it.live("creates a campaign and passes it", () =>
    Effect.gen(function* () {
      const { requests, url } = yield* serving()
      const env = { SLUICE_URL: url, SLUICE_ADMIN_KEY: adminKey }
      const { code, out } = yield* sluice(["rush", ...crowd, "--stock", "20"], env)
      assert.strictEqual(code, 0)
      assert.match(requests[0]!, /^POST \/campaigns \{"id":"rush-\d{17}","name":"Rush","stock":20,"ratePerSecond":4\}$/)
      assert.strictEqual([...out.matchAll(/^PASS {2}promise \d/gm)].length, 4)
    })
  )

  it.live("exits with 1 when a promise is broken, with the report on stdout", () =>
    Effect.gen(function* () {
      const { url } = yield* serving({ lie: (view) => (view.serial === 7 ? { ...view, serial: 6 } : view) })
      const { code, err, out } = yield* sluice(["rush", "-c", "spring", ...crowd, "--json"], { SLUICE_URL: url })
      assert.strictEqual(code, 1)
      const report = JSON.parse(out)
      assert.strictEqual(report.verdicts.find((v: { promise: number }) => v.promise === 1).outcome, "fail")
      assert.strictEqual(report.progress.joined, 60)
      assert.strictEqual(err, "")
    })
  )

  it.live("creates nothing when told not to", () =>
    Effect.gen(function* () {
      const { requests, url } = yield* serving()
      const { code, err } = yield* sluice(["rush", "-c", "other", "--no-create"], { SLUICE_URL: url, SLUICE_ADMIN_KEY: adminKey })
      assert.strictEqual(code, 1)
      assert.match(err, /^error: There is no campaign other/)
      assert.deepStrictEqual(requests, ["GET /campaigns/other"])
    })
  )
})

describe("dlq", () => {
  const letter = {
    partition: 0,
    offset: "7",
    key: "spring",
    value: "{}",
    reason: "not a CouponWon\u001b[2J of version 1",
    attempts: 3,
    origin: "0:41",
    failedAt: "2026-11-24T12:00:00.000Z"
  }
  const answering = (body: unknown, asked: Array<string>) =>
    serving({
      before: (req, res) => {
        asked.push(`${req.method} ${req.url} ${req.headers.authorization === `Bearer ${adminKey}`}`)
        res.end(JSON.stringify(body))
        return true
      }
    })

  it.live("lists with the reason, harmless to a terminal", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const { url } = yield* answering({ topic: "sluice.wins", total: 2, deadLetters: [letter] }, asked)
      const { err, out } = yield* sluice(["dlq", "list", "--limit", "1"], { SLUICE_URL: url, SLUICE_ADMIN_KEY: adminKey })
      assert.deepStrictEqual(asked, ["GET /admin/dead-letters?topic=sluice.wins&limit=1 true"])
      assert.match(out, /spring +3 +0:41 +not a CouponWon \[2J of version 1$/)
      assert.match(err, /1 of 2 shown/)
    })
  )

  it.live("replays", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const { url } = yield* answering({ topic: "sluice.wins", replayed: 1200, remaining: 0, refused: [] }, asked)
      const env = { SLUICE_URL: url, SLUICE_ADMIN_KEY: adminKey }
      const { out } = yield* sluice(["dlq", "replay"], env)
      assert.deepStrictEqual(asked, ["POST /admin/dead-letters/replay?topic=sluice.wins true"])
      assert.strictEqual(out, "1,200 brought back to sluice.wins, 0 dead letters remain")
    })
  )

  it.live("fails where one can't be brought back, and names it", () =>
    Effect.gen(function* () {
      const refused = [{ key: "c\u001b9", origin: "2:49", reason: "too large" }]
      const { url } = yield* answering({ topic: "sluice.wins", replayed: 2, remaining: 1, refused }, [])
      const env = { SLUICE_URL: url, SLUICE_ADMIN_KEY: adminKey }
      for (const [argv, printed] of [
        [["dlq", "replay"], /^2 brought back/],
        [["dlq", "replay", "--json"], /"replayed":2/]
      ] as const) {
        const { code, err, out } = yield* sluice(argv, env)
        assert.strictEqual(code, 1)
        assert.match(out, printed)
        assert.strictEqual(err, "error: 1 can't be brought back, and stay dead letters:\n  c 9, from 2:49: too large")
      }
    })
  )
})

describe("output", () => {
  it("tables align, numbers to the right", () => {
    const rows = [
      ["spring", 1000],
      ["봄", null]
    ] as const
    assert.strictEqual(stripVTControlCharacters(table(["ID", "STOCK"], rows)), "ID      STOCK\nspring  1,000\n봄          -")
    assert.strictEqual(
      list([
        ["a", 1],
        ["long", "x"]
      ]),
      "a     1\nlong  x"
    )
  })

  it("control and bidi characters of others are not printed", () => {
    assert.strictEqual(plain("a\u001b[31mb\u202ec\nd"), "a [31mb c d")
  })
})
