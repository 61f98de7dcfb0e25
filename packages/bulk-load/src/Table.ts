/**
 * A table as a load sees it: its columns, in their order, with what each can hold.
 *
 * Pure: rows of `information_schema.COLUMNS` (MariaDB) or `PRAGMA table_xinfo` (SQLite) in, columns out. A type that is not known here is
 * `unsupported` and can't be loaded into, so nothing is ever stored in a form that was not checked.
 */
import * as Data from "effect/Data"
import type { Form } from "./Fields.ts"

export type ColumnType =
  /** `min` and `max` are both allowed. */
  | { readonly kind: "integer"; readonly min: bigint; readonly max: bigint }
  | { readonly kind: "decimal"; readonly precision: number; readonly scale: number; readonly unsigned: boolean }
  /** `isExact`: a value that a double does not hold to its last digit does not fit. */
  | { readonly kind: "float"; readonly single: boolean; readonly unsigned: boolean; readonly isExact?: boolean }
  /** `padded`: trailing spaces do not come back (CHAR). `numeric`: what looks like a number is kept as one (NUMERIC affinity of SQLite). */
  | {
      readonly kind: "text"
      readonly maxChars: number
      readonly maxBytes: number
      readonly padded: boolean
      readonly numeric?: boolean
    }
  /** Shown as HEX. `fixed`: filled up with zeros (BINARY). */
  | { readonly kind: "binary"; readonly maxBytes: number; readonly fixed: boolean }
  | { readonly kind: "date" }
  | { readonly kind: "datetime"; readonly fraction: number; readonly timestamp: boolean }
  | { readonly kind: "time"; readonly fraction: number }
  | { readonly kind: "year" }
  | { readonly kind: "enum"; readonly values: ReadonlyArray<string> }
  | { readonly kind: "set"; readonly values: ReadonlyArray<string> }
  | { readonly kind: "bit"; readonly bits: number }
  | { readonly kind: "json"; readonly numeric?: boolean }
  | { readonly kind: "uuid" }
  | { readonly kind: "inet"; readonly version: 4 | 6 }
  | { readonly kind: "unsupported"; readonly name: string }

export interface Column {
  readonly name: string
  readonly type: ColumnType
  readonly nullable: boolean
  readonly hasDefault: boolean
  readonly autoIncrement: boolean
  readonly generated: boolean
  /** Of a text; undefined for what is none, or not known. */
  readonly charset?: string | undefined
  /** How its values lie in a block; as text unless given. */
  readonly form?: Form | undefined
  /** Of int64: it has no sign. */
  readonly unsigned?: boolean | undefined
}

export interface Table {
  readonly engine: "mariadb" | "sqlite"
  readonly name: string
  readonly columns: ReadonlyArray<Column>
}

export class TableError extends Data.TaggedError("TableError")<{ readonly message: string }> {}

const unlimited = Number.MAX_SAFE_INTEGER

const signed = (bits: number): ColumnType => ({
  kind: "integer",
  min: -(2n ** BigInt(bits - 1)),
  max: 2n ** BigInt(bits - 1) - 1n
})
const unsigned = (bits: number): ColumnType => ({ kind: "integer", min: 0n, max: 2n ** BigInt(bits) - 1n })

const integerBits: Readonly<Record<string, number>> = { tinyint: 8, smallint: 16, mediumint: 24, int: 32, bigint: 64 }

/** A row of `information_schema.COLUMNS`, and whether a CHECK says that the column is JSON. */
export interface MariaDbColumn {
  readonly COLUMN_NAME: string
  readonly DATA_TYPE: string
  readonly COLUMN_TYPE: string
  readonly IS_NULLABLE: "YES" | "NO"
  readonly COLUMN_DEFAULT: string | null
  readonly EXTRA: string
  readonly CHARACTER_SET_NAME?: string | null
  readonly CHARACTER_MAXIMUM_LENGTH: number | string | null
  readonly CHARACTER_OCTET_LENGTH: number | string | null
  readonly NUMERIC_PRECISION: number | string | null
  readonly NUMERIC_SCALE: number | string | null
  readonly DATETIME_PRECISION: number | string | null
  readonly isJson: boolean
}

const escapes: Readonly<Record<string, string>> = { "''": "'", "\\n": "\n", "\\r": "\r", "\\0": "\0" }

/** `'a','it''s','back\\slash'` as it stands between the brackets of an ENUM or SET. */
const quotedList = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/'((?:[^'\\]|''|\\.)*)'/gs)].map(([, value]) =>
    value!.replace(/''|\\./gs, (written) => escapes[written] ?? written.slice(1))
  )

