/**
 * Loading into MariaDB on connections of the loader's own: what tables there are, the jobs and their ledger, what a table holds. How a
 * chunk is stored: `StoreChunk.ts`. Nothing is set for more than the session.
 */
import { crashPoint } from "@sluice/engines/CrashPoint"
import { connectionOptions } from "@sluice/engines/MariaDbSession"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { checksumSql } from "./Checksum.ts"
import { makeInserter } from "./InsertStatement.ts"
import { type Lane, lockOf, makeLanes } from "./Lanes.ts"
import { makeAsk } from "./LastingSession.ts"
import {
  beginJob,
  type ChunkRow,
  chunksOf,
  endJob,
  goOnWithJob,
  type JobRow,
  jobOf,
  jobsSql,
  mariaDbLedger,
  progressOf,
  refusalToGoOn,
  storedOf
} from "./Ledger.ts"
import { quoted } from "./LoadStatement.ts"
import { type JobStart, type LoadError, LoadTarget, type OpenJob } from "./LoadTarget.ts"
import type { MariaDbSession, SessionOptions } from "./MariaDbSession.ts"
import { errnoOf, isTransient, makeStoring, patience, run } from "./StoreChunk.ts"
import { columnOfMariaDb, type MariaDbColumn, type Table, TableError } from "./Table.ts"

/**
 * Chosen by measurement: from here on larger ones load no faster, and take more memory. As many ids as InnoDB reserves for a statement in
 * its first 16 steps, or 17 where nothing hides the time that a commit takes.
 */
const chunkRowsFor = (connections = defaultConnections) => (connections === 1 ? 131_070 : 65_535)
/** More than two loads at once find no more to do on the machines that this was measured on. */
const defaultConnections = 2

const noSuchTable = 1146
/** A warning: a text would be longer than max_allowed_packet, and is NULL. */
const resultTooLong = 1301

/** A server keeps JSON as LONGTEXT with a CHECK. To ask for CHECKs takes it longer than all else here, so only where one may be. */
const jsonColumns = (session: MariaDbSession, table: string) =>
  Effect.map(
    session.query<{ clause: string }>(
      "SELECT CHECK_CLAUSE AS clause FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = DATABASE() AND TABLE_NAME = ?",
      [table]
    ),
    (rows) => new Set(rows.map(({ clause }) => clause))
  )

const describe = (session: MariaDbSession, table: string): Effect.Effect<Table, TableError | LoadError> =>
  Effect.gen(function* () {
    const rows = yield* session.query<MariaDbColumn>(
      "SELECT * FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION",
      [table]
    )
    if (rows.length === 0) return yield* new TableError({ message: `there is no table ${table} in this database` })
    const mayBeJson = rows.some(({ DATA_TYPE }) => DATA_TYPE.toLowerCase() === "longtext")
    const checks = mayBeJson ? yield* jsonColumns(session, table) : new Set<string>()
    const isJson = ({ COLUMN_NAME }: MariaDbColumn) => checks.has(`json_valid(${quoted(COLUMN_NAME)})`)
    return { engine: "mariadb", name: table, columns: rows.map((row) => columnOfMariaDb({ ...row, isJson: isJson(row) })) }
  })

/** Outside of a chunk's transaction, where asking again does no harm. */
const patiently = <A>(lane: Lane, f: (session: MariaDbSession) => Effect.Effect<A, LoadError>) => {
  const asked = Effect.suspend(() => f(lane.session()))
  return Effect.catchIf(asked, isTransient, () =>
    Effect.retry(Effect.andThen(lane.reopen, asked), { while: isTransient, schedule: patience })
  )
}

/** How the server numbers rows: one load after another (`innodb_autoinc_lock_mode` 0 and 1), and without steps; how much it takes at once. */
const habits = (session: MariaDbSession) =>
  Effect.map(
    session.query<{ mode: number; step: number; packet: number }>(
      "SELECT @@innodb_autoinc_lock_mode AS mode, @@auto_increment_increment AS step, @@max_allowed_packet AS packet"
    ),
    ([row]) => ({ numbersInTurn: row!.mode !== 2, numbersContiguously: row!.step === 1, mostBytes: row!.packet })
  )

/** To go through a large table may take the server long, and says nothing meanwhile. */
const measuringSilenceMs = 15 * 60_000

export interface TargetOptions extends SessionOptions {
  /** False: rows are never inserted, always loaded. */
  readonly inserts?: boolean
}

