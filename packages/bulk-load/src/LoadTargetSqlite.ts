/**
 * Loading into SQLite by inserts of many rows, a chunk a transaction, on the process's own connection.
 *
 * One process has the file, so a job is held by whoever of it took it first. Chunks are small, since nobody else writes meanwhile.
 */
import { crashPoint } from "@sluice/engines/CrashPoint"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { SqlClient, type SqlError } from "effect/sql"
import type { Block, Reject } from "./Block.ts"
import { Checksum } from "./Checksum.ts"
import { Fields } from "./Fields.ts"
import {
  beginChunk,
  beginJob,
  type ChunkRow,
  chunksOf,
  endJob,
  goOnWithJob,
  isCancelled,
  type JobRow,
  jobOf,
  jobsSql,
  progressOf,
  recordChunk,
  refusalToGoOn,
  sqliteLedger,
  storedOf,
  touchJob
} from "./Ledger.ts"
import { type JobStart, LoadError, LoadTarget, type OpenJob, type Stored } from "./LoadTarget.ts"
import { type Column, columnOfSqlite, type SqliteColumn, type Table, TableError } from "./Table.ts"

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`

/** Bound values of one statement; SQLite takes 32,766. */
const valuesPerStatement = 2000

const loadError = (error: SqlError.SqlError): LoadError =>
  new LoadError({
    message: error.reason.message ?? error.reason._tag,
    isTransient: error.reason._tag === "LockTimeoutError",
    cause: error
  })

/** The statement's own fault, and not the database's. */
const isRefusal = ({ reason }: SqlError.SqlError) =>
  reason._tag === "ConstraintError" ||
  reason._tag === "UniqueViolation" ||
  /constraint|cannot store|datatype/i.test(reason.message ?? "")

type Bound = string | null | Uint8Array

const valuesOf = (columns: ReadonlyArray<Column>, { bytes, starts }: Block, row: number): ReadonlyArray<Bound> => {
  const fields = new Fields(columns).row(bytes, starts[row]!)
  return columns.map(({ type }) => {
    fields.next()
    if (fields.isNull) return null
    const text = fields.text()
    return type.kind === "binary" ? Buffer.from(text, "hex") : text
  })
}

/** The bytes of a value as `Checksum` has them. */
const textOf = ({ type }: Column, value: unknown): string => {
  if (value === null) return "\\N"
  return type.kind === "binary"
    ? Buffer.from(value as Uint8Array)
        .toString("hex")
        .toUpperCase()
    : String(value)
}

const inSqlite = (sql: string) => sql.replace("AS CHAR", "AS TEXT")

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const held = new Set<string>()
  const query = <A extends object>(text: string, values: ReadonlyArray<unknown> = []) =>
    Effect.mapError(sql.unsafe<A>(text, [...values]), loadError)
  yield* Effect.forEach(sqliteLedger, (text) => query(text), { discard: true })

  const jobs = (where: string, values: ReadonlyArray<unknown>) =>
    Effect.map(query<JobRow>(inSqlite(jobsSql(where)), values), (rows) => rows.map((row) => jobOf(row, held.has(row.job))))

  const describe = Effect.fnUntraced(function* (table: string) {
    const rows = yield* query<Omit<SqliteColumn, "isRowId"> & { readonly pk: number }>("SELECT * FROM pragma_table_xinfo(?)", [
      table
    ])
    if (rows.length === 0) return yield* new TableError({ message: `there is no table ${table} in this database` })
    const keys = rows.filter(({ pk }) => pk > 0)
    const isRowId = (row: (typeof rows)[number]) => keys.length === 1 && keys[0] === row && row.type.toUpperCase() === "INTEGER"
    return {
      engine: "sqlite" as const,
      name: table,
      columns: rows.map((row) => columnOfSqlite({ ...row, isRowId: isRowId(row) }))
    }
  })

  const open = Effect.fnUntraced(function* (start: JobStart, described: Table) {
    const { job, table } = start
    yield* Effect.acquireRelease(
      Effect.suspend(() => {
        if (held.has(job)) {
          return Effect.fail(new LoadError({ message: `another loader works on the job ${job}`, isTransient: false }))
        }
        held.add(job)
        return Effect.void
      }),
      () => Effect.sync(() => held.delete(job))
    )
    const auto = described.columns.find(({ autoIncrement }) => autoIncrement)
    const find = query<JobRow>(inSqlite(jobsSql("WHERE l.job = ?")), [job])
    const [found] = yield* find
    if (found === undefined) {
      const [any] = yield* query<{ any: number }>(`SELECT EXISTS (SELECT 1 FROM ${quoted(table)} LIMIT 1) AS "any"`)
      yield* query(...beginJob(start, any!.any === 0))
    } else {
      const refusal = refusalToGoOn(found, start)
      if (refusal !== undefined) return yield* refusal
      if (found.state !== "done") yield* query(...goOnWithJob(job))
    }
    const [now] = yield* find
    yield* crashPoint("load.begun")

    const insert = (columns: ReadonlyArray<Column>, block: Block, from: number, to: number) => {
      const row = `(${columns.map(() => "?").join(", ")})`
      const values: Array<Bound> = []
      for (let i = from; i < to; i++) values.push(...valuesOf(columns, block, i))
      const names = columns.map(({ name }) => quoted(name)).join(", ")
      return sql.unsafe(
        `INSERT INTO ${quoted(table)} (${names}) VALUES ${Array(to - from)
          .fill(row)
          .join(", ")}`,
        values
      )
    }

    const load: OpenJob["load"] = (columns, chunk, _, recordRejects) => {
      const checksum = new Checksum(columns)
      const fields = new Fields(columns)
      const width = Math.max(1, Math.floor(valuesPerStatement / columns.length))
      const givesIds = auto !== undefined && !columns.some(({ name }) => name === auto.name)
      const lastId = Effect.map(query<{ id: number }>("SELECT last_insert_rowid() AS id"), ([row]) => row!.id)
      /** Halves until what is refused stands alone; a statement that fails leaves nothing behind. */
      const store: (
        block: Block,
        from: number,
        to: number
      ) => Effect.Effect<{ readonly stored: ReadonlyArray<Stored>; readonly refused: ReadonlyArray<Reject> }, LoadError> =
        Effect.fnUntraced(function* (block, from, to) {
          const error = yield* insert(columns, block, from, to).pipe(
            Effect.as(undefined),
            Effect.catch((failure) => Effect.succeed(failure))
          )
          if (error === undefined) {
            let sum = 0
            for (let i = from; i < to; i++) sum += checksum.ofRow(fields.row(block.bytes, block.starts[i]!))
            const last = givesIds ? yield* lastId : null
            const firstId = last === null ? null : last - (to - from) + 1
            return { stored: [{ rows: to - from, firstId, lastId: last, checksum: sum }], refused: [] }
          }
          if (!isRefusal(error)) return yield* loadError(error)
          if (to - from === 1) {
            const reason = error.reason.message ?? "the database refuses it"
            return { stored: [], refused: [block.refused(from, /: \w+\.(\w+)$/.exec(reason)?.[1] ?? null, reason)] }
          }
          const middle = from + Math.ceil((to - from) / 2)
          const first = yield* store(block, from, middle)
          const second = yield* store(block, middle, to)
          return { stored: [...first.stored, ...second.stored], refused: [...first.refused, ...second.refused] }
        })
      return sql
        .withTransaction(
          Effect.gen(function* () {
            const stored: Array<Stored> = []
            const refused: Array<Reject> = []
            for (const block of chunk.blocks) {
              for (let from = 0; from < block.rows; from += width) {
                const part = yield* store(block, from, Math.min(from + width, block.rows))
                stored.push(...part.stored)
                refused.push(...part.refused)
              }
            }
            yield* crashPoint("load.sent")
            const rejects = yield* recordRejects(refused)
            yield* query(...beginChunk(job, chunk))
            yield* query(...recordChunk(job, chunk, stored, rejects))
            yield* query(...touchJob(job))
            yield* crashPoint("load.recorded")
            return stored
          })
        )
        .pipe(
          Effect.catchIf(
            (error): error is SqlError.SqlError => (error as { readonly _tag?: string })._tag === "SqlError",
            (error) => Effect.fail(loadError(error))
          ),
          Effect.tap(() => crashPoint("load.committed")),
          Effect.flatMap((stored) =>
            Effect.map(query<{ asked: number }>(...isCancelled(job)), ([row]) => ({ stored, cancelRequested: row?.asked === 1 }))
          )
        )
    }

    return {
      progress: progressOf(now!),
      lanes: 1,
      load,
      measure: Effect.fnUntraced(function* (columns, ids) {
        const checksum = new Checksum(columns)
        const isIn = columns.filter(({ type }) => type.kind !== "float" && type.kind !== "inet")
        // Whole numbers as text: a double holds no more than 53 bits of them.
        const values = isIn
          .map(({ name }) => quoted(name))
          .map((name) => `iif(typeof(${name}) = 'integer', CAST(${name} AS TEXT), ${name})`)
        const list = values.map((value, i) => `, ${value} AS v${i}`).join("")
        const within = ids === undefined ? "" : `AND rowid BETWEEN ${ids.first} AND ${ids.last}`
        const [kind] = yield* query<{ wr: number }>("SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?", [
          table
        ])
        const hasRowId = kind?.wr !== 1
        let rows = 0
        let sum = 0n
        let place: string | undefined
        while (true) {
          const after = place === undefined ? "" : `AND rowid > ${place}`
          const page = yield* query<Record<string, unknown>>(
            hasRowId
              ? `SELECT CAST(rowid AS TEXT) AS place${list} FROM ${quoted(table)} WHERE 1 ${after} ${within} ORDER BY rowid LIMIT 5000`
              : `SELECT '' AS place${list} FROM ${quoted(table)} LIMIT 5000 OFFSET ${rows}`
          )
          for (const row of page) sum += BigInt(checksum.ofText(isIn.map((column, i) => textOf(column, row[`v${i}`]))))
          place = page.at(-1)?.place as string | undefined
          rows += page.length
          if (page.length < 5000) return { rows, checksum: sum }
        }
      }),
      committed: Effect.map(query<ChunkRow>(...chunksOf(job)), (rows) => rows.map(storedOf)),
      end: (state, error) => Effect.asVoid(query(...endJob(job, state, error)))
    } satisfies OpenJob
  })

  return LoadTarget.of({
    defaultChunkRows: () => 20_000,
    describe,
    open,
    find: (job) => Effect.map(jobs("WHERE l.job = ?", [job]), ([found]) => found),
    list: jobs("", []),
    cancel: (job) =>
      Effect.map(
        query<{ job: string }>("UPDATE sluice_loads SET cancel_requested = 1 WHERE job = ? AND state = 'running' RETURNING job", [
          job
        ]),
        (rows) => rows.length > 0
      )
  })
})

export const layer: Layer.Layer<LoadTarget, LoadError, SqlClient.SqlClient> = Layer.effect(LoadTarget, make)
