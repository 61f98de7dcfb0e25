/**
 * The rows of the benchmark, made once as CSV files: those of the built-in generator `people`, so that a load by `--generate` and one of the
 * file must leave the same table.
 */

import { once } from "node:events"
import { createWriteStream, type WriteStream } from "node:fs"
import { join } from "node:path"
import { crc32 } from "node:zlib"
import { generators } from "@sluice/bulk-load/generators"
import { Random } from "@sluice/bulk-load/Random"

export const seed = 42

export interface Sums {
  readonly rows: number
  /** CRC-32 of each row's values joined by tabs, added up, as `tables.ts` asks of the server. */
  readonly checksum: string
}

export interface Data extends Sums {
  readonly files: ReadonlyArray<string>
  readonly bytes: number
  /** Of the first rows alone, for those who load no more. */
  readonly first: ReadonlyMap<number, Sums>
}

const columns = ["name", "email", "age", "created_at"]
const packRows = 4000

const write = async (file: WriteStream, text: string) => {
  if (!file.write(text)) await once(file, "drain")
}

/** With `ids` each row begins with its number from 1. The rows are split evenly over `parts` files. */
export const makeData = async (
  folder: string,
  options: { readonly rows: number; readonly parts?: number; readonly ids?: boolean; readonly first?: ReadonlyArray<number> }
): Promise<Data> => {
  const { first = [], ids = false, parts = 1, rows } = options
  const random = new Random(seed)
  const files = Array.from({ length: parts }, (_, part) =>
    join(folder, `people-${rows}${ids ? "-ids" : ""}-${part + 1}-of-${parts}.csv`)
  )
  const partial = new Map<number, Sums>()
  let sum = 0n
  let bytes = 0
  let at = 0
  for (const [part, path] of files.entries()) {
    const file = createWriteStream(path)
    const end = Math.round((rows * (part + 1)) / parts)
    await write(file, `${[...(ids ? ["id"] : []), ...columns].join(",")}\n`)
    while (at < end) {
      const stop = Math.min(end, at + packRows, ...first.filter((n) => n > at))
      let text = ""
      let packSum = 0
      for (; at < stop; at++) {
        const made = generators.people!.row(at, random.seek(at)) as ReadonlyArray<string>
        const values = ids ? [String(at + 1), ...made] : made
        text += `${values.join(",")}\n`
        packSum += crc32(values.join("\t"))
      }
      sum += BigInt(packSum)
      bytes += text.length
      if (first.includes(at)) partial.set(at, { rows: at, checksum: String(sum) })
      await write(file, text)
    }
    file.end()
    await once(file, "close")
  }
  return { files, rows, bytes, checksum: String(sum), first: partial }
}
