/**
 * Rows from a file, a pipe or a generator into a table, without a server.
 *
 * Exit codes: 0 all is loaded; 1 something failed, or it was stopped before its end; 2 wrong usage or setting; 130 (143) at the second
 * Ctrl-C (SIGTERM). Whatever the end, the same command goes on where the last commit was.
 */
import { setFlagsFromString } from "node:v8"
import * as BulkLoader from "@sluice/bulk-load/BulkLoader"
import { LoadTarget } from "@sluice/bulk-load/LoadTarget"
import type { Source, SourceError } from "@sluice/bulk-load/Source"
import * as Console from "effect/Console"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type Database, databaseOf } from "../load/Database.ts"
import * as Job from "../load/Job.ts"
import * as Progress from "../load/Progress.ts"
import * as Reading from "../load/Reading.ts"
import { summaryText } from "../load/Report.ts"
import { type Stopping, stopping } from "../load/Stopping.ts"
import { targetOf } from "../load/Target.ts"
import { StartError } from "../StartError.ts"
import { json as printJson } from "./Output.ts"
import { Exit } from "./run.ts"

const whole = (maximum: number, minimum = 1) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const number = (name: string, description: string, minimum = 1) =>
  Flag.Int(name).pipe(Flag.withDescription(description), Flag.withSchema(whole(Number.MAX_SAFE_INTEGER, minimum)), Flag.optional)

const text = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description), Flag.optional)

const flags = {
  table: Argument.String("table").pipe(
    Argument.withDescription("The table; it must be there. Or the word redrive: then a file of rejects follows")
  ),
  file: Argument.String("file").pipe(
    Argument.withDescription("CSV or NDJSON, also packed (.gz, .zst); - or nothing: standard input"),
    Argument.optional
  ),
  columns: text("columns", "a,b,c", "The table's columns that the values fill, in their order; by default as the header says"),
  header: Flag.Boolean("header").pipe(
    Flag.withDescription("The first line of a CSV names the columns; --no-header: it is a row"),
    Flag.withDefault(true)
  ),
  delimiter: text("delimiter", "character", "Between the values of a CSV: a character, or tab (,)"),
  nullText: text("null", "text", "What stands for NULL where it is not quoted (\\N)"),
  format: Flag.Literals("format", ["csv", "ndjson"]).pipe(
    Flag.withDescription("By default as the file's name says, and CSV from standard input"),
    Flag.optional
  ),
  generate: text("generate", "name", "Make the rows: a built-in (people, users, orders, ...), or a module's path"),
  rows: number("rows", "How many rows to generate", 0),
  seed: Flag.Int("seed").pipe(
    Flag.withDescription("The same seed gives the same rows (1)"),
    Flag.withSchema(whole(2 ** 32 - 1, 0)),
    Flag.withDefault(1)
  ),
  job: Flag.String("job").pipe(
    Flag.withMetavar("name"),
    Flag.withDescription("Under which it is remembered how far the load is; by default made from table and file"),
    Flag.withSchema(Schema.String.check(Schema.makeFilter((name: string) => Job.isJobName(name) || `Expected ${Job.jobRule}`))),
    Flag.optional
  ),
  rejects: text("rejects", "file", "Where rows are put that don't fit, as NDJSON with line and reason"),
  maxRejects: number("max-rejects", "How many rows may be refused; with one more the load stops (0)", 0),
  dryRun: Flag.Boolean("dry-run").pipe(Flag.withDescription("Read and check everything, store nothing"), Flag.withDefault(false)),
  limit: number("limit-rows-per-second", "At most so many rows a second"),
  connections: Flag.Int("connections").pipe(
    Flag.withMetavar("n"),
    Flag.withDescription(
      "Connections to MariaDB (2). Two load at once where the rows bring their ids and the table has no AUTO_INCREMENT; else the server " +
        "lets one load at a time, and the second only hides the commits of the first"
    ),
    Flag.withSchema(whole(16)),
    Flag.optional
  ),
  chunkRows: number("chunk-rows", "Rows of a transaction, at most; by default as many as suit the database"),
  verify: Flag.Boolean("verify").pipe(
    Flag.withDescription("Compare what the table holds with what was sent; --no-verify: don't"),
    Flag.withDefault(true)
  ),
  database: text("database", "file", "A SQLite file, in place of the database that the environment names"),
  json: Flag.Boolean("json").pipe(Flag.withDescription("One event a line as JSON on standard output"), Flag.withDefault(false))
}

type Flags = Command.Command.Config.Infer<typeof flags>

interface Plan {
  readonly table: string
  readonly job: string
  readonly source: Source
  readonly unit: "bytes" | "rows"
}

