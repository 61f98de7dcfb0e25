/**
 * How a row's values lie in a block: as the parameters of MariaDB's bulk execute, one behind the other. A byte says what follows: 0 a
 * value, its length in 1, 3, 4 or 9 bytes and its UTF-8, or 1 for NULL and nothing.
 *
 * https://mariadb.com/docs/server/reference/clientserver-protocol/3-binary-protocol-prepared-statements/com_stmt_bulk_execute
 */

const value = 0
const isNull = 1
/** What stands before a value whose length takes one byte. */
const headBytes = 2
/** More than that, where its length takes more. */
export const longHeadBytes = 8

/** Where the value is to be written whose head begins at `at`. */
export const openField = (bytes: Uint8Array, at: number): number => {
  bytes[at] = value
  return at + headBytes
}

/** The value that was written from `start` to `end` has ended; gives where the next field begins. */
export const closeField = (bytes: Uint8Array, start: number, end: number): number => {
  const length = end - start
  if (length <= 250) {
    bytes[start - 1] = length
    return end
  }
  const more = length < 2 ** 16 ? 2 : length < 2 ** 24 ? 3 : longHeadBytes
  bytes.copyWithin(start + more, start, end)
  bytes[start - 1] = more === longHeadBytes ? 254 : 250 + more
  for (let i = 0; i < more; i++) bytes[start + i] = Math.floor(length / 2 ** (8 * i))
  return end + more
}

/** There is no value where one would be written from `start` on. */
export const nullField = (bytes: Uint8Array, start: number): number => {
  bytes[start - headBytes] = isNull
  return start - headBytes + 1
}

/** Goes through the fields of a row, then of another. */
export class Fields {
  #bytes: Uint8Array = new Uint8Array(0)
  #at = 0
  /** Of the field that was gone to last; of NULL there is nothing between them. */
  start = 0
  end = 0
  isNull = false

  /** To the row whose first field begins at `start`. */
  row(bytes: Uint8Array, start: number): this {
    this.#bytes = bytes
    this.#at = start
    return this
  }

  next(): void {
    const bytes = this.#bytes
    let at = this.#at
    this.isNull = bytes[at++] === isNull
    let length = this.isNull ? 0 : bytes[at++]!
    if (length > 250) {
      const more = length === 254 ? longHeadBytes : length - 250
      length = 0
      for (let i = more - 1; i >= 0; i--) length = length * 256 + bytes[at + i]!
      at += more
    }
    this.start = at
    this.end = this.#at = at + length
  }
}
