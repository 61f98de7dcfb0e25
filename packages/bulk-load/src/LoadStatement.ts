/**
 * A chunk's rows by `LOAD DATA LOCAL`, inside the transaction that is open: as whole as it can be.
 *
 * `LOAD DATA LOCAL` makes warnings of errors: a statement with a warning, or with a row less than was sent, is taken back, and the rows are
 * tried again in parts until each one that is refused stands alone.
 */
import * as Effect from "effect/Effect"
import type { Block, Reject } from "./Block.ts"
import { Checksum } from "./Checksum.ts"
import { Fields } from "./Fields.ts"
import type { Chunk, LoadError, Stored } from "./LoadTarget.ts"
import type { MariaDbSession } from "./MariaDbSession.ts"
import type { Column } from "./Table.ts"

export const quoted = (name: string) => `\`${name.replaceAll("`", "``")}\``

const plain = new Set(["integer", "decimal", "float", "text", "json", "date", "datetime", "time", "year"])

/** With `binary` the server converts nothing, which is right where nothing is to be converted (measured: 4% of its time). */
const charsetOf = (columns: ReadonlyArray<Column>) =>
  columns.every(({ charset, type }) => plain.has(type.kind) && (charset === undefined || charset === "utf8mb4"))
    ? "binary"
    : "utf8mb4"

/** What a column takes of a value as a block has it: binary values are hexadecimal digits there, bits a number. */
export const fromText = ({ type }: Column, text: string): string =>
  type.kind === "binary" ? `UNHEX(${text})` : type.kind === "bit" ? `CAST(${text} AS UNSIGNED)` : text

const loadSql = (table: string, columns: ReadonlyArray<Column>) => {
  const targets: Array<string> = []
  const sets: Array<string> = []
  for (const [i, column] of columns.entries()) {
    const name = quoted(column.name)
    const value = fromText(column, `@v${i}`)
    targets.push(value === `@v${i}` ? name : `@v${i}`)
    if (value !== `@v${i}`) sets.push(`${name} = ${value}`)
  }
  return (file: string) =>
    `LOAD DATA LOCAL INFILE '${file}' INTO TABLE ${quoted(table)} CHARACTER SET ${charsetOf(columns)} ` +
    `FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' (${targets.join(", ")})${sets.length === 0 ? "" : ` SET ${sets.join(", ")}`}`
}

const backslash = 92

/** What stands behind the backslash for a byte that can't stand for itself; 0 for all others. */
const escapes = new Uint8Array(256)
escapes[backslash] = backslash
escapes[9] = 116
escapes[10] = 110
escapes[0] = 48

/** Rows as the statement reads them: columns by tab, rows by newline, escaped by backslash, `\N` for NULL. */
const textOf = ({ bytes, starts }: Block, columns: ReadonlyArray<Column>, from: number, to: number): Buffer => {
  // A NULL of one byte becomes three, a byte of text at most two, and a number or a time of nine at most 21.
  const text = Buffer.allocUnsafe(3 * (starts[to]! - starts[from]!))
  const fields = new Fields(columns)
  const last = columns.length - 1
  let at = 0
  for (let row = from; row < to; row++) {
    fields.row(bytes, starts[row]!)
    for (let column = 0; column <= last; column++) {
      fields.next()
      if (!fields.isNull && fields.form !== "text") at += text.write(fields.text(), at, "latin1")
      else if (fields.isNull) {
        text[at++] = backslash
        text[at++] = 78
      } else
        for (let i = fields.start; i < fields.end; i++) {
          const byte = bytes[i]!
          const escaped = escapes[byte]!
          if (escaped !== 0) text[at++] = backslash
          text[at++] = escaped === 0 ? byte : escaped
        }
      text[at++] = column === last ? 10 : 9
    }
  }
  return text.subarray(0, at)
}

/** The rows' own fault (bad value, constraint, a trigger's SIGNAL, no partition), and not the server's. */
export const refusalOf = (error: LoadError): string | undefined => {
  const { errno, sqlState } = error.cause as { readonly errno?: number; readonly sqlState?: string }
  return /^(22|23|45)/.test(sqlState ?? "") || errno === 1526 || errno === 1748 ? error.message : undefined
}

export interface Sent {
  readonly stored: ReadonlyArray<Stored>
  readonly refused: ReadonlyArray<Reject>
}