const mariaDbType = (row: MariaDbColumn): ColumnType => {
  const isUnsigned = /\bunsigned\b/.test(row.COLUMN_TYPE)
  const name = row.DATA_TYPE.toLowerCase()
  const bits = integerBits[name]
  if (bits !== undefined) return isUnsigned ? unsigned(bits) : signed(bits)
  if (row.isJson) return { kind: "json" }
  switch (name) {
    case "decimal":
      return {
        kind: "decimal",
        precision: Number(row.NUMERIC_PRECISION),
        scale: Number(row.NUMERIC_SCALE),
        unsigned: isUnsigned
      }
    case "float":
    case "double":
      return { kind: "float", single: name === "float", unsigned: isUnsigned }
    case "char":
    case "varchar":
    case "tinytext":
    case "text":
    case "mediumtext":
    case "longtext":
      return {
        kind: "text",
        maxChars: Number(row.CHARACTER_MAXIMUM_LENGTH),
        // Bytes of the column's own character set; what does not fit in any other than Unicode's UTF-8 the server says.
        maxBytes: /^(utf8|ascii)/.test(row.CHARACTER_SET_NAME ?? "") ? Number(row.CHARACTER_OCTET_LENGTH) : unlimited,
        padded: name === "char"
      }
    case "binary":
    case "varbinary":
    case "tinyblob":
    case "blob":
    case "mediumblob":
    case "longblob":
      return { kind: "binary", maxBytes: Number(row.CHARACTER_OCTET_LENGTH), fixed: name === "binary" }
    case "date":
      return { kind: "date" }
    case "datetime":
    case "timestamp":
      return { kind: "datetime", fraction: Number(row.DATETIME_PRECISION), timestamp: name === "timestamp" }
    case "time":
      return { kind: "time", fraction: Number(row.DATETIME_PRECISION) }
    case "year":
      return { kind: "year" }
    case "enum":
    case "set":
      return { kind: name, values: quotedList(row.COLUMN_TYPE) }
    case "bit":
      return { kind: "bit", bits: Number(row.NUMERIC_PRECISION) }
    case "uuid":
      return { kind: "uuid" }
    case "inet4":
      return { kind: "inet", version: 4 }
    case "inet6":
      return { kind: "inet", version: 6 }
    default:
      return { kind: "unsupported", name }
  }
}

const formOf = (type: ColumnType): Pick<Column, "form" | "unsigned"> =>
  type.kind === "integer"
    ? { form: "int64", unsigned: type.min === 0n }
    : { form: type.kind === "datetime" && type.fraction === 0 ? "datetime" : "text" }

export const columnOfMariaDb = (row: MariaDbColumn): Column => ({
  name: row.COLUMN_NAME,
  type: mariaDbType(row),
  ...formOf(mariaDbType(row)),
  nullable: row.IS_NULLABLE === "YES",
  hasDefault: row.COLUMN_DEFAULT !== null,
  autoIncrement: /\bauto_increment\b/i.test(row.EXTRA),
  generated: /\b(GENERATED|VIRTUAL|STORED)\b/i.test(row.EXTRA),
  charset: row.CHARACTER_SET_NAME ?? undefined
})

/** A row of `PRAGMA table_xinfo`; `isRowId`: the sole INTEGER PRIMARY KEY, which SQLite numbers itself. */
export interface SqliteColumn {
  readonly name: string
  readonly type: string
  readonly notnull: number
  readonly dflt_value: string | null
  readonly hidden: number
  readonly isRowId: boolean
}

/** By the declared type, the way SQLite finds a column's affinity (https://sqlite.org/datatype3.html#determination_of_column_affinity). */
const sqliteType = (declared: string): ColumnType => {
  const type = declared.toUpperCase()
  // SQLite does not hold anybody to a declared length; whoever declared it meant it.
  const length = Number(/\(\s*(\d+)\s*\)/.exec(type)?.[1] ?? unlimited)
  const text: ColumnType = { kind: "text", maxChars: length, maxBytes: unlimited, padded: false }
  if (type.includes("INT")) return signed(64)
  if (/CHAR|CLOB|TEXT/.test(type)) return text
  if (type === "" || type.includes("BLOB")) return { kind: "binary", maxBytes: unlimited, fixed: false }
  if (/REAL|FLOA|DOUB/.test(type)) return { kind: "float", single: false, unsigned: false }
  // NUMERIC affinity stores what looks like a number as one: 1.50 becomes 1.5.
  if (type === "JSON") return { kind: "json", numeric: true }
  if (/DATE|TIME/.test(type)) return { ...text, numeric: true }
  return { kind: "float", single: false, unsigned: false, isExact: true }
}

export const columnOfSqlite = (row: SqliteColumn): Column => ({
  name: row.name,
  type: sqliteType(row.type),
  nullable: row.notnull === 0,
  hasDefault: row.dflt_value !== null,
  autoIncrement: row.isRowId,
  generated: row.hidden === 2 || row.hidden === 3
})

const sameName = (a: string, b: string) => a.toLowerCase() === b.toLowerCase()

/** The columns that a source with these names fills, in the source's order. */
export const selectColumns = (table: Table, names: ReadonlyArray<string>): ReadonlyArray<Column> | TableError => {
  const refuse = (message: string) => new TableError({ message: `${table.name}: ${message}` })
  const chosen: Array<Column> = []
  for (const name of names) {
    const column = table.columns.find((candidate) => sameName(candidate.name, name))
    if (column === undefined) {
      const there = table.columns.map((candidate) => candidate.name).join(", ")
      return refuse(`there is no column ${JSON.stringify(name)}; there are ${there}`)
    }
    if (chosen.includes(column)) return refuse(`the column ${column.name} is named twice`)
    if (column.generated) return refuse(`the column ${column.name} is generated and takes no values`)
    if (column.type.kind === "unsupported") {
      return refuse(`the column ${column.name} of type ${column.type.name} can't be loaded; leave it out`)
    }
    chosen.push(column)
  }
  const missing = table.columns.filter(
    (column) => !chosen.includes(column) && !column.nullable && !column.hasDefault && !column.autoIncrement && !column.generated
  )
  if (missing.length > 0) return refuse(`no value for ${missing.map(({ name }) => name).join(", ")}, which can't be left out`)
  if (chosen.length === 0) return refuse("no columns")
  return chosen
}
