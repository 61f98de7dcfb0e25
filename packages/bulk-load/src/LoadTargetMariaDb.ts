/**
 * Loading into MariaDB by `LOAD DATA LOCAL` on a connection of the loader's own, a chunk a transaction.
 *
 * The chunk's line in the ledger is inserted first, so its key decides between two who try the same chunk, and an end of the transaction
 * that nobody heard of is found by asking for it. `LOAD DATA LOCAL` makes warnings of errors: a statement with a warning, or with a row
 * less than was sent, is taken back and tried again in parts until each refused row stands alone. Nothing is set for more than the session.
 */
import { createHash } from "node:crypto"
import { crashPoint } from "@sluice/engines/CrashPoint"
import { connectionOptions } from "@sluice/engines/MariaDb"
import { Effect, Exit, Layer, type Redacted, Schedule, Scope } from "effect"
import type { Block, Reject } from "./Block.ts"
import { Checksum, checksumSql } from "./Checksum.ts"
import { csvOf } from "./csvOf.ts"
import { makeAsk } from "./LastingSession.ts"
import { type JobRow, jobOf, jobsSql, mariaDbLedger, progressOf } from "./Ledger.ts"
import { type Chunk, type JobStart, LoadError, LoadTarget, type OpenJob, type Stored } from "./LoadTarget.ts"
import { type MariaDbSession, openSession } from "./MariaDbSession.ts"
import { type Column, columnOfMariaDb, type MariaDbColumn, type Table, TableError } from "./Table.ts"

const quoted = (name: string) => `\`${name.replaceAll("`", "``")}\``

/** Binary values travel as hexadecimal digits, bits as a number. */
const loadSql = (table: string, columns: ReadonlyArray<Column>) => {
  const targets: Array<string> = []
  const sets: Array<string> = []
  for (const [i, { name, type }] of columns.entries()) {
    if (type.kind !== "binary" && type.kind !== "bit") targets.push(quoted(name))
    else {
      targets.push(`@v${i}`)
      sets.push(`${quoted(name)} = ${type.kind === "binary" ? `UNHEX(@v${i})` : `CAST(@v${i} AS UNSIGNED)`}`)
    }
  }
  return (file: string) =>
    `LOAD DATA LOCAL INFILE '${file}' INTO TABLE ${quoted(table)} CHARACTER SET utf8mb4 FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' ` +
    `LINES TERMINATED BY '\\n' (${targets.join(", ")})${sets.length === 0 ? "" : ` SET ${sets.join(", ")}`}`
}

/** Names of locks are the whole server's, short, and blind to case. */
const lockOf = (database: string, job: string) =>
  `sluice.load.${createHash("sha256").update(`${database}\0${job}`).digest("hex").slice(0, 40)}`

const describe = (session: MariaDbSession, table: string): Effect.Effect<Table, TableError | LoadError> =>
  Effect.gen(function* () {
    const rows = yield* session.query<Omit<MariaDbColumn, "isJson"> & { readonly isJson: number }>(
      `SELECT c.*, EXISTS (SELECT 1 FROM information_schema.CHECK_CONSTRAINTS k WHERE k.CONSTRAINT_SCHEMA = c.TABLE_SCHEMA
          AND k.TABLE_NAME = c.TABLE_NAME AND k.CHECK_CLAUSE = CONCAT('json_valid(\`', c.COLUMN_NAME, '\`)')) AS isJson
        FROM information_schema.COLUMNS c WHERE c.TABLE_SCHEMA = DATABASE() AND c.TABLE_NAME = ? ORDER BY c.ORDINAL_POSITION`,
      [table]
    )
    if (rows.length === 0) return yield* new TableError({ message: `there is no table ${table} in this database` })
    return { engine: "mariadb", name: table, columns: rows.map((row) => columnOfMariaDb({ ...row, isJson: row.isJson !== 0 })) }
  })

/** Rows `from` to `to` of a block, as they travel. */
const rowsOf = ({ bytes, starts }: Block, from: number, to: number) => bytes.subarray(starts[from]!, starts[to]!)

interface ChunkRow {
  readonly row_count: number
  readonly checksum: number
  readonly first_id: number | null
  readonly last_id: number | null
}

const storedOf = (row: ChunkRow): Stored => ({
  rows: row.row_count,
  checksum: row.checksum,
  firstId: row.first_id,
  lastId: row.last_id
})

/** A chunk as the ledger has it; without ids where it was stored in parts, which others' ids may lie between. */
const findChunk = (session: MariaDbSession, job: string, chunk: number) =>
  Effect.map(
    session.query<ChunkRow>("SELECT row_count, checksum, first_id, last_id FROM sluice_load_chunks WHERE job = ? AND chunk = ?", [
      job,
      chunk
    ]),
    ([row]) => {
      if (row === undefined) return undefined
      const stored = storedOf(row)
      const isContiguous = stored.firstId !== null && stored.lastId !== null && stored.lastId - stored.firstId + 1 === stored.rows
      return isContiguous ? stored : { ...stored, firstId: null, lastId: null }
    }
  )

