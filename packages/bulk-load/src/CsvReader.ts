/**
 * CSV (RFC 4180) to blocks, on bytes, in one pass: every value is copied, checked and encoded where it lies.
 *
 * Rows end with LF or CRLF, mixed as they come; values in quotes may hold both. A value without quotes that is the NULL text is NULL; one
 * that is empty is NULL in a nullable column that is not text. A row that can't be read or does not fit becomes a reject and reading goes
 * on behind it: at the next line where the row itself was read, at the line after its first where a quote was never closed.
 */
import type { Block } from "./Block.ts"
import { BlockBuilder } from "./BlockBuilder.ts"
import type { Column } from "./Table.ts"

export interface CsvOptions {
  /** One ASCII character. */
  readonly delimiter: string
  readonly nullText: string
  /** A longer row is a reject; bounds the memory. */
  readonly maxRowBytes: number
}

export const defaultCsv: CsvOptions = { delimiter: ",", nullText: "\\N", maxRowBytes: 16 * 1024 * 1024 }

const plain = 0
const delimiter = 1
const lineFeed = 2
const carriageReturn = 3
const quote = 4
const high = 5

const classes = (delimiterCharacter: string): Uint8Array => {
  const kinds = new Uint8Array(256)
  kinds.fill(high, 128)
  kinds[10] = lineFeed
  kinds[13] = carriageReturn
  kinds[34] = quote
  kinds[delimiterCharacter.charCodeAt(0)] = delimiter
  return kinds
}

/** What became of the bytes at which a row begins. */
const outcomes = { row: 0, incomplete: 1, unclosed: 2, broken: 3, empty: 4 } as const

export class CsvReader {
  readonly #options: CsvOptions
  readonly #kinds: Uint8Array
  readonly #builder: BlockBuilder
  readonly #nullText: Buffer
  readonly #emptyIsNull: ReadonlyArray<boolean>
  /** Bytes at the beginning of `#buffer` that are left from before. */
  #rest = 0
  /** Position in the source of the first byte of `#buffer`. */
  #base: number
  #line: number
  /** Inside a line that is too long, looking for its end. */
  #skipping = false
  #buffer: Buffer = Buffer.alloc(0)
  #end = 0
  #at = 0
  #newlines = 0

