/**
 * Loading into MariaDB on connections of the loader's own, a chunk a transaction: by one INSERT executed in bulk, or by `LOAD DATA LOCAL`
 * where that can't be, or where some of the rows are refused.
 *
 * The chunk's line in the ledger is inserted first, so its key decides between two who try the same chunk, and an end of the transaction
 * that nobody heard of is found by asking for it. A chunk is sent while the one before is committed, or, where the table lets two load at
 * once, while the one before is sent; whatever goes wrong with it is done again when its turn has come. Nothing is set for more than the
 * session.
 */
import { crashPoint } from "@sluice/engines/CrashPoint"
import { connectionOptions } from "@sluice/engines/MariaDbSession"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"
import { checksumSql } from "./Checksum.ts"
import { makeInserter } from "./InsertStatement.ts"
import { type Lane, lockOf, makeLanes } from "./Lanes.ts"
import { makeAsk } from "./LastingSession.ts"
import {
  beginChunk,
  beginJob,
  type ChunkRow,
  chunkOf,
  chunksOf,
  endJob,
  goOnWithJob,
  isCancelled,
  type JobRow,
  jobOf,
  jobsSql,
  mariaDbLedger,
  progressOf,
  recordChunk,
  refusalToGoOn,
  type Statement,
  storedOf,
  touchJob
} from "./Ledger.ts"
import { makeWriter, quoted, type Sent } from "./LoadStatement.ts"
import { type Chunk, type JobStart, LoadError, LoadTarget, type OpenJob } from "./LoadTarget.ts"
import type { MariaDbSession, SessionOptions } from "./MariaDbSession.ts"
import { columnOfMariaDb, type MariaDbColumn, type Table, TableError } from "./Table.ts"

/**
 * Chosen by measurement: from here on larger ones load no faster, and take more memory. As many ids as InnoDB reserves for a statement in
 * its first 16 steps.
 */
const defaultChunkRows = 65_535
/** More than two loads at once find no more to do on the machines that this was measured on. */
const defaultConnections = 2

const noSuchTable = 1146
const lockWaitTimeout = 1205
const deadlock = 1213
const duplicateKey = 1062
/** A warning: a text would be longer than max_allowed_packet, and is NULL. */
const resultTooLong = 1301
const errnoOf = ({ cause }: LoadError) => (cause as { readonly errno?: number } | undefined)?.errno

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

const run = (session: MariaDbSession, [sql, values]: Statement) => session.run(sql, values)

/** A chunk as the ledger has it; without ids where it was stored in parts, which others' ids may lie between. */
const findChunk = Effect.fnUntraced(function* (session: MariaDbSession, job: string, { blocks, number }: Chunk) {
  const [row] = yield* session.query<ChunkRow>(...chunkOf(job, number))
  if (row === undefined) return undefined
  if (row.from_position !== blocks[0]!.from || row.to_position !== blocks.at(-1)!.to) {
    return yield* new LoadError({ message: `another loader works on the job ${job}`, isTransient: false })
  }
  const stored = storedOf(row)
  const isContiguous = stored.firstId !== null && stored.lastId !== null && stored.lastId - stored.firstId + 1 === stored.rows
  return isContiguous ? stored : { ...stored, firstId: null, lastId: null }
})

const isTransient = (error: unknown): boolean => error instanceof LoadError && error.isTransient

const patience = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("2 seconds")]).pipe(
  Schedule.jittered,
  Schedule.upTo({ duration: "60 seconds" })
)

/** Outside of a chunk's transaction, where asking again does no harm. */
const patiently = <A>(lane: Lane, f: (session: MariaDbSession) => Effect.Effect<A, LoadError>) => {
  const asked = Effect.suspend(() => f(lane.session()))
  return Effect.catchIf(asked, isTransient, () =>
    Effect.retry(Effect.andThen(lane.reopen, asked), { while: isTransient, schedule: patience })
  )
}

