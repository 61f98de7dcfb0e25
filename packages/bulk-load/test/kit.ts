import type { Block, Reject } from "../src/Block.ts"
import { type CsvOptions, CsvReader, defaultCsv } from "../src/CsvReader.ts"
import { Fields } from "../src/Fields.ts"
import type { Column, ColumnType } from "../src/Table.ts"

export const column = (name: string, type: ColumnType, nullable = true): Column => ({
  name,
  type,
  nullable,
  hasDefault: false,
  autoIncrement: false,
  generated: false
})

export const text = (maxChars = 1_000_000, maxBytes = 4_000_000): ColumnType => ({
  kind: "text",
  maxChars,
  maxBytes,
  padded: false
})

export const integer = (bits: number): ColumnType => ({
  kind: "integer",
  min: -(2n ** BigInt(bits - 1)),
  max: 2n ** BigInt(bits - 1) - 1n
})

type Row = ReadonlyArray<string | null>

/** The rows of a block as the database reads them. */
export const rowsOf = ({ bytes, rows, starts }: Block): ReadonlyArray<Row> =>
  Array.from({ length: rows }, (_, i) => {
    const fields = new Fields([]).row(bytes, starts[i]!)
    const row: Array<string | null> = []
    while (row.length === 0 || fields.end < starts[i + 1]!) {
      fields.next()
      row.push(fields.isNull ? null : bytes.toString("utf8", fields.start, fields.end))
    }
    return row
  })

export interface Outcome {
  readonly rows: ReadonlyArray<Row>
  readonly lines: ReadonlyArray<number>
  readonly rejects: ReadonlyArray<Reject>
  readonly checksum: number
}

export const outcomeOf = (blocks: ReadonlyArray<Block>): Outcome => ({
  rows: blocks.flatMap(rowsOf),
  lines: blocks.flatMap(({ lines }) => [...lines]),
  rejects: blocks.flatMap(({ rejects }) => rejects),
  checksum: blocks.reduce((sum, { checksum }) => sum + checksum, 0)
})

/** Cuts at each place, modulo the length. */
export const cut = (bytes: Buffer, places: ReadonlyArray<number>): ReadonlyArray<Buffer> => {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...at].map((from, i) => bytes.subarray(from, at[i] ?? bytes.length))
}

export const readCsv = (
  columns: ReadonlyArray<Column>,
  slabs: Iterable<Uint8Array>,
  options: Partial<CsvOptions> = {},
  from = { position: 0, line: 1 }
): ReadonlyArray<Block> => {
  const reader = new CsvReader(columns, { ...defaultCsv, ...options }, from)
  const blocks: Array<Block> = []
  for (const slab of slabs) blocks.push(...reader.push(slab))
  blocks.push(...reader.finish())
  return blocks
}
