/**
 * A chunk's rows by one INSERT, which MariaDB executes in bulk, inside the transaction that is open: all of them, or none.
 *
 * It spares the server the reading of text and is what a program's own INSERT would store. Unlike a load it holds no lock on the numbers
 * of the table, so others may get some in between: where they may have, the ids are not known, and the rows are to be loaded.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Parameter } from "./BulkExecute.ts"
import { checksumOf, filled, fromText, quoted, refusalOf, type Sent } from "./LoadStatement.ts"
import type { Chunk, LoadError } from "./LoadTarget.ts"
import type { MariaDbSession } from "./MariaDbSession.ts"
import type { Column } from "./Table.ts"

/** Text that needs no conversion is given as bytes (measured: 2% of a row). */
const parameterOf = ({ charset, form = "text", type, unsigned }: Column): Parameter => {
  if (form === "int64") return unsigned === true ? "uint64" : form
  return charset === "utf8mb4" && (type.kind === "text" || type.kind === "json") ? "bytes" : form
}

export interface InserterOptions {
  readonly table: string
  readonly columns: ReadonlyArray<Column>
  /** The column that the database numbers, one after another within a statement. */
  readonly numbered: string | undefined
  /** The server's max_allowed_packet. */
  readonly mostBytes: number
}

export interface Inserted extends Sent {
  /** Whether the ids are those that `stored` says: to be asked before the commit. False where others got some in between. */
  readonly hasIds: Effect.Effect<boolean, LoadError>
}

export interface Inserter {
  readonly prepare: (session: MariaDbSession) => Effect.Effect<void, LoadError>
  /**
   * Sends a chunk's rows; what comes back stores them, and gives undefined where one is refused. Undefined where the server can't do it so.
   */
  readonly send: (
    session: MariaDbSession,
    chunk: Chunk
  ) => Effect.Effect<Effect.Effect<Inserted | undefined, LoadError> | undefined, LoadError, Scope.Scope>
}

export const makeInserter = ({ columns, mostBytes, numbered, table }: InserterOptions): Inserter => {
  const names = columns.map(({ name }) => quoted(name)).join(", ")
  const values = columns.map((column) => fromText(column, "?")).join(", ")
  const statement = {
    sql: `INSERT INTO ${quoted(table)} (${names}) VALUES (${values})`,
    parameters: columns.map(parameterOf)
  }
  const idsAbove = (id: number) => [`SELECT 1 FROM ${quoted(table)} WHERE ${quoted(numbered!)} > ? LIMIT 1`, [id]] as const

  const send: Inserter["send"] = Effect.fnUntraced(function* (session, chunk) {
    const { blocks, rows } = filled(chunk)
    if (rows === 0) return Effect.succeed({ stored: [], refused: [], hasIds: Effect.succeed(true) })
    const execute = yield* session.bulk(
      statement,
      blocks.map(({ bytes }) => bytes),
      mostBytes
    )
    if (execute === undefined) return undefined
    return Effect.gen(function* () {
      const inserted = yield* Effect.catch(execute, (error) =>
        refusalOf(error) === undefined ? Effect.fail(error) : Effect.succeed(undefined)
      )
      if (inserted === undefined || inserted.affectedRows !== rows || inserted.warnings > 0) return undefined
      const checksum = checksumOf(blocks)
      if (numbered === undefined) {
        return { stored: [{ rows, checksum, firstId: null, lastId: null }], refused: [], hasIds: Effect.succeed(true) }
      }
      const { firstId } = inserted
      const lastId = firstId + rows - 1
      return {
        stored: [{ rows, checksum, firstId, lastId }],
        refused: [],
        // Ids only rise. Had ours a gap, the last of them would be above.
        hasIds: Effect.map(session.query(...idsAbove(lastId)), (above) => above.length === 0)
      }
    })
  })
  return { prepare: (session) => session.prepare(statement.sql), send }
}