const make = (url: Redacted.Redacted, options: TargetOptions) =>
  Effect.gen(function* () {
    const { database } = connectionOptions(url)
    /** For questions, apart from the loaders' own connections. */
    const ask = yield* makeAsk(url, Schedule.recurs(1), options)
    const makeLedger = (session: MariaDbSession) => Effect.forEach(mariaDbLedger, (sql) => session.run(sql), { discard: true })
    /** Questions about jobs; where nobody has loaded yet, an empty ledger answers. */
    const askLedger = <A>(f: (session: MariaDbSession) => Effect.Effect<A, LoadError>) =>
      ask((session) =>
        Effect.catchIf(
          f(session),
          (error) => errnoOf(error) === noSuchTable,
          () => Effect.andThen(makeLedger(session), f(session))
        )
      )

    const jobs = (where: string, values: ReadonlyArray<unknown>) =>
      askLedger((session) =>
        Effect.gen(function* () {
          const rows = yield* session.query<JobRow>(jobsSql(where), values)
          return yield* Effect.forEach(rows, (row) =>
            row.state !== "running"
              ? Effect.succeed(jobOf(row, false))
              : Effect.map(
                  session.query<{ held: number | null }>("SELECT IS_USED_LOCK(?) AS held", [lockOf(database, row.job)]),
                  ([lock]) => jobOf(row, (lock?.held ?? null) !== null)
                )
          )
        })
      )

    /** The job's line in the ledger, as it is or new. */
    const begin = Effect.fnUntraced(function* (session: MariaDbSession, start: JobStart) {
      const find = session.query<JobRow>(jobsSql("WHERE l.job = ?"), [start.job])
      const [found] = yield* Effect.catchIf(
        find,
        (error) => errnoOf(error) === noSuchTable,
        () => Effect.andThen(makeLedger(session), find)
      )
      if (found === undefined) {
        const [any] = yield* session.query<{ any: number }>(`SELECT EXISTS (SELECT 1 FROM ${quoted(start.table)} LIMIT 1) AS any`)
        yield* run(session, beginJob(start, any!.any === 0))
        return (yield* find)[0]!
      }
      const refusal = refusalToGoOn(found, start)
      if (refusal !== undefined) return yield* refusal
      if (found.state !== "done") yield* run(session, goOnWithJob(start.job))
      return found
    })

    const open = (start: JobStart, described: Table) =>
      Effect.gen(function* () {
        const { job } = start
        const table = described.name
        const auto = described.columns.find(({ autoIncrement }) => autoIncrement)
        const connections = Math.max(1, start.connections ?? defaultConnections)
        const isNumbered = auto !== undefined && !start.columns.includes(auto.name)
        /** One more than may store at once, so that nobody who has stored and waits for his turn keeps another from storing. */
        const most = connections === 1 ? 1 : auto !== undefined ? 2 : connections + 1
        const lanes = yield* makeLanes(url, { job, lock: lockOf(database, job), most, session: options })
        /** For what the table holds, beside the load. */
        const measuring = yield* makeAsk(url, patience, { silenceMs: measuringSilenceMs })
        const { givesIds, inserter, numbersInTurn, row } = yield* lanes.use((lane) =>
          Effect.gen(function* () {
            const session = lane.session()
            const row = yield* begin(session, start)
            const { mostBytes, numbersContiguously, numbersInTurn } = yield* habits(session)
            const givesIds = isNumbered && numbersContiguously
            const columns = start.columns.flatMap((name) => described.columns.find((column) => column.name === name) ?? [])
            const inserter =
              options.inserts === false
                ? undefined
                : makeInserter({ table, columns, numbered: givesIds ? auto.name : undefined, mostBytes })
            // Now, while nothing else is to be done; what is wrong with it is found out when it is executed.
            yield* Effect.ignore(inserter?.prepare(session) ?? Effect.void)
            return { row, givesIds, inserter, numbersInTurn }
          })
        )
        yield* crashPoint("load.begun")
        const load = makeStoring({
          job,
          table,
          columns: described.columns,
          lanes,
          connections,
          givesIds,
          inserter
        })

        return {
          progress: progressOf(row),
          lanes: numbersInTurn || !isNumbered ? most : 1,
          load,
          measure: (columns, ids) =>
            measuring((session) =>
              Effect.gen(function* () {
                const where = ids === undefined || auto === undefined ? "" : ` WHERE ${quoted(auto.name)} BETWEEN ? AND ?`
                const [row] = yield* session.query<{ n: number; sum: string | null }>(
                  `SELECT COUNT(*) AS n, CAST(SUM(${checksumSql(columns)}) AS CHAR) AS sum FROM ${quoted(table)}${where}`,
                  where === "" ? [] : [ids!.first, ids!.last]
                )
                const warnings = yield* session.query<{ Code: number }>("SHOW WARNINGS")
                const isWhole = !warnings.some(({ Code }) => Code === resultTooLong)
                return { rows: row!.n, checksum: isWhole ? BigInt(row!.sum ?? 0) : undefined }
              })
            ),
          committed: lanes.use((lane) =>
            Effect.map(
              patiently(lane, (session) => session.query<ChunkRow>(...chunksOf(job))),
              (rows) => rows.map(storedOf)
            )
          ),
          end: (state, error) =>
            lanes.use((lane) => {
              const end = (session: MariaDbSession) => Effect.asVoid(run(session, endJob(job, state, error)))
              return state === "done" ? patiently(lane, end) : end(lane.session())
            })
        } satisfies OpenJob
      })

    return LoadTarget.of({
      defaultChunkRows: chunkRowsFor,
      describe: (table) => ask((session) => describe(session, table)),
      open,
      find: (job) => Effect.map(jobs("WHERE l.job = ?", [job]), ([found]) => found),
      list: jobs("", []),
      cancel: (job) =>
        askLedger((session) =>
          Effect.map(
            session.run("UPDATE sluice_loads SET cancel_requested = 1 WHERE job = ? AND state = 'running'", [job]),
            ({ affectedRows }) => affectedRows > 0
          )
        )
    })
  })

export const layer = (url: Redacted.Redacted, options: TargetOptions = {}): Layer.Layer<LoadTarget> =>
  Layer.effect(LoadTarget, make(url, options))