export interface Writer {
  /** The whole chunk with one statement; undefined where any of it is refused: then the transaction is to be taken back. */
  readonly whole: (chunk: Chunk) => Effect.Effect<Sent | undefined, LoadError>
  /** As whole as it can be, and without the rows that are refused. */
  readonly parts: (chunk: Chunk) => Effect.Effect<Sent, LoadError>
}

export interface WriterOptions {
  readonly table: string
  readonly columns: ReadonlyArray<Column>
  /** The database numbers the rows, one after another within a statement. */
  readonly givesIds: boolean
}

/** Those of its blocks that have rows, and how many these are. */
export const filled = ({ blocks }: Chunk) => {
  const full = blocks.filter(({ rows }) => rows > 0)
  return { blocks: full, rows: full.reduce((sum, { rows }) => sum + rows, 0) }
}

export const checksumOf = (blocks: ReadonlyArray<Block>) => blocks.reduce((sum, { checksum }) => sum + checksum, 0)

export const makeWriter = (session: MariaDbSession, { columns, givesIds, table }: WriterOptions): Writer => {
  const statement = loadSql(table, columns)
  const checksum = new Checksum(columns)
  const fields = new Fields(columns)
  const sumOf = ({ bytes, starts }: Block, from: number, to: number) => {
    let sum = 0
    for (let i = from; i < to; i++) sum += checksum.ofRow(fields.row(bytes, starts[i]!))
    return sum
  }

  /** A text says why the rows are refused, where the statement failed over it. */
  const send = Effect.fnUntraced(function* (parts: Iterable<Uint8Array>, rows: number, checksum: number) {
    const outcome = yield* Effect.catch(session.load(statement, parts), (error) => {
      const refusal = refusalOf(error)
      return refusal === undefined ? Effect.fail(error) : Effect.succeed(refusal)
    })
    if (typeof outcome === "string") return outcome
    if (outcome.affectedRows !== rows || outcome.warnings > 0) return undefined
    // The answer itself does not say the first id; the session's function does.
    const first = givesIds ? (yield* session.query<{ id: number }>("SELECT LAST_INSERT_ID() AS id"))[0]!.id : null
    return { rows, checksum, firstId: first, lastId: first === null ? null : first + rows - 1 } satisfies Stored
  })

  /** Halves until what is refused stands alone, the first rows first: of two that exclude each other the earlier one stays. */
  const split: (block: Block, from: number, to: number) => Effect.Effect<Sent, LoadError> = Effect.fnUntraced(
    function* (block, from, to) {
      if (from === to) return { stored: [], refused: [] }
      yield* session.run("SAVEPOINT sluice_part")
      const part = textOf(block, columns, from, to)
      const whole = yield* send([part], to - from, sumOf(block, from, to))
      if (typeof whole === "object") return { stored: [whole], refused: [] }
      const [warning] =
        to - from === 1 && whole === undefined ? yield* session.query<{ Message: string }>("SHOW WARNINGS LIMIT 1") : []
      yield* session.run("ROLLBACK TO SAVEPOINT sluice_part")
      if (to - from === 1) {
        const reason = whole ?? warning?.Message ?? "the database refuses it"
        return { stored: [], refused: [block.refused(from, columnIn(reason), reason)] }
      }
      const middle = from + Math.ceil((to - from) / 2)
      const first = yield* split(block, from, middle)
      const second = yield* split(block, middle, to)
      return { stored: [...first.stored, ...second.stored], refused: [...first.refused, ...second.refused] }
    }
  )

  return {
    whole: Effect.fnUntraced(function* (chunk) {
      const { blocks, rows } = filled(chunk)
      if (rows === 0) return { stored: [], refused: [] }
      function* parts() {
        for (const block of blocks) yield textOf(block, columns, 0, block.rows)
      }
      const stored = yield* send(parts(), rows, checksumOf(blocks))
      return typeof stored === "object" ? { stored: [stored], refused: [] } : undefined
    }),
    parts: (chunk) =>
      Effect.map(
        Effect.forEach(filled(chunk).blocks, (block) => split(block, 0, block.rows)),
        (sent) => ({ stored: sent.flatMap(({ stored }) => stored), refused: sent.flatMap(({ refused }) => refused) })
      )
  }
}

/** `Duplicate entry 'x' for key 'email'`, `Column 'a' cannot be null`, `... for column \`db\`.\`t\`.\`a\` at row 1`. */
const columnIn = (message: string): string | null =>
  /for column (?:`[^`]+`\.)*`?([^`' ]+)`?/.exec(message)?.[1] ?? /Column '([^']+)'/.exec(message)?.[1] ?? null