/** The rows' own fault (bad value, constraint, a trigger's SIGNAL, no partition), and not the server's. */
const refusalOf = (error: LoadError): string | undefined => {
  const { errno, sqlState } = error.cause as { readonly errno?: number; readonly sqlState?: string }
  return /^(22|23|45)/.test(sqlState ?? "") || errno === 1526 || errno === 1748 ? error.message : undefined
}

/** Everything of one chunk, in the transaction that is open. */
const makeWriter = (session: MariaDbSession, table: string, columns: ReadonlyArray<Column>, givesIds: boolean) => {
  const statement = loadSql(table, columns)
  const checksum = new Checksum(columns)
  const sumOf = ({ bytes, starts }: Block, from: number, to: number) => {
    let sum = 0
    for (let i = from; i < to; i++) sum += checksum.ofRow(bytes, starts[i]!, starts[i + 1]! - 1, true)
    return sum
  }

  /** A text says why the rows are refused, where the statement failed over it. */
  const send = Effect.fnUntraced(function* (parts: ReadonlyArray<Uint8Array>, rows: number, checksum: number) {
    const outcome = yield* Effect.catch(session.load(statement, parts), (error) => {
      const refusal = refusalOf(error)
      return refusal === undefined ? Effect.fail(error) : Effect.succeed(refusal)
    })
    if (typeof outcome === "string") return outcome
    if (outcome.affectedRows !== rows || outcome.warnings > 0) return undefined
    if (!givesIds) return { rows, checksum, firstId: null, lastId: null }
    const [row] = yield* session.query<{ id: number }>("SELECT LAST_INSERT_ID() AS id")
    return { rows, checksum, firstId: row!.id, lastId: row!.id + rows - 1 }
  })

  /** Halves until what is refused stands alone, the first rows first: of two that exclude each other the earlier one stays. */
  const split: (
    block: Block,
    from: number,
    to: number
  ) => Effect.Effect<{ readonly stored: ReadonlyArray<Stored>; readonly refused: ReadonlyArray<Reject> }, LoadError> =
    Effect.fnUntraced(function* (block, from, to) {
      if (from === to) return { stored: [], refused: [] }
      yield* session.run("SAVEPOINT sluice_part")
      const part = rowsOf(block, from, to)
      const whole = yield* send([part], to - from, sumOf(block, from, to))
      if (typeof whole === "object") return { stored: [whole], refused: [] }
      const [warning] =
        to - from === 1 && whole === undefined ? yield* session.query<{ Message: string }>("SHOW WARNINGS LIMIT 1") : []
      yield* session.run("ROLLBACK TO SAVEPOINT sluice_part")
      if (to - from === 1) {
        const reason = whole ?? warning?.Message ?? "the database refuses it"
        return { stored: [], refused: [{ line: block.lines[from]!, column: columnIn(reason), reason, raw: csvOf(part) }] }
      }
      const middle = from + Math.ceil((to - from) / 2)
      const first = yield* split(block, from, middle)
      const second = yield* split(block, middle, to)
      return { stored: [...first.stored, ...second.stored], refused: [...first.refused, ...second.refused] }
    })

  return Effect.fnUntraced(function* ({ blocks }: Chunk) {
    const full = blocks.filter(({ rows }) => rows > 0)
    const rows = full.reduce((sum, block) => sum + block.rows, 0)
    if (rows === 0) return { stored: [], refused: [] }
    yield* session.run("SAVEPOINT sluice_chunk")
    const whole = yield* send(
      full.map((block) => rowsOf(block, 0, block.rows)),
      rows,
      full.reduce((sum, block) => sum + block.checksum, 0)
    )
    if (typeof whole === "object") return { stored: [whole], refused: [] }
    yield* session.run("ROLLBACK TO SAVEPOINT sluice_chunk")
    const parts = yield* Effect.forEach(full, (block) => split(block, 0, block.rows))
    return { stored: parts.flatMap(({ stored }) => stored), refused: parts.flatMap(({ refused }) => refused) }
  })
}

/** `Duplicate entry 'x' for key 'email'`, `Column 'a' cannot be null`, `... for column \`db\`.\`t\`.\`a\` at row 1`. */
const columnIn = (message: string): string | null =>
  /for column (?:`[^`]+`\.)*`?([^`' ]+)`?/.exec(message)?.[1] ?? /Column '([^']+)'/.exec(message)?.[1] ?? null

const isTransient = (error: unknown): error is LoadError => error instanceof LoadError && error.isTransient