  constructor(columns: ReadonlyArray<Column>, options: CsvOptions, from: { readonly position: number; readonly line: number }) {
    this.#options = options
    this.#kinds = classes(options.delimiter)
    this.#builder = new BlockBuilder(columns, from.position, {
      format: "csv",
      delimiter: options.delimiter,
      nullText: options.nullText
    })
    this.#nullText = Buffer.from(options.nullText)
    this.#emptyIsNull = columns.map(({ nullable, type }) => nullable && type.kind !== "text" && type.kind !== "binary")
    this.#base = from.position
    this.#line = from.line
  }

  /** The next bytes of the source. */
  *push(slab: Uint8Array): Generator<Block> {
    yield* this.#read(slab, false)
  }

  /** There are no more. */
  *finish(): Generator<Block> {
    yield* this.#read(Buffer.alloc(0), true)
    yield this.#builder.take(this.#base, this.#line)
  }

  *#read(slab: Uint8Array, isLast: boolean): Generator<Block> {
    const end = this.#rest + slab.length
    if (this.#buffer.length <= end) {
      const larger = Buffer.allocUnsafeSlow(Math.max(end + 1, 2 * this.#buffer.length))
      this.#buffer.copy(larger, 0, 0, this.#rest)
      this.#buffer = larger
    }
    const buffer = this.#buffer
    buffer.set(slab, this.#rest)
    // A line feed behind the end stops every scan without a look at the length.
    buffer[end] = 10
    this.#end = end
    let at = 0
    if (this.#skipping) {
      at = buffer.indexOf(10)
      this.#skipping = at === end && !isLast
      if (at === end) {
        this.#base += end
        this.#rest = 0
        return
      }
      at++
      this.#line++
    }
    while (at < end) {
      const builder = this.#builder
      builder.beginRow()
      this.#newlines = 0
      const outcome = this.#row(at, isLast)
      const next = this.#at
      const mayGrow = !isLast && end - at <= this.#options.maxRowBytes
      if (outcome === outcomes.incomplete && mayGrow) {
        builder.abandonRow()
        break
      }
      const line = this.#line
      if (outcome === outcomes.row) {
        const from = at
        builder.endRow(line, () => this.#raw(from, next))
        this.#line += this.#newlines + 1
        at = next
      } else if (outcome === outcomes.empty) {
        this.#line++
        at = next
      } else if (outcome === outcomes.broken) {
        // Read on at the next line, wherever that is.
        const lineEnd = buffer.indexOf(10, next)
        if (lineEnd === end && mayGrow) {
          builder.abandonRow()
          break
        }
        builder.endRow(line, () => this.#raw(at, lineEnd))
        this.#line += this.#newlines + 1
        at = Math.min(lineEnd + 1, end)
      } else {
        const lineEnd = buffer.indexOf(10, at)
        const isLong = outcome === outcomes.incomplete && lineEnd === end
        builder.wrong(
          null,
          isLong || lineEnd - at > this.#options.maxRowBytes
            ? `longer than ${this.#options.maxRowBytes} bytes`
            : "a quote is never closed"
        )
        const shown = Math.min(lineEnd, at + 1000)
        builder.endRow(line, () => this.#raw(at, shown), shown < lineEnd)
        if (lineEnd === end) {
          this.#skipping = !isLast
          at = end
        } else {
          this.#line++
          at = lineEnd + 1
        }
      }
      if (builder.isFull) yield builder.take(this.#base + at, this.#line)
    }
    buffer.copyWithin(0, at, end)
    this.#rest = end - at
    this.#base += at
  }

  #raw(from: number, to: number): string {
    let end = Math.min(to, this.#end)
    if (end > from && this.#buffer[end - 1] === 10) end--
    if (end > from && this.#buffer[end - 1] === 13) end--
    return this.#buffer.toString("utf8", from, end)
  }

  /** Reads one row; leaves `#at` behind it, or where it could not go on. */
  #row(from: number, isLast: boolean): number {
    const buffer = this.#buffer
    const end = this.#end
    const kinds = this.#kinds
    const builder = this.#builder
    const width = builder.columns.length
    // No row is longer than what is here, so there is room for all of it.
    let p = from
    let index = 0
    if (width > 1 && (buffer[p] === 10 || (buffer[p] === 13 && buffer[p + 1] === 10))) return this.#emptyLine(p, isLast)
    while (true) {
      const isExpected = index < width
      builder.reserve(64)
      const start = builder.begin()
      let hasHigh = false
      let isQuoted = false
      let kind: number
      if (buffer[p] === 34 && (p < end || !isLast)) {
        isQuoted = true
        p++
        let close = buffer.indexOf(34, p)
        while (close !== -1 && buffer[close + 1] === 34) close = buffer.indexOf(34, close + 2)
        if (close === -1 || close >= end) {
          this.#at = end
          return isLast ? outcomes.unclosed : outcomes.incomplete
        }
        builder.reserve(close - p)
        const bytes = builder.bytes
        let o = start
        while (p < close) {
          const byte = buffer[p++]!
          if (byte === 34) p++
          else if (byte === 10) this.#newlines++
          else if (byte > 127) hasHigh = true
          bytes[o++] = byte
        }
        builder.at = o
        p = close + 1
        kind = kinds[buffer[p]!]!
        if (kind === carriageReturn && buffer[p + 1] === 10) {
          if (p + 1 >= end && !isLast) {
            this.#at = p
            return outcomes.incomplete
          }
          p++
          kind = lineFeed
        }
        if (kind !== delimiter && kind !== lineFeed) {
          this.#at = p
          builder.wrong(isExpected ? builder.columns[index]!.name : null, "text behind a closing quote")
          return outcomes.broken
        }
      } else {
        let bytes = builder.bytes
        let limit = bytes.length - 192
        let o = start
        for (;;) {
          const byte = buffer[p]!
          kind = kinds[byte]!
          if (kind !== plain) {
            if (kind === delimiter || kind === lineFeed) break
            if (kind === carriageReturn) {
              if (buffer[p + 1] === 10) {
                p++
                kind = lineFeed
                break
              }
            } else if (kind === high) hasHigh = true
            else {
              this.#at = p
              builder.wrong(isExpected ? builder.columns[index]!.name : null, "a quote inside a value without quotes")
              return outcomes.broken
            }
          }
          if (o >= limit) {
            builder.at = o
            builder.reserve(o - start + 4096)
            bytes = builder.bytes
            limit = bytes.length - 192
          }
          bytes[o++] = byte
          p++
        }
        builder.at = o
      }
      // The sentinel: more of this row is to come.
      if (p >= end && !isLast) {
        this.#at = p
        return outcomes.incomplete
      }
      if (isExpected) {
        builder.reserve(builder.at - start)
        if (!isQuoted && this.#isNull(builder, index, start)) builder.nullField(index, start)
        else builder.field(index, start, hasHigh)
      }
      index++
      p++
      if (kind === lineFeed) break
    }
    if (index !== width) builder.wrongRow(`${index} ${index === 1 ? "value" : "values"} where ${width} are expected`)
    this.#at = Math.min(p, end)
    return outcomes.row
  }

  #isNull(builder: BlockBuilder, index: number, start: number): boolean {
    const length = builder.at - start
    if (length === 0 && this.#emptyIsNull[index]!) return true
    if (length !== this.#nullText.length) return false
    for (let i = 0; i < length; i++) if (builder.bytes[start + i] !== this.#nullText[i]) return false
    return true
  }

  /** Nothing between two line ends is no row, but for a table of one column. */
  #emptyLine(at: number, isLast: boolean): number {
    this.#at = at + (this.#buffer[at] === 13 ? 2 : 1)
    if (this.#at <= this.#end) return outcomes.empty
    if (!isLast) return outcomes.incomplete
    this.#at = this.#end
    return outcomes.empty
  }
}
