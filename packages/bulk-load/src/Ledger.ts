/**
 * The ledger of loads: what was begun, and each chunk that was committed, in the database that holds the rows.
 *
 * How far a job is follows from its chunks and is not kept besides.
 */
import { type Chunk, type Job, type JobStart, type JobState, LoadError, type Progress, type Stored } from "./LoadTarget.ts"

const tables = (text: string, id: string) => [
  `CREATE TABLE IF NOT EXISTS sluice_loads (
    job ${id} NOT NULL PRIMARY KEY,
    table_name ${text} NOT NULL,
    source ${text} NOT NULL,
    identity ${text} NOT NULL,
    columns_json ${text} NOT NULL,
    state VARCHAR(16) NOT NULL,
    was_empty SMALLINT NOT NULL,
    cancel_requested SMALLINT NOT NULL,
    error ${text},
    started_at_ms BIGINT NOT NULL,
    updated_at_ms BIGINT NOT NULL,
    ended_at_ms BIGINT
  )`,
  `CREATE TABLE IF NOT EXISTS sluice_load_chunks (
    job ${id} NOT NULL,
    chunk INTEGER NOT NULL,
    from_position BIGINT NOT NULL,
    to_position BIGINT NOT NULL,
    next_line BIGINT NOT NULL,
    row_count BIGINT NOT NULL,
    rejects BIGINT NOT NULL,
    rejects_bytes BIGINT NOT NULL,
    first_id BIGINT,
    last_id BIGINT,
    checksum BIGINT NOT NULL,
    committed_at_ms BIGINT NOT NULL,
    PRIMARY KEY (job, chunk)
  )`
]

