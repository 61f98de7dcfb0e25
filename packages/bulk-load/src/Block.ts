/**
 * Rows on their way: consecutive rows of one source, each checked against the table and encoded, and those that were refused.
 *
 * A block is the only thing that passes between reading and loading. It says nothing about tables or transactions.
 */

/** A row that was set aside. */
export interface Reject {
  /** Of the source's first line of the row, 1-based, the header included; a generator counts its rows. */
  readonly line: number
  /** Null where the row as a whole is at fault. */
  readonly column: string | null
  readonly reason: string
  /** As the source has it, bytes that are not UTF-8 as U+FFFD; written anew, to the same values, where the database refused the row. */
  readonly raw: string
  /** Why `raw` is not all of the row: it can't be loaded as it is. */
  readonly incomplete?: "cut short" | "not UTF-8"
}

export interface Block {
  /** The good rows, one behind the other (see `Fields.ts`); values in the form in which the table gives them back. */
  readonly bytes: Buffer
  readonly rows: number
  /** Where each row begins in `bytes`, and at the end where the last one ends: `rows + 1` numbers. */
  readonly starts: Uint32Array
  /** The line of each row. */
  readonly lines: Float64Array
  /** The part of the source that the block stands for: bytes of the text (unpacked), or rows of a generator. `to` is a place to go on from. */
  readonly from: number
  readonly to: number
  /** The next row's line. */
  readonly nextLine: number
  /** Sum of the rows' CRC-32 (see `Table.checksum`), an exact double below 2^53. */
  readonly checksum: number
  readonly rejects: ReadonlyArray<Reject>
  /** What to set aside where the database refuses the row `index`. */
  readonly refused: (index: number, column: string | null, reason: string) => Reject
}
