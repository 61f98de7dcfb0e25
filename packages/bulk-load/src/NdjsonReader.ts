/**
 * NDJSON to blocks: an object a line, or an array where the columns are named in an order. Numbers are taken as they are written, so none loses a digit; objects and arrays are for JSON columns.
 *
 * A key that is missing is NULL; one that is no column, or is given twice at any depth, makes the row a reject, as everything does that
 * can't be read or does not fit.
 */
import { isUtf8 } from "node:buffer"
import type { Block } from "./Block.ts"
import { BlockBuilder } from "./BlockBuilder.ts"
import type { Place } from "./Source.ts"
import type { Column } from "./Table.ts"

interface RawJson {
  readonly rawJSON: string
}
/** Proposal json-parse-with-source, in V8 since 11.4 and not yet in TypeScript's library. */
const exact = JSON as unknown as {
  readonly rawJSON: (text: string) => RawJson
  readonly isRawJSON: (value: unknown) => value is RawJson
  readonly parse: (
    text: string,
    reviver: (this: unknown, key: string, value: unknown, context: { readonly source: string }) => unknown
  ) => unknown
}

/** Of valid JSON: how many keys are written in it, at any depth. */
const keysIn = (text: string): number => {
  let keys = 0
  let isInside = false
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 34) isInside = !isInside
    else if (code === 92) i++
    else if (code === 58 && !isInside) keys++
  }
  return keys
}

class RepeatedKey extends Error {}

/** Numbers stay what was written; a key given twice, of which `JSON.parse` would drop one, is an error. */
export const parseExactly = (text: string): unknown => {
  // The reviver is called for the whole as well.
  let keys = -1
  const value = exact.parse(text, function (_, value, { source }) {
    if (!Array.isArray(this)) keys++
    return typeof value === "number" ? exact.rawJSON(source) : value
  })
  if (keys !== keysIn(text)) throw new RepeatedKey()
  return value
}

const isPlainObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !exact.isRawJSON(value)

export class NdjsonReader {
  readonly #builder: BlockBuilder
  readonly #maxRowBytes: number
  readonly #indexes: ReadonlyMap<string, number>
  readonly #takesArrays: boolean
  #rest: Buffer = Buffer.alloc(0)
  #position: number
  #line: number
  #skipping = false

  /** `names` are the keys of the columns; `takesArrays`: they are in the order of an array's values, too. */
  constructor(
    columns: ReadonlyArray<Column>,
    names: ReadonlyArray<string>,
    maxRowBytes: number,
    from: Place,
    takesArrays = false
  ) {
    this.#takesArrays = takesArrays
    this.#builder = new BlockBuilder(columns, from.position)
    this.#indexes = new Map(names.map((name, i) => [name, i]))
    this.#maxRowBytes = maxRowBytes
    this.#position = from.position
    this.#line = from.line
  }

  *push(slab: Uint8Array): Generator<Block> {
    const buffer = this.#rest.length === 0 ? Buffer.from(slab) : Buffer.concat([this.#rest, slab])
    let at = 0
    for (let end = buffer.indexOf(10); end !== -1; end = buffer.indexOf(10, at)) {
      if (this.#skipping) this.#skipping = false
      else this.#row(buffer.subarray(at, end))
      this.#line++
      this.#position += end + 1 - at
      at = end + 1
      if (this.#builder.isFull) yield this.#builder.take(this.#position, this.#line)
    }
    this.#rest = Buffer.from(buffer.subarray(at))
    if (this.#rest.length > this.#maxRowBytes) {
      if (!this.#skipping) this.#tooLong()
      this.#position += this.#rest.length
      this.#rest = Buffer.alloc(0)
    }
  }

  *finish(): Generator<Block> {
    if (this.#rest.length > 0 && !this.#skipping) this.#row(this.#rest)
    this.#position += this.#rest.length
    yield this.#builder.take(this.#position, this.#line + (this.#rest.length > 0 ? 1 : 0))
  }

  #tooLong(): void {
    this.#skipping = true
    const raw = this.#rest.toString("utf8", 0, 1000)
    this.#builder.reject({ line: this.#line, column: null, reason: `longer than ${this.#maxRowBytes} bytes`, raw }, true)
  }

  #row(bytes: Buffer): void {
    const builder = this.#builder
    const text = bytes.toString("utf8").replace(/^\ufeff/, "")
    if (/^\s*$/.test(text)) return
    builder.beginRow()
    const row = isUtf8(bytes) ? this.#parse(text) : "not valid UTF-8"
    if (typeof row === "string") builder.wrong(null, row)
    else if (Array.isArray(row)) this.#values(row)
    else this.#fields(row)
    builder.endRow(this.#line, () => text.replace(/\r$/, ""))
  }

  #parse(text: string): Record<string, unknown> | Array<unknown> | string {
    try {
      const row = parseExactly(text)
      if (this.#takesArrays && Array.isArray(row)) return row
      if (isPlainObject(row)) return row
      return Array.isArray(row) ? "an array, and no columns are named for its values" : "not a JSON object"
    } catch (error) {
      return error instanceof RepeatedKey ? "a key is given twice" : "not JSON"
    }
  }

  #fields(row: Record<string, unknown>): void {
    const builder = this.#builder
    for (const key of Object.keys(row)) {
      if (!this.#indexes.has(key)) builder.wrong(null, `there is no column for ${JSON.stringify(key)}`)
    }
    for (const [key, index] of this.#indexes) this.#value(index, Object.hasOwn(row, key) ? row[key] : null)
  }

  #values(values: ReadonlyArray<unknown>): void {
    const width = this.#builder.columns.length
    if (values.length !== width) this.#builder.wrong(null, `${values.length} values where ${width} are expected`)
    else for (const [index, value] of values.entries()) this.#value(index, value)
  }

  #value(index: number, value: unknown): void {
    const builder = this.#builder
    const column = builder.columns[index]!
    if (value === null) builder.value(index, null)
    else if (column.type.kind === "json") builder.value(index, JSON.stringify(value))
    else if (exact.isRawJSON(value)) builder.value(index, value.rawJSON)
    else if (typeof value === "boolean") builder.value(index, value ? "1" : "0")
    else if (typeof value !== "string") builder.wrong(column.name, "an object or array, and the column is not JSON")
    else if (!value.isWellFormed()) builder.wrong(column.name, "half of a surrogate pair, which is no character")
    else builder.value(index, value)
  }
}
