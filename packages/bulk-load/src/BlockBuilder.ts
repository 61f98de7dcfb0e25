/**
 * Builds blocks, field by field, in one buffer: a field is written, checked where it lies, and given up with its row when the row turns
 * out to be bad.
 */
import type { Block, Reject } from "./Block.ts"
import { type Check, checkOf, refusal, slack } from "./Check.ts"
import { Checksum } from "./Checksum.ts"
import { closeField, type Form, mostMore, nullField, openField } from "./Fields.ts"
import { type RawForm, rawOf } from "./rawOf.ts"
import type { Column } from "./Table.ts"

/**
 * Measured: larger blocks load no faster, smaller ones cost more a row. A little below a power of two, for InnoDB reserves the ids of a
 * statement by 1, 2, 4 and so on: a power of two of full blocks, up to 16, uses them up.
 */
export const rowsPerBlock = 4095
const bytesPerBlock = 256 * 1024
/** Of a reject's raw text. */
const rawLimit = 64 * 1024

const limited = (reject: Reject, isCut = false): Reject => {
  const { raw } = reject
  if (raw.length > rawLimit) return { ...reject, raw: `${raw.slice(0, rawLimit)}…`, incomplete: "cut short" }
  if (isCut) return { ...reject, raw: `${raw}…`, incomplete: "cut short" }
  return raw.includes("\ufffd") ? { ...reject, incomplete: "not UTF-8" } : reject
}

const bufferBytes = bytesPerBlock + 64 * 1024

/** What a block lies in. */
interface Memory {
  readonly bytes: Buffer
  readonly starts: Uint32Array<ArrayBuffer>
  readonly lines: Float64Array<ArrayBuffer>
}

/** Memory that was used and is free: a long load needs no more of it than the chunks under way fill, and leaves none to the collector. */
const free: Array<Memory> = []
const mostFree = 256

const newMemory = (): Memory =>
  free.pop() ?? {
    bytes: Buffer.allocUnsafeSlow(bufferBytes),
    starts: new Uint32Array(rowsPerBlock + 1),
    lines: new Float64Array(rowsPerBlock)
  }

/** Gives a block's memory back; nobody may look at it afterwards. */
export const recycle = ({ bytes, lines, starts }: Block): void => {
  // A block with a value that was too large for the buffer lies in one of its own.
  if (bytes.buffer.byteLength !== bufferBytes || free.length >= mostFree) return
  free.push({
    bytes: Buffer.from(bytes.buffer as ArrayBuffer),
    starts: new Uint32Array(starts.buffer as ArrayBuffer),
    lines: new Float64Array(lines.buffer as ArrayBuffer)
  })
}

export class BlockBuilder {
  readonly columns: ReadonlyArray<Column>
  /** What the reader writes to; there is always room for `reserve` more. */
  bytes: Buffer
  /** Where the next byte goes. */
  at = 0
  readonly #checks: ReadonlyArray<Check>
  readonly #forms: ReadonlyArray<Form>
  readonly #checksum: Checksum
  readonly #form: RawForm
  #rows = 0
  #starts: Uint32Array<ArrayBuffer>
  #lines: Float64Array<ArrayBuffer>
  #sum = 0
  #rejects: Array<Reject> = []
  #from: number
  #rowStart = 0
  /** Of the row: the first thing that is wrong with it. */
  #wrong: { readonly column: string | null; readonly reason: string } | undefined

  /** `form`: of the rejects' text. */
  constructor(columns: ReadonlyArray<Column>, from: number, form: RawForm = { format: "ndjson" }) {
    const { bytes, lines, starts } = newMemory()
    this.bytes = bytes
    this.#starts = starts
    this.#lines = lines
    this.columns = columns
    this.#form = form
    this.#checks = columns.map(checkOf)
    this.#forms = columns.map(({ form = "text" }) => form)
    this.#checksum = new Checksum(columns)
    this.#from = from
  }

