/**
 * Puts the rows of a source into a table, each once, in constant memory, however often it is killed and started again.
 *
 * Rows are read and checked while the chunks before them are being stored. A chunk and its line in the ledger are one transaction, so going
 * on is reading on from the last chunk. What the table holds is compared with what was sent, chunk by chunk, while the load goes on.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Stream from "effect/Stream"
import type { Block, Reject } from "./Block.ts"
import { recycle, rowsPerBlock } from "./BlockBuilder.ts"
import { type Chunk, type JobStart, type LoadError, LoadTarget, type Progress, type Stored } from "./LoadTarget.ts"
import { noRejects, openRejects } from "./RejectsFile.ts"
import { fromRows, type Row, type RowOptions, type Typed } from "./Rows.ts"
import type { Source, SourceError } from "./Source.ts"
import { type Column, selectColumns, type Table, TableError } from "./Table.ts"
import { makeTurns, type Turn } from "./Turns.ts"
import { makeVerifying, type NotEqual, type Verification } from "./Verifying.ts"

export { NotEqual, type Verification } from "./Verifying.ts"

export interface LoadOptions {
  readonly table: string
  readonly job: string
  /** How many rows may be set aside; with one more the job stops. 0 unless given. */
  readonly maxRejects?: number | undefined
  /** A path; where none is given rejects are only counted. */
  readonly rejects?: string | undefined
  /** Rows a transaction, at most about so many; where rows are long it has fewer. */
  readonly chunkRows?: number | undefined
  /** How many may load at once; more than one is of use where the source gives the ids. By default as suits the target. */
  readonly connections?: number | undefined
  readonly limitRowsPerSecond?: number | undefined
  /** Whether the table is compared with what was sent. True unless given. */
  readonly verify?: boolean | undefined
  /** Reads and checks everything, and stores nothing. */
  readonly dryRun?: boolean | undefined
  /** Called with what earlier runs have loaded, then after each chunk. */
  readonly onProgress?: ((report: Report) => void) | undefined
  /** Asked between chunks: true ends the load after the one under way. */
  readonly stopRequested?: (() => boolean) | undefined
}

export interface Report {
  readonly rows: number
  readonly rejects: number
  readonly position: number
  readonly size: number | undefined
}

export interface LoadSummary {
  readonly job: string
  readonly table: string
  readonly state: "done" | "stopped" | "cancelled" | "dry_run"
  /** All of the job, those of earlier runs included. */
  readonly rows: number
  readonly rejects: number
  /** Of this run. */
  readonly loadedRows: number
  readonly seconds: number
  readonly firstId: number | null
  readonly lastId: number | null
  readonly verification: Verification
}

/** More rows were refused than may be. What was committed before stays. */
export class TooManyRejects extends Data.TaggedError("TooManyRejects")<{
  readonly maxRejects: number
  readonly committedRows: number
  readonly first: ReadonlyArray<Reject>
}> {
  override get message(): string {
    const shown = this.first.map(({ column, line, reason }) => `  line ${line}${column === null ? "" : `, ${column}`}: ${reason}`)
    return [`more than ${this.maxRejects} rows were refused; ${this.committedRows} rows are loaded and stay`, ...shown].join("\n")
  }
}

const loadedRows = Metric.counter("sluice_load_rows_total", { description: "rows loaded and committed", incremental: true })
const rejectedRows = Metric.counter("sluice_load_rejects_total", { description: "rows set aside by loads", incremental: true })

/** The first chunks are small, so that the database has work while the next is read, which is slow at first. */
const ramp = (number: number, rows: number) => Math.min(rows, 2 ** Math.max(0, number - 1) * (rowsPerBlock + 1))

/** Of one transaction: bounds what a load of long rows keeps in memory. */
const chunkBytes = 12 * 1024 * 1024

interface Forming {
  readonly number: number
  readonly blocks: ReadonlyArray<Block>
  readonly rows: number
  readonly bytes: number
}

const chunks = (first: number, chunkRows: number) =>
  Stream.mapAccum<Forming, Block, Chunk>(
    () => ({ number: first, blocks: [], rows: 0, bytes: 0 }),
    (forming, block) => {
      const { number } = forming
      const blocks = [...forming.blocks, block]
      const added = block.rows + block.rejects.length
      const rows = forming.rows + added
      const bytes = forming.bytes + block.bytes.length
      // Another of its kind would be too much.
      const isFull = rows + added > ramp(number - first, chunkRows) || bytes + block.bytes.length > chunkBytes
      return isFull
        ? [{ number: number + 1, blocks: [], rows: 0, bytes: 0 }, [{ number, blocks }]]
        : [{ number, blocks, rows, bytes }, []]
    },
    {
      onHalt: ({ blocks, number }) => (blocks.some(({ from, to }) => to > from) ? [{ number, blocks }] : [])
    }
  )