/** How the server numbers rows: one load after another (`innodb_autoinc_lock_mode` 0 and 1), and without steps. */
const numbering = (session: MariaDbSession) =>
  Effect.map(
    session.query<{ mode: number; step: number }>(
      "SELECT @@innodb_autoinc_lock_mode AS mode, @@auto_increment_increment AS step"
    ),
    ([row]) => ({ isInTurn: row!.mode !== 2, isContiguous: row!.step === 1 })
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
        /** One more than may load at once, so that nobody who has loaded and waits for his turn keeps another from loading. */
        const most = connections === 1 ? 1 : isNumbered ? 2 : connections + 1
        const lanes = yield* makeLanes(url, { job, lock: lockOf(database, job), most, session: options })
        const loading = yield* Semaphore.make(connections)
        /** For what the table holds, beside the load. */
        const measuring = yield* makeAsk(url, patience, { silenceMs: measuringSilenceMs })
        const { numbers, row } = yield* lanes.use((lane) =>
          Effect.gen(function* () {
            const session = lane.session()
            const row = yield* begin(session, start)
            return { row, numbers: yield* numbering(session) }
          })
        )
        yield* crashPoint("load.begun")
        /** Rows of one chunk were in the way of another's: from then on one after another. */
        let isContended = false
        /** The server executes in bulk, and nobody else gets numbers meanwhile. */
        let inserts = options.inserts !== false

        const load: OpenJob["load"] = (columns, chunk, turn, recordRejects) => {
          const givesIds = isNumbered && numbers.isContiguous
          const writerFor = (session: MariaDbSession) => makeWriter(session, { table, columns, givesIds })
          const inserter = makeInserter({ table, columns, numbered: givesIds ? auto?.name : undefined })

          /** Where the chunk is there already, whoever ended it: to be asked for. */
          const begun = (session: MariaDbSession) =>
            Effect.andThen(session.run("START TRANSACTION"), run(session, beginChunk(job, chunk))).pipe(
              Effect.mapError((error) =>
                errnoOf(error) === duplicateKey ? new LoadError({ ...error, isTransient: true }) : error
              )
            )
          const finish = Effect.fnUntraced(function* (session: MariaDbSession, { refused, stored }: Sent) {
            const rejects = yield* recordRejects(refused)
            yield* run(session, recordChunk(job, chunk, stored, rejects))
            yield* run(session, touchJob(job))
            yield* crashPoint("load.recorded")
            yield* session.run("COMMIT")
            yield* crashPoint("load.committed")
            return stored
          })
          const rollback = (session: MariaDbSession) => Effect.ignore(session.run("ROLLBACK"))

          const sentAhead = Effect.fnUntraced(function* (session: MariaDbSession) {
            yield* begun(session)
            const insert = inserts ? yield* inserter(session, chunk) : undefined
            // Of two that the server numbers the second one only waits, or gets numbers in between; and of two with given numbers the
            // server looks at the counter for each row.
            if (auto !== undefined || isContended) yield* turn.after("sent")
            const sent = yield* loading.withPermits(1)(insert ?? writerFor(session).whole(chunk))
            if (sent === "others get ids") inserts = false
            return typeof sent === "string" ? undefined : sent
          }, Effect.scoped)
          /** None where anything goes wrong that is to be done again. */
          const ahead = (session: MariaDbSession) =>
            Effect.gen(function* () {
              const sent = yield* sentAhead(session).pipe(
                Effect.tapError((error) =>
                  Effect.sync(() => {
                    isContended ||= errnoOf(error) === lockWaitTimeout || errnoOf(error) === deadlock
                    inserts &&= error.isTransient
                  })
                ),
                Effect.option
              )
              if (Option.isNone(sent) || sent.value === undefined) {
                yield* rollback(session)
                return undefined
              }
              yield* crashPoint("load.sent")
              yield* turn.reach("sent")
              yield* turn.after("ended")
              return yield* finish(session, sent.value).pipe(Effect.catchIf(isTransient, () => Effect.succeed(undefined)))
            }).pipe(Effect.onError(() => rollback(session)))

          /** Again on a new connection; if the chunk is there, its end was only not heard of. */
          const inTurn = (lane: Lane) =>
            Effect.gen(function* () {
              const session = lane.session()
              const committed = yield* findChunk(session, job, chunk)
              if (committed !== undefined) return [committed]
              return yield* Effect.gen(function* () {
                yield* begun(session)
                yield* session.run("SAVEPOINT sluice_chunk")
                const writer = writerFor(session)
                let sent = yield* writer.whole(chunk)
                if (sent === undefined) {
                  yield* session.run("ROLLBACK TO SAVEPOINT sluice_chunk")
                  sent = yield* writer.parts(chunk)
                }
                yield* crashPoint("load.sent")
                return yield* finish(session, sent)
              }).pipe(Effect.onError(() => rollback(session)))
            })

          const stored = (lane: Lane) =>
            Effect.gen(function* () {
              const done = yield* turn.ahead(ahead(lane.session()))
              if (Option.isSome(done) && done.value !== undefined) return done.value
              yield* turn.after("ended")
              yield* turn.clear
              return yield* Effect.catchIf(inTurn(lane), isTransient, (error) =>
                Effect.logWarning(`chunk ${chunk.number} of ${job}: ${(error as LoadError).message}; trying again`).pipe(
                  Effect.andThen(
                    Effect.retry(Effect.andThen(lane.reopen, inTurn(lane)), { while: isTransient, schedule: patience })
                  )
                )
              )
            })
          return Effect.andThen(
            turn.after("begun"),
            lanes.use((lane) =>
              Effect.gen(function* () {
                yield* turn.reach("begun")
                const all = yield* stored(lane)
                const [asked] = yield* Effect.orElseSucceed(
                  lane.session().query<{ asked: number }>(...isCancelled(job)),
                  () => []
                )
                return { stored: all, cancelRequested: asked?.asked === 1 }
              })
            )
          )
        }

        return {
          progress: progressOf(row),
          lanes: numbers.isInTurn || !isNumbered ? most : 1,
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
      defaultChunkRows,
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