  /** Makes room for a value of `length` bytes, in whatever form. */
  reserve(length: number): void {
    const needed = this.at + 2 * length + mostMore + slack
    if (needed <= this.bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.bytes.length))
    this.bytes.copy(larger, 0, 0, this.at)
    this.bytes = larger
  }

  beginRow(): void {
    this.#rowStart = this.at
    this.#wrong = undefined
    this.#checksum.begin()
  }

  /** As if the row had not begun. */
  abandonRow(): void {
    this.at = this.#rowStart
  }

  /** Where the next field's value is to be written, from `at` on. */
  begin(): number {
    this.at = openField(this.bytes, this.at)
    return this.at
  }

  /** The value written since `start` is that of the column `index`. */
  field(index: number, start: number, high: boolean): void {
    if (this.#wrong !== undefined) return
    const end = this.#checks[index]!(this.bytes, start, this.at, high)
    if (end < 0) this.wrong(this.columns[index]!.name, refusal)
    else {
      this.#checksum.add(index, this.bytes, start, end)
      this.at = closeField(this.#forms[index]!, this.bytes, start, end)
    }
  }

  /** Whatever was written since `start`, the column `index` is NULL. */
  nullField(index: number, start: number): void {
    const { name, nullable } = this.columns[index]!
    if (!nullable) this.wrong(name, "no value, and the column is NOT NULL")
    this.#checksum.addNull(index)
    this.at = nullField(this.bytes, start)
  }

  /** The value of a column, null for NULL. */
  value(index: number, text: string | Uint8Array | null): void {
    this.reserve(typeof text === "string" ? 3 * text.length : (text?.length ?? 0))
    const start = this.begin()
    if (text === null) this.nullField(index, start)
    else if (typeof text === "string") {
      const length = this.bytes.write(text, start, "utf8")
      this.at = start + length
      this.field(index, start, length !== text.length)
    } else {
      this.bytes.set(text, start)
      this.at = start + text.length
      this.field(index, start, true)
    }
  }

  wrong(column: string | null, reason: string): void {
    this.#wrong ??= { column, reason }
  }

  /** The row as a whole is at fault, whatever its values are. */
  wrongRow(reason: string): void {
    this.#wrong = { column: null, reason }
  }

  /** False where the row was bad and has become a reject; `raw` is asked only then. */
  endRow(line: number, raw: () => string, isCut = false): boolean {
    if (this.#wrong !== undefined) {
      this.reject({ line, ...this.#wrong, raw: raw() }, isCut)
      this.at = this.#rowStart
      return false
    }
    this.#sum += this.#checksum.sum
    this.#starts[this.#rows] = this.#rowStart
    this.#lines[this.#rows++] = line
    return true
  }

  reject(reject: Reject, isCut = false): void {
    this.#rejects.push(limited(reject, isCut))
  }

  get isFull(): boolean {
    return this.#rows === rowsPerBlock || this.at >= bytesPerBlock || this.#rejects.length >= rowsPerBlock
  }

  /** Everything since the last block; `to` and `nextLine` are of the source. */
  take(to: number, nextLine: number): Block {
    const starts = this.#starts.subarray(0, this.#rows + 1)
    starts[this.#rows] = this.at
    const bytes = this.bytes.subarray(0, this.at)
    const lines = this.#lines.subarray(0, this.#rows)
    const columns = this.columns
    const form = this.#form
    const block: Block = {
      bytes,
      rows: this.#rows,
      starts,
      lines,
      from: this.#from,
      to,
      nextLine,
      checksum: this.#sum,
      rejects: this.#rejects,
      refused: (index, column, reason) => {
        const raw = rawOf(columns, form, bytes, starts[index]!)
        return limited({ line: lines[index]!, column, reason, raw })
      }
    }
    const next = newMemory()
    this.bytes = next.bytes
    this.#starts = next.starts
    this.#lines = next.lines
    this.at = 0
    this.#rows = 0
    this.#sum = 0
    this.#rejects = []
    this.#from = to
    return block
  }
}