interface Recorded {
  readonly rejects: number
  readonly rejectsBytes: number
  readonly added: number
}

const rejectsOf = ({ blocks }: Chunk) => blocks.flatMap(({ rejects }) => rejects)

/** The columns that a source fills: as it names them, else all that take values and are not numbered by the database. */
export const columnsFor = (table: Table, source: Source): Effect.Effect<ReadonlyArray<Column>, TableError> => {
  const names =
    source.names ?? table.columns.filter(({ autoIncrement, generated }) => !autoIncrement && !generated).map(({ name }) => name)
  const columns = selectColumns(table, names)
  return columns instanceof TableError ? Effect.fail(columns) : Effect.succeed(columns)
}

const checkOnly = Effect.fnUntraced(function* (source: Source, columns: ReadonlyArray<Column>, options: LoadOptions) {
  const rejects = options.rejects === undefined ? noRejects : yield* openRejects(options.rejects, options.job, 0)
  const { maxRejects = 0 } = options
  let rows = 0
  let refused = 0
  yield* source.blocks(columns, source.start).pipe(
    Stream.runForEach((block) =>
      Effect.gen(function* () {
        rows += block.rows
        refused += block.rejects.length
        yield* rejects.append(block.rejects)
        options.onProgress?.({ rows, rejects: refused, position: block.to, size: source.size })
        if (refused > maxRejects) {
          return yield* new TooManyRejects({ maxRejects, committedRows: 0, first: block.rejects.slice(0, 5) })
        }
      })
    )
  )
  return { rows, rejects: refused }
})

