/**
 * How a row's values lie in a block: as the parameters of MariaDB's bulk execute, one behind the other. A byte says what follows: 0 a
 * value, or 1 for NULL and nothing. A value is
 *
 * - as text: its length in 1, 3, 4 or 9 bytes, and its UTF-8;
 * - as int64: 8 bytes, the low ones first;
 * - as datetime: 7, and the year in two bytes, month, day, hour, minute and second.
 *
 * https://mariadb.com/docs/server/reference/clientserver-protocol/3-binary-protocol-prepared-statements/com_stmt_bulk_execute
 */

/** A column's, text where it has none. The others spare MariaDB the reading of numbers and times (measured: 8% of a row). */
export type Form = "text" | "int64" | "datetime"

const value = 0
const isNull = 1
/** What stands before a value whose length takes one byte. */
const headBytes = 2
/** How much more it may be than the value as text. */
export const mostMore = 8

/** Where the value is to be written, as text, whose field begins at `at`. */
export const openField = (bytes: Uint8Array, at: number): number => {
  bytes[at] = value
  return at + headBytes
}

const closeText = (bytes: Uint8Array, start: number, end: number): number => {
  const length = end - start
  if (length <= 250) {
    bytes[start - 1] = length
    return end
  }
  const more = length < 2 ** 16 ? 2 : length < 2 ** 24 ? 3 : 8
  bytes.copyWithin(start + more, start, end)
  bytes[start - 1] = more === 8 ? 254 : 250 + more
  for (let i = 0; i < more; i++) bytes[start + i] = Math.floor(length / 2 ** (8 * i))
  return end + more
}

const low = 2 ** 32

/** A whole number as it is written without any superfluous sign or digit. */
const closeInt64 = (bytes: Uint8Array, start: number, end: number): number => {
  const isNegative = bytes[start] === 45
  let rest = 0
  let high = 0
  for (let i = isNegative ? start + 1 : start; i < end; i++) {
    rest = rest * 10 + bytes[i]! - 48
    if (rest >= low || high > 0) {
      const carry = Math.floor(rest / low)
      high = high * 10 + carry
      rest -= carry * low
    }
  }
  if (isNegative) {
    // Two's complement.
    high = rest === 0 ? -high : ~high
    rest = -rest
  }
  const at = start - headBytes + 1
  for (let i = 0; i < 4; i++) {
    bytes[at + i] = rest >>> (8 * i)
    bytes[at + 4 + i] = high >>> (8 * i)
  }
  return at + 8
}

const two = (bytes: Uint8Array, at: number): number => (bytes[at]! - 48) * 10 + bytes[at + 1]! - 48

/** `YYYY-MM-DD HH:MM:SS`. */
const closeDatetime = (bytes: Uint8Array, start: number): number => {
  const year = two(bytes, start) * 100 + two(bytes, start + 2)
  const month = two(bytes, start + 5)
  const day = two(bytes, start + 8)
  const hour = two(bytes, start + 11)
  const minute = two(bytes, start + 14)
  const second = two(bytes, start + 17)
  bytes[start - 1] = 7
  bytes[start] = year
  bytes[start + 1] = year >>> 8
  bytes[start + 2] = month
  bytes[start + 3] = day
  bytes[start + 4] = hour
  bytes[start + 5] = minute
  bytes[start + 6] = second
  return start + 7
}

/** The value that was written as text from `start` to `end` has ended; gives where the next field begins. */
export const closeField = (form: Form, bytes: Uint8Array, start: number, end: number): number =>
  form === "text" ? closeText(bytes, start, end) : form === "int64" ? closeInt64(bytes, start, end) : closeDatetime(bytes, start)

/** There is no value where one would be written from `start` on. */
export const nullField = (bytes: Uint8Array, start: number): number => {
  bytes[start - headBytes] = isNull
  return start - headBytes + 1
}

/** What of a column says how its values lie. */
interface Formed {
  readonly form?: Form | undefined
  readonly unsigned?: boolean | undefined
}

const digits = (n: number, width: number) => String(n).padStart(width, "0")

/** Goes through the fields of a row, then of another. */
export class Fields {
  readonly #columns: ReadonlyArray<Formed>
  #bytes: Buffer = Buffer.alloc(0)
  #at = 0
  #index = 0
  /** Of the field that was gone to last; of NULL there is nothing between them. */
  start = 0
  end = 0
  isNull = false

  constructor(columns: ReadonlyArray<Formed>) {
    this.#columns = columns
  }

  /** To the row whose first field begins at `start`. */
  row(bytes: Buffer, start: number): this {
    this.#bytes = bytes
    this.#at = start
    this.#index = 0
    return this
  }

  /** How the field that was gone to last lies there. */
  get form(): Form {
    return this.#columns[this.#index - 1]?.form ?? "text"
  }

  next(): void {
    const bytes = this.#bytes
    let at = this.#at
    this.#index++
    this.isNull = bytes[at++] === isNull
    let length = 0
    if (!this.isNull) {
      length = this.form === "int64" ? 8 : bytes[at++]!
      if (length > 250) {
        const more = length === 254 ? 8 : length - 250
        length = 0
        for (let i = more - 1; i >= 0; i--) length = length * 256 + bytes[at + i]!
        at += more
      }
    }
    this.start = at
    this.end = this.#at = at + length
  }

  /** The value as it was written. */
  text(): string {
    const bytes = this.#bytes
    const { end, form, start } = this
    if (form === "text") return bytes.toString("utf8", start, end)
    if (form === "int64") {
      const isUnsigned = this.#columns[this.#index - 1]?.unsigned === true
      return String(isUnsigned ? bytes.readBigUInt64LE(start) : bytes.readBigInt64LE(start))
    }
    const [month, day, hour, minute, second] = bytes.subarray(start + 2, end)
    const date = `${digits(bytes.readUInt16LE(start), 4)}-${digits(month!, 2)}-${digits(day!, 2)}`
    return `${date} ${digits(hour!, 2)}:${digits(minute!, 2)}:${digits(second!, 2)}`
  }
}