const resumeLine = ({ job, source }: Plan, error?: BulkLoader.LoadFailure): string => {
  const more = error?._tag === "TooManyRejects" ? [`--max-rejects above ${error.maxRejects}`] : []
  const named = source.name === "standard input" ? [`--job ${job}`] : []
  const given = [...more, ...named].join(" and ")
  const input = named.length === 0 ? ` (job ${job})` : ", and the same input from its beginning"
  return `to go on: the same command again${given === "" ? "" : ` with ${given}`}${input}`
}

interface Input {
  readonly database: Database
  readonly json: boolean
  readonly options: Omit<BulkLoader.LoadOptions, "table" | "job" | "onProgress" | "stopRequested">
}

const isStop = (stop: Stopping) => (error: BulkLoader.LoadFailure) => stop.isRequested() && error._tag === "SourceError"

const perform = Effect.fnUntraced(function* (plan: Plan, { database, json, options }: Input) {
  // A load makes little garbage: room for more of it would only be memory (measured: 20 MB less, and no slower).
  setFlagsFromString("--semi-space-growth-factor=1")
  let isBegun = false
  const stop = yield* stopping(() => (isBegun ? `stopped at once; ${resumeLine(plan)}\n` : ""))
  if (plan.source.name === "standard input") stop.onRequest(() => process.stdin.destroy(new Error("stopped")))
  const { job, source, table } = plan
  let now: Progress.Snapshot = { rows: 0, rejects: 0, position: source.start.position }
  let begun = now
  const startedAt = performance.now()
  const event = (name: string, fields: object) => (json ? printJson({ event: name, ...fields }) : Effect.void)
  yield* event("started", { job, table, source: source.name, database: database.name, size: source.size ?? null })
  if (!json) yield* Console.error(`${source.name} -> ${table} of ${database.name}, job ${job}`)
  if (!json) yield* Progress.show(() => ({ begun, now }), { size: source.size, unit: plan.unit })
  const onProgress = ({ position, rejects, rows }: BulkLoader.Report) => {
    now = { rows, rejects, position }
    if (!isBegun && options.dryRun !== true) {
      begun = now
      isBegun = true
    }
    if (!json) return
    const seconds = (performance.now() - startedAt) / 1000
    const rowsPerSecond = Math.round((rows - begun.rows) / seconds)
    const memoryBytes = process.memoryUsage.rss()
    process.stdout.write(
      `${JSON.stringify({ event: "progress", rows, rejects, position, size: source.size ?? null, rowsPerSecond, memoryBytes })}\n`
    )
  }
  return yield* BulkLoader.load(source, { ...options, table, job, onProgress, stopRequested: stop.isRequested }).pipe(
    Effect.catchIf(isStop(stop), () => Effect.succeed(undefined)),
    Effect.tapError((error) => event("failed", { job, reason: error._tag, message: error.message })),
    // Nothing is to be gone on with where this run did not come to begin, unless it only could not reach the database.
    Effect.tapError((error) =>
      options.dryRun !== true && (isBegun || (error._tag === "LoadError" && error.isTransient))
        ? Console.error(resumeLine(plan, error))
        : Effect.void
    )
  )
})

const run = Effect.fnUntraced(function* (plan: Plan, input: Input) {
  const summary = yield* Effect.scoped(perform(plan, input)).pipe(
    Effect.catchTag("TableError", ({ message }) => Effect.fail(new StartError({ message }))),
    Effect.provide(targetOf(input.database))
  )
  if (summary === undefined) {
    yield* Console.error(`stopped; ${resumeLine(plan)}`)
    return yield* new Exit({ code: 1 })
  }
  const peakBytes = process.resourceUsage().maxRSS * 1024
  if (input.json) yield* printJson({ event: "summary", ...summary, peakMemoryBytes: peakBytes })
  else yield* Console.log(summaryText(summary, peakBytes, input.options.rejects))
  if (summary.state === "done") return
  if (summary.state === "dry_run") {
    return summary.rejects > 0 && input.options.maxRejects === Number.POSITIVE_INFINITY ? yield* new Exit({ code: 1 }) : undefined
  }
  yield* Console.error(`${summary.state}; ${resumeLine(plan)}`)
  return yield* new Exit({ code: 1 })
})

const readingOf = (given: Flags): Reading.ReadingFlags => ({
  columns: Option.getOrUndefined(given.columns),
  header: given.header,
  delimiter: Option.getOrUndefined(given.delimiter),
  nullText: Option.getOrUndefined(given.nullText),
  format: Option.getOrUndefined(given.format)
})