const loadSource = (source: Source, options: LoadOptions) =>
  Effect.scoped(
    Effect.gen(function* () {
      const startedAt = performance.now()
      const seconds = () => (performance.now() - startedAt) / 1000
      const target = yield* LoadTarget
      const table = yield* target.describe(options.table)
      const columns = yield* columnsFor(table, source)
      const { job, maxRejects = 0 } = options
      const base = { job, table: table.name }
      if (options.dryRun === true) {
        const checked = yield* checkOnly(source, columns, options)
        const verification = { outcome: "skipped", reason: "nothing was stored" } as const
        return {
          ...base,
          ...checked,
          state: "dry_run",
          loadedRows: 0,
          seconds: seconds(),
          firstId: null,
          lastId: null,
          verification
        } satisfies LoadSummary as LoadSummary
      }
      const start: JobStart = {
        ...base,
        source: source.name,
        identity: source.identity,
        columns: columns.map(({ name }) => name),
        // Whoever waits for the rate is not to keep a transaction open.
        connections: options.limitRowsPerSecond === undefined ? options.connections : 1
      }
      const opened = yield* target.open(start, table)
      const before = opened.progress
      if (before.state === "done") {
        const verification = { outcome: "skipped", reason: "the job was done already" } as const
        return {
          ...base,
          ...pick(before),
          state: "done",
          loadedRows: 0,
          seconds: seconds(),
          verification
        } satisfies LoadSummary as LoadSummary
      }
      options.onProgress?.({
        rows: before.rows,
        rejects: before.rejects,
        position: before.position ?? source.start.position,
        size: source.size
      })
      const rejectsFile =
        options.rejects === undefined ? noRejects : yield* openRejects(options.rejects, job, before.rejectsBytes)
      const verifying = yield* makeVerifying({ opened, table, columns, isWanted: options.verify !== false })

      let rows = before.rows
      let rejects = before.rejects
      let checksum = before.checksum
      let firstId = before.firstId
      let lastId = before.lastId
      let kept = before.rejectsBytes
      let state: "done" | "stopped" | "cancelled" = "done"

      const record = (chunk: Chunk) => (refused: ReadonlyArray<Reject>) =>
        Effect.gen(function* () {
          const all = [...rejectsOf(chunk), ...refused].sort((a, b) => a.line - b.line)
          yield* rejectsFile.truncate(kept)
          const rejectsBytes = yield* rejectsFile.append(all)
          if (rejects + all.length > maxRejects) {
            return yield* new TooManyRejects({ maxRejects, committedRows: rows, first: all.slice(0, 5) })
          }
          return { rejects: rejects + all.length, rejectsBytes, added: all.length } satisfies Recorded
        })

      /** What a chunk changed, before the next one may end. */
      const account = Effect.fnUntraced(function* (chunk: Chunk, stored: ReadonlyArray<Stored>, recorded: Recorded | undefined) {
        chunk.blocks.forEach(recycle)
        kept = recorded?.rejectsBytes ?? kept
        rejects = recorded?.rejects ?? rejects
        const added = stored.reduce((sum, one) => sum + one.rows, 0)
        rows += added
        for (const one of stored) {
          checksum += BigInt(one.checksum)
          firstId ??= one.firstId
          lastId = one.lastId ?? lastId
        }
        yield* Metric.update(Metric.withAttributes(loadedRows, { table: table.name }), added)
        const set = recorded?.added ?? 0
        if (set > 0) yield* Metric.update(Metric.withAttributes(rejectedRows, { table: table.name }), set)
        yield* verifying.begin(stored)
        options.onProgress?.({ rows, rejects, position: chunk.blocks.at(-1)!.to, size: source.size })
        if (options.stopRequested?.() === true) state = "stopped"
      })

      const store = Effect.fnUntraced(function* ([chunk, turn]: readonly [Chunk, Turn]) {
        let recorded: Recorded | undefined
        const { cancelRequested, stored } = yield* opened.load(columns, chunk, turn, (refused) =>
          Effect.tap(record(chunk)(refused), (now) =>
            Effect.sync(() => {
              recorded = now
            })
          )
        )
        yield* account(chunk, stored, recorded)
        if (cancelRequested && state === "done") state = "cancelled"
        yield* turn.reach("ended")
        const { limitRowsPerSecond } = options
        if (limitRowsPerSecond === undefined) return
        const ahead = (rows - before.rows) / limitRowsPerSecond - seconds()
        if (ahead > 0) yield* Effect.sleep(ahead * 1000)
      })

      const { limitRowsPerSecond = Number.POSITIVE_INFINITY } = options
      const chunkRows = Math.max(1, Math.min(options.chunkRows ?? target.defaultChunkRows(start.connections), limitRowsPerSecond))
      const from = { position: before.position ?? source.start.position, line: before.line ?? source.start.line }
      const nextTurn = makeTurns()
      const loading = source.blocks(columns, from).pipe(
        chunks(before.chunks, chunkRows),
        Stream.buffer({ capacity: 1 }),
        Stream.takeWhile(() => state === "done"),
        Stream.map((chunk) => [chunk, nextTurn()] as const),
        Stream.mapEffect(store, { concurrency: opened.lanes, unordered: true }),
        Stream.runDrain
      )
      const verification = Effect.suspend(() => verifying.finish({ rows, checksum }))
      const outcome = yield* Effect.andThen(loading, verification).pipe(
        Effect.tapError((error) => Effect.ignore(opened.end("failed", error.message))),
        Effect.onInterrupt(() => Effect.ignore(opened.end("stopped", null)))
      )
      yield* opened.end(state, null)
      return {
        ...base,
        state,
        rows,
        rejects,
        loadedRows: rows - before.rows,
        seconds: seconds(),
        firstId,
        lastId,
        verification: outcome
      } satisfies LoadSummary as LoadSummary
    })
  )

const pick = ({ firstId, lastId, rejects, rows }: Progress) => ({ firstId, lastId, rejects, rows })

/** A program's own rows; `identity` changes when they do. */
export interface LoadRowsOptions extends Omit<LoadOptions, "table">, RowOptions {}

type Loading = ReturnType<typeof loadSource>

export function load(source: Source, options: LoadOptions): Loading
export function load<R extends Typed<R>, E>(table: string, rows: Stream.Stream<R, E>, options: LoadRowsOptions): Loading
export function load(
  ...given:
    | readonly [source: Source, options: LoadOptions]
    | readonly [table: string, rows: Stream.Stream<object, unknown>, options: LoadRowsOptions]
): Loading {
  if (given.length === 2) return loadSource(...given)
  const [table, rows, options] = given
  return loadSource(fromRows(rows as Stream.Stream<Row, unknown>, options), { ...options, table })
}

export type LoadFailure = TooManyRejects | NotEqual | LoadError | TableError | SourceError
