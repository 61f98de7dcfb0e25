/**
 * A database that rows are loaded into, and the ledger of what was.
 *
 * What every layer keeps:
 * - a chunk's rows and its line in the ledger are committed together or not at all, each chunk of a job once, whoever tries again;
 * - a row is stored as it was sent or refused with a reason, never cut or guessed; what is refused keeps nobody else's row out;
 * - one loader works on a job at a time, and the place of one that died is free.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Block, Reject } from "./Block.ts"
import type { Column, Table, TableError } from "./Table.ts"
import type { Turn } from "./Turns.ts"

export interface Chunk {
  readonly number: number
  /** Consecutive. */
  readonly blocks: ReadonlyArray<Block>
}

/** Rows that one statement stored. */
export interface Stored {
  readonly rows: number
  /** The ids that the database gave, contiguous; null where it gave none. */
  readonly firstId: number | null
  readonly lastId: number | null
  readonly checksum: number
}

export type JobState = "running" | "done" | "failed" | "stopped" | "cancelled"

export interface JobStart {
  readonly job: string
  readonly table: string
  readonly source: string
  readonly identity: string
  readonly columns: ReadonlyArray<string>
  /** How many connections may load at once, where the target can use more than one; as many as suit it unless given. */
  readonly connections?: number | undefined
}

/** How far a job is committed. */
export interface Progress {
  readonly state: JobState
  readonly chunks: number
  readonly rows: number
  readonly rejects: number
  readonly rejectsBytes: number
  /** Null before the first chunk. */
  readonly position: number | null
  readonly line: number | null
  readonly checksum: bigint
  readonly firstId: number | null
  readonly lastId: number | null
  /** The table had no rows when the job began. */
  readonly wasEmpty: boolean
}

export interface Job extends JobStart, Progress {
  /** A loader is at work on it now. */
  readonly isHeld: boolean
  readonly error: string | null
  readonly startedAtMs: number
  readonly updatedAtMs: number
  readonly endedAtMs: number | null
}

export class LoadError extends Data.TaggedError("LoadError")<{
  readonly message: string
  /** Worth trying again on a new connection. */
  readonly isTransient: boolean
  readonly cause?: unknown
}> {}

export interface OpenJob {
  readonly progress: Progress
  /** How many chunks may be under way at once. */
  readonly lanes: number
  /**
   * Stores a chunk, in whole or without the rows that the database refuses. Chunks are committed in their order; `turn` is the chunk's
   * place in it, and whoever calls ends it.
   *
   * `recordRejects` is called with the rows that the database refused, when it is the chunk's turn and before the commit, and gives how
   * many rejects there are so far and how many bytes they take; where it fails nothing of the chunk is kept.
   */
  readonly load: <E>(
    columns: ReadonlyArray<Column>,
    chunk: Chunk,
    turn: Turn,
    recordRejects: (
      refused: ReadonlyArray<Reject>
    ) => Effect.Effect<{ readonly rejects: number; readonly rejectsBytes: number }, E>
  ) => Effect.Effect<{ readonly stored: ReadonlyArray<Stored>; readonly cancelRequested: boolean }, E | LoadError>
  /** What the table holds of these ids; of all its rows without them. No checksum where a row is too long for the database to work it out. */
  readonly measure: (
    columns: ReadonlyArray<Column>,
    ids: { readonly first: number; readonly last: number } | undefined
  ) => Effect.Effect<{ readonly rows: number; readonly checksum: bigint | undefined }, LoadError>
  /** The chunks of the job, in their order, each as if one statement had stored it. */
  readonly committed: Effect.Effect<ReadonlyArray<Stored>, LoadError>
  readonly end: (state: JobState, error: string | null) => Effect.Effect<void, LoadError>
}

export class LoadTarget extends Context.Service<
  LoadTarget,
  {
    readonly defaultChunkRows: (connections?: number) => number
    readonly describe: (table: string) => Effect.Effect<Table, TableError | LoadError>
    /** Begins a job into a table that was described, or goes on with one of that name; held until the scope closes. Fails where another loader holds it. */
    readonly open: (start: JobStart, table: Table) => Effect.Effect<OpenJob, LoadError, Scope.Scope>
    readonly find: (job: string) => Effect.Effect<Job | undefined, LoadError>
    /** The newest first. */
    readonly list: Effect.Effect<ReadonlyArray<Job>, LoadError>
    /** Asks the loader of a job to stop after its chunk; false where there is no such job under way. */
    readonly cancel: (job: string) => Effect.Effect<boolean, LoadError>
  }
>()("sluice/LoadTarget") {}