const patience = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("2 seconds")]).pipe(
  Schedule.jittered,
  Schedule.upTo({ duration: "60 seconds" })
)

const make = (url: Redacted.Redacted) =>
  Effect.sync(() => {
    const { database } = connectionOptions(url)
    /** For questions, apart from the loaders' own connections. */
    const withSession = <A, E>(f: (session: MariaDbSession) => Effect.Effect<A, E>) =>
      Effect.scoped(Effect.flatMap(openSession(url), f))
    let isEnsured = false
    const ensured = Effect.suspend(() =>
      isEnsured
        ? Effect.void
        : withSession((session) => Effect.forEach(mariaDbLedger, (sql) => session.run(sql), { discard: true })).pipe(
            Effect.tap(() =>
              Effect.sync(() => {
                isEnsured = true
              })
            )
          )
    )
    const ask = <A>(f: (session: MariaDbSession) => Effect.Effect<A, LoadError>) => Effect.andThen(ensured, withSession(f))

    const jobs = (where: string, values: ReadonlyArray<unknown>) =>
      ask((session) =>
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

    const open = (start: JobStart) =>
      Effect.gen(function* () {
        yield* ensured
        const { job, table } = start
        /** A connection that holds the job; whoever held it before has ended, and so has its transaction. */
        const connect = Effect.fnUntraced(function* (patienceSeconds: number) {
          const session = yield* openSession(url)
          const [lock] = yield* session.query<{ got: number | null }>("SELECT GET_LOCK(?, ?) AS got", [
            lockOf(database, job),
            patienceSeconds
          ])
          if (lock?.got !== 1) {
            return yield* new LoadError({ message: `another loader works on the job ${job}`, isTransient: false })
          }
          return session
        })
        const outer = yield* Effect.scope
        let inner = yield* Scope.fork(outer)
        let session = yield* Effect.provideService(connect(5), Scope.Scope, inner)
        const reconnect = Effect.gen(function* () {
          yield* Scope.close(inner, Exit.void)
          inner = yield* Scope.fork(outer)
          session = yield* Effect.provideService(connect(30), Scope.Scope, inner)
        })
        /** For what the table holds, beside the load. */
        const measuring = yield* makeAsk(url, patience)
        const current = () => session
        /** Outside of a chunk's transaction, where asking again does no harm. */
        const patiently = <A>(f: (session: MariaDbSession) => Effect.Effect<A, LoadError>) =>
          Effect.catchIf(
            Effect.suspend(() => f(current())),
            isTransient,
            () =>
              Effect.retry(
                Effect.andThen(
                  reconnect,
                  Effect.suspend(() => f(current()))
                ),
                { while: isTransient, schedule: patience }
              )
          )
        const at = <A>(f: (session: MariaDbSession) => Effect.Effect<A, LoadError>) => Effect.suspend(() => f(current()))
        const query = <A>(sql: string, values: ReadonlyArray<unknown>) => patiently((session) => session.query<A>(sql, values))

        const [found] = yield* session.query<JobRow>(jobsSql("WHERE l.job = ?"), [job])
        if (found === undefined) {
          const [any] = yield* session.query<{ any: number }>(`SELECT EXISTS (SELECT 1 FROM ${quoted(table)} LIMIT 1) AS any`)
          yield* session.run("INSERT INTO sluice_loads VALUES (?, ?, ?, ?, ?, 'running', ?, 0, NULL, ?, ?, NULL)", [
            job,
            table,
            start.source,
            start.identity,
            JSON.stringify(start.columns),
            any!.any === 0 ? 1 : 0,
            Date.now(),
            Date.now()
          ])
        } else if (
          found.identity !== start.identity ||
          found.table_name !== table ||
          found.columns_json !== JSON.stringify(start.columns)
        ) {
          const what =
            found.table_name !== table ? `table (${found.table_name})` : found.identity !== start.identity ? "source" : "columns"
          return yield* new LoadError({
            message: `the job ${job} began with another ${what}: use another name with --job, or give what it began with`,
            isTransient: false
          })
        } else if (found.state !== "done") {
          yield* session.run(
            "UPDATE sluice_loads SET state = 'running', cancel_requested = 0, error = NULL, ended_at_ms = NULL, updated_at_ms = ? WHERE job = ?",
            [Date.now(), job]
          )
        }
        const [row] = yield* session.query<JobRow>(jobsSql("WHERE l.job = ?"), [job])
        yield* crashPoint("load.begun")
        const described = yield* Effect.mapError(describe(session, table), (error) =>
          error._tag === "TableError" ? new LoadError({ message: error.message, isTransient: false }) : error
        )
        const auto = described.columns.find(({ autoIncrement }) => autoIncrement)

        const once: OpenJob["load"] = (columns, chunk, recordRejects) =>
          Effect.gen(function* () {
            const session = current()
            const givesIds = auto !== undefined && !columns.some(({ name }) => name === auto.name)
            const first = chunk.blocks[0]!
            const last = chunk.blocks.at(-1)!
            yield* session.run("START TRANSACTION")
            yield* session.run("INSERT INTO sluice_load_chunks VALUES (?, ?, ?, ?, ?, 0, 0, 0, NULL, NULL, 0, ?)", [
              job,
              chunk.number,
              first.from,
              last.to,
              last.nextLine,
              Date.now()
            ])
            const { refused, stored } = yield* makeWriter(session, table, columns, givesIds)(chunk)
            yield* crashPoint("load.sent")
            const { rejects, rejectsBytes } = yield* recordRejects(refused)
            const ids = stored.flatMap(({ firstId, lastId }) => (firstId === null || lastId === null ? [] : [firstId, lastId]))
            yield* session.run(
              `UPDATE sluice_load_chunks SET row_count = ?, rejects = ?, rejects_bytes = ?, first_id = ?, last_id = ?, checksum = ?
                WHERE job = ? AND chunk = ?`,
              [
                stored.reduce((sum, { rows }) => sum + rows, 0),
                rejects,
                rejectsBytes,
                ids.length === 0 ? null : Math.min(...ids),
                ids.length === 0 ? null : Math.max(...ids),
                stored.reduce((sum, { checksum }) => sum + checksum, 0),
                job,
                chunk.number
              ]
            )
            yield* session.run("UPDATE sluice_loads SET updated_at_ms = ? WHERE job = ?", [Date.now(), job])
            yield* crashPoint("load.recorded")
            yield* session.run("COMMIT")
            yield* crashPoint("load.committed")
            return stored
          }).pipe(Effect.onError(() => Effect.ignore(current().run("ROLLBACK"))))

        /** Again on a new connection; if the chunk is there, its end was only not heard of. */
        const load: OpenJob["load"] = (columns, chunk, recordRejects) =>
          Effect.catchIf(once(columns, chunk, recordRejects), isTransient, (error) =>
            Effect.logWarning(`chunk ${chunk.number} of ${job}: ${error.message}; trying again`).pipe(
              Effect.andThen(
                Effect.gen(function* () {
                  yield* reconnect
                  const committed = yield* findChunk(current(), job, chunk.number)
                  if (committed !== undefined) return [committed]
                  return yield* once(columns, chunk, recordRejects)
                }).pipe(Effect.retry({ while: isTransient, schedule: patience }))
              )
            )
          )

        return {
          progress: progressOf(row!),
          load,
          measure: (columns, ids) =>
            measuring((session) =>
              Effect.gen(function* () {
                const where = ids === undefined || auto === undefined ? "" : ` WHERE ${quoted(auto.name)} BETWEEN ? AND ?`
                const [row] = yield* session.query<{ n: number; sum: string | null }>(
                  `SELECT COUNT(*) AS n, CAST(SUM(${checksumSql(columns)}) AS CHAR) AS sum FROM ${quoted(table)}${where}`,
                  where === "" ? [] : [ids!.first, ids!.last]
                )
                return { rows: row!.n, checksum: BigInt(row!.sum ?? 0) }
              })
            ),
          cancelRequested: Effect.map(
            query<{ asked: number }>("SELECT cancel_requested AS asked FROM sluice_loads WHERE job = ?", [job]),
            ([row]) => row?.asked === 1
          ),
          committed: Effect.map(
            query<ChunkRow>(
              "SELECT row_count, checksum, first_id, last_id FROM sluice_load_chunks WHERE job = ? ORDER BY chunk",
              [job]
            ),
            (rows) => rows.map(storedOf)
          ),
          end: (state, error) =>
            Effect.asVoid(
              (state === "done" ? patiently : at)((session) =>
                session.run("UPDATE sluice_loads SET state = ?, error = ?, updated_at_ms = ?, ended_at_ms = ? WHERE job = ?", [
                  state,
                  error,
                  Date.now(),
                  Date.now(),
                  job
                ])
              )
            )
        } satisfies OpenJob
      })

    return LoadTarget.of({
      defaultChunkRows: 100_000,
      describe: (table) => withSession((session) => describe(session, table)),
      open,
      find: (job) => Effect.map(jobs("WHERE l.job = ?", [job]), ([found]) => found),
      list: jobs("", []),
      cancel: (job) =>
        ask((session) =>
          Effect.map(
            session.run("UPDATE sluice_loads SET cancel_requested = 1 WHERE job = ? AND state = 'running'", [job]),
            ({ affectedRows }) => affectedRows > 0
          )
        )
    })
  })

export const layer = (url: Redacted.Redacted): Layer.Layer<LoadTarget> => Layer.effect(LoadTarget, make(url))