export const mariaDbLedger = tables("TEXT CHARACTER SET utf8mb4", "VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
export const sqliteLedger = tables("TEXT", "TEXT")

/** Jobs with what their chunks add up to; `rejects` are counted through, so the last chunk has them all. */
export const jobsSql = (where: string) => `SELECT l.*, COUNT(c.chunk) AS chunks, COALESCE(SUM(c.row_count), 0) AS row_count,
    COALESCE(MAX(c.rejects), 0) AS rejects, COALESCE(MAX(c.rejects_bytes), 0) AS rejects_bytes, MAX(c.to_position) AS to_position,
    MAX(c.next_line) AS next_line, CAST(COALESCE(SUM(c.checksum), 0) AS CHAR) AS checksum, MIN(c.first_id) AS first_id,
    MAX(c.last_id) AS last_id
  FROM sluice_loads l LEFT JOIN sluice_load_chunks c ON c.job = l.job ${where} GROUP BY l.job ORDER BY l.started_at_ms DESC, l.job LIMIT 1000`

export interface JobRow {
  readonly job: string
  readonly table_name: string
  readonly source: string
  readonly identity: string
  readonly columns_json: string
  readonly state: JobState
  readonly was_empty: number
  readonly cancel_requested: number
  readonly error: string | null
  readonly started_at_ms: number
  readonly updated_at_ms: number
  readonly ended_at_ms: number | null
  readonly chunks: number
  readonly row_count: number | string
  readonly rejects: number | string
  readonly rejects_bytes: number | string
  readonly to_position: number | null
  readonly next_line: number | null
  readonly checksum: string | number
  readonly first_id: number | null
  readonly last_id: number | null
}

export const progressOf = (row: JobRow): Progress => ({
  state: row.state,
  chunks: Number(row.chunks),
  rows: Number(row.row_count),
  rejects: Number(row.rejects),
  rejectsBytes: Number(row.rejects_bytes),
  position: row.to_position,
  line: row.next_line,
  checksum: BigInt(row.checksum),
  firstId: row.first_id,
  lastId: row.last_id,
  wasEmpty: row.was_empty !== 0
})

export const jobOf = (row: JobRow, isHeld: boolean): Job => ({
  ...progressOf(row),
  job: row.job,
  table: row.table_name,
  source: row.source,
  identity: row.identity,
  columns: JSON.parse(row.columns_json),
  isHeld,
  error: row.error,
  startedAtMs: row.started_at_ms,
  updatedAtMs: row.updated_at_ms,
  endedAtMs: row.ended_at_ms
})

/** Why a job can't go on as it is asked for, where it can't. */
export const refusalToGoOn = (found: JobRow, { columns, identity, job, table }: JobStart): LoadError | undefined => {
  const what =
    found.table_name !== table
      ? `table (${found.table_name})`
      : found.identity !== identity
        ? "source"
        : found.columns_json !== JSON.stringify(columns)
          ? "columns"
          : undefined
  return what === undefined
    ? undefined
    : new LoadError({
        message: `the job ${job} began with another ${what}: use another name with --job, or give what it began with`,
        isTransient: false
      })
}

export type Statement = readonly [sql: string, values: ReadonlyArray<string | number | null>]

export const beginJob = ({ columns, identity, job, source, table }: JobStart, wasEmpty: boolean): Statement => [
  "INSERT INTO sluice_loads VALUES (?, ?, ?, ?, ?, 'running', ?, 0, NULL, ?, ?, NULL)",
  [job, table, source, identity, JSON.stringify(columns), wasEmpty ? 1 : 0, Date.now(), Date.now()]
]

export const goOnWithJob = (job: string): Statement => [
  "UPDATE sluice_loads SET state = 'running', cancel_requested = 0, error = NULL, ended_at_ms = NULL, updated_at_ms = ? WHERE job = ?",
  [Date.now(), job]
]

export const endJob = (job: string, state: JobState, error: string | null): Statement => [
  "UPDATE sluice_loads SET state = ?, error = ?, updated_at_ms = ?, ended_at_ms = ? WHERE job = ?",
  [state, error, Date.now(), Date.now(), job]
]

export const touchJob = (job: string): Statement => ["UPDATE sluice_loads SET updated_at_ms = ? WHERE job = ?", [Date.now(), job]]

export const isCancelled = (job: string): Statement => ["SELECT cancel_requested AS asked FROM sluice_loads WHERE job = ?", [job]]

export interface ChunkRow {
  readonly from_position: number
  readonly to_position: number
  readonly row_count: number
  readonly checksum: number
  readonly first_id: number | null
  readonly last_id: number | null
}

export const storedOf = (row: ChunkRow): Stored => ({
  rows: row.row_count,
  checksum: row.checksum,
  firstId: row.first_id,
  lastId: row.last_id
})

const chunkColumns =
  "SELECT from_position, to_position, row_count, checksum, first_id, last_id FROM sluice_load_chunks WHERE job = ?"

export const chunksOf = (job: string): Statement => [`${chunkColumns} ORDER BY chunk`, [job]]

export const chunkOf = (job: string, chunk: number): Statement => [`${chunkColumns} AND chunk = ?`, [job, chunk]]

/** Where it begins and ends; what became of it follows with `recordChunk`. */
export const beginChunk = (job: string, { blocks, number }: Chunk): Statement => {
  const last = blocks.at(-1)!
  return [
    "INSERT INTO sluice_load_chunks VALUES (?, ?, ?, ?, ?, 0, 0, 0, NULL, NULL, 0, ?)",
    [job, number, blocks[0]!.from, last.to, last.nextLine, Date.now()]
  ]
}

export const recordChunk = (
  job: string,
  { number }: Chunk,
  stored: ReadonlyArray<Stored>,
  { rejects, rejectsBytes }: { readonly rejects: number; readonly rejectsBytes: number }
): Statement => {
  const ids = stored.flatMap(({ firstId, lastId }) => (firstId === null || lastId === null ? [] : [firstId, lastId]))
  return [
    `UPDATE sluice_load_chunks SET row_count = ?, rejects = ?, rejects_bytes = ?, first_id = ?, last_id = ?, checksum = ?,
      committed_at_ms = ? WHERE job = ? AND chunk = ?`,
    [
      stored.reduce((sum, { rows }) => sum + rows, 0),
      rejects,
      rejectsBytes,
      ids.length === 0 ? null : Math.min(...ids),
      ids.length === 0 ? null : Math.max(...ids),
      stored.reduce((sum, { checksum }) => sum + checksum, 0),
      Date.now(),
      job,
      number
    ]
  ]
}