const planGenerated = Effect.fnUntraced(function* (given: Flags, name: string) {
  if (Option.isSome(given.file)) return yield* new StartError({ message: "either a file or --generate, not both" })
  if (Option.isNone(given.rows)) return yield* new StartError({ message: "--generate needs --rows, how many to make" })
  const { table } = given
  const rows = given.rows.value
  const { fromGenerator } = yield* Effect.promise(() => import("@sluice/bulk-load/RowSource"))
  const source = yield* Effect.mapError(
    fromGenerator({ name, rows, seed: given.seed }),
    ({ message }) => new StartError({ message })
  )
  const job = Option.getOrElse(given.job, () => Job.jobOfGenerator(table, name, given.seed, rows))
  return { table, job, source, unit: "rows" } satisfies Plan
})

const planText = Effect.fnUntraced(function* (given: Flags) {
  const { table } = given
  const file = Option.getOrElse(given.file, () => "-")
  const reading = readingOf(given)
  const source = yield* file === "-" ? Reading.fromStdin(reading) : Reading.fromFile(reading, file)
  const job = Option.getOrElse(given.job, () => (file === "-" ? Job.jobOfStdin(table, new Date()) : Job.jobOfFile(table, file)))
  return { table, job, source, unit: "bytes" } satisfies Plan
})

/** What was refused by a job, mended: a job of its own for each form that the rows are in. */
const planRedrive = Effect.fnUntraced(function* (given: Flags, database: Database) {
  if (Option.isNone(given.file)) return yield* new StartError({ message: "redrive needs the file of the rejects" })
  const file = given.file.value
  const Redrive = yield* Effect.promise(() => import("@sluice/bulk-load/Redrive"))
  const unusable = ({ message }: SourceError) => new StartError({ message })
  const rejects = yield* Effect.mapError(Redrive.look(file), unusable)
  const known = yield* LoadTarget.use((target) => target.find(rejects.job)).pipe(Effect.provide(targetOf(database)))
  if (known === undefined) return yield* new StartError({ message: `${database.name} knows no job ${rejects.job}` })
  return yield* Effect.forEach(rejects.kinds, (kind) =>
    Effect.map(
      Effect.mapError(Redrive.source(file, kind, known.columns, Reading.marksOf(readingOf(given))), unusable),
      (source): Plan => ({ table: known.table, job: Redrive.jobOf(rejects, kind), source, unit: "bytes" })
    )
  )
})

export const load = Command.make(
  "load",
  flags,
  Effect.fnUntraced(
    function* (given) {
      const database = yield* databaseOf(process.env, Option.getOrUndefined(given.database))
      const rejects = Option.getOrUndefined(given.rejects)
      if (rejects !== undefined && rejects === Option.getOrUndefined(given.file)) {
        return yield* new StartError({ message: "--rejects names the file that is read" })
      }
      const plans =
        given.table === "redrive"
          ? yield* planRedrive(given, database)
          : [yield* Option.isSome(given.generate) ? planGenerated(given, given.generate.value) : planText(given)]
      const options = {
        // A look at everything is not to end at the first fault.
        maxRejects: Option.getOrElse(given.maxRejects, () => (given.dryRun ? Number.POSITIVE_INFINITY : 0)),
        rejects,
        chunkRows: Option.getOrUndefined(given.chunkRows),
        connections: Option.getOrUndefined(given.connections),
        limitRowsPerSecond: Option.getOrUndefined(given.limit),
        verify: given.verify,
        dryRun: given.dryRun
      }
      for (const plan of plans) yield* run(plan, { database, json: given.json, options })
    },
    Effect.onInterrupt(() =>
      Effect.sync(() => {
        process.exitCode = 130
      })
    )
  )
).pipe(
  Command.withDescription(
    "Load rows into a table: checked against its columns, each once however often the load is killed and started again. " +
      "Into MariaDB where SLUICE_MARIADB_URL is set, else into the SQLite file of the data folder. Ctrl-C finishes the chunk under way " +
      "and exits with 1; twice stops at once"
  ),
  Command.withShortDescription("Load rows into a table, each once"),
  Command.withExamples([
    { command: "sluice load users users.csv", description: "Columns as the header names them" },
    {
      command: "zcat part-*.gz | sluice load users - --no-header --columns id,name,email --job users-1",
      description: "From a pipe"
    },
    { command: "sluice load users users.csv --max-rejects 100 --rejects bad.ndjson", description: "Set up to 100 rows aside" },
    { command: "sluice load redrive bad.ndjson", description: "Load them after they were mended in that file" },
    { command: "sluice load people --generate people --rows 1000000", description: "Made-up rows" },
    { command: "sluice load users users.ndjson.zst --dry-run", description: "Only look whether all rows fit" }
  ])
)
