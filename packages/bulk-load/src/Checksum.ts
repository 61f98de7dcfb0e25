/**
 * A number that tells whether what the table holds is what was sent: CRC-32 (IEEE 802.3) of each row, added up.
 *
 * A row's text is its values as the table gives them back, joined by tabs, `\N` for NULL. Both sides work it out: `ofRow` from the bytes
 * that are sent, `checksumSql` from the table. It finds accidents, not forgeries. Values of FLOAT and DOUBLE, which a server prints in its
 * own way, and of INET are not in it.
 */
import type { Column } from "./Table.ts"

/** Slicing-by-4 (https://create.stephan-brumme.com/crc32/): table k is for the byte that k others follow. Measured: half the time of one table. */
const tables = new Int32Array(4 * 256)
for (let n = 0; n < 256; n++) {
  let c = n
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1
  tables[n] = c
}
for (let i = 256; i < tables.length; i++) {
  const c = tables[i - 256]!
  tables[i] = tables[c & 255]! ^ (c >>> 8)
}

export const crc32 = (bytes: Uint8Array, start: number, end: number): number => {
  let c = -1
  let i = start
  for (const last = end - 3; i < last; i += 4) {
    c ^= bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24)
    c = tables[768 + (c & 255)]! ^ tables[512 + ((c >>> 8) & 255)]! ^ tables[256 + ((c >>> 16) & 255)]! ^ tables[c >>> 24]!
  }
  for (; i < end; i++) c = tables[(c ^ bytes[i]!) & 255]! ^ (c >>> 8)
  return ~c >>> 0
}

const isIn = ({ type }: Column) => type.kind !== "float" && type.kind !== "inet"

/** The columns that the checksum leaves out. */
export const leftOut = (columns: ReadonlyArray<Column>): ReadonlyArray<Column> => columns.filter((column) => !isIn(column))

/** Of one encoded field or row. */
export const unescape = (bytes: Uint8Array, start: number, end: number): Buffer => {
  const plain = Buffer.allocUnsafe(end - start)
  let at = 0
  for (let i = start; i < end; i++) {
    let byte = bytes[i]!
    if (byte === 92 && i + 1 < end) {
      byte = bytes[++i]!
      if (byte === 116) byte = 9
      else if (byte === 110) byte = 10
      else if (byte === 48) byte = 0
      else if (byte === 78) plain[at++] = 92
    }
    plain[at++] = byte
  }
  return plain.subarray(0, at)
}

export class Checksum {
  readonly #isIn: ReadonlyArray<boolean>
  readonly #isWhole: boolean

  constructor(columns: ReadonlyArray<Column>) {
    this.#isIn = columns.map(isIn)
    this.#isWhole = !this.#isIn.includes(false)
  }

  /** The row between `start` and `end` as it is encoded, without its newline. */
  ofRow(bytes: Uint8Array, start: number, end: number, hasEscapes: boolean): number {
    if (this.#isWhole && !hasEscapes) return crc32(bytes, start, end)
    const fields: Array<Uint8Array> = []
    let from = start
    for (const included of this.#isIn) {
      let to = bytes.indexOf(9, from)
      if (to === -1 || to > end) to = end
      if (included) fields.push(fields.length === 0 ? Buffer.alloc(0) : tab, unescape(bytes, from, to))
      from = to + 1
    }
    const text = Buffer.concat(fields)
    return crc32(text, 0, text.length)
  }

  /** Of the values that are in it, as the table gives them back. */
  ofText(values: ReadonlyArray<string>): number {
    const text = Buffer.from(values.join("\t"))
    return crc32(text, 0, text.length)
  }
}

const tab = Buffer.from("\t")

const quoted = (name: string) => `\`${name.replaceAll("`", "``")}\``

const textSql = (column: Column): string => {
  const name = quoted(column.name)
  switch (column.type.kind) {
    case "text":
    case "enum":
    case "set":
    case "json":
      return column.charset === "utf8mb4" ? name : `CONVERT(${name} USING utf8mb4)`
    case "binary":
      return `HEX(${name})`
    // Without the zeros of ZEROFILL.
    case "integer":
    case "bit":
      return `${name} + 0`
    default:
      return name
  }
}

/** MariaDB's expression for one row, whatever the columns' character sets. */
export const checksumSql = (columns: ReadonlyArray<Column>): string => {
  const included = columns.filter(isIn)
  if (included.length === 0) return "0"
  const texts = included.map((column) => (column.nullable ? `IFNULL(${textSql(column)}, '\\\\N')` : textSql(column)))
  return `CRC32(CONCAT_WS('\\t', ${texts.join(", ")}))`
}
