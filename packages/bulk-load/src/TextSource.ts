/**
 * CSV and NDJSON from a file or a stream, as they are or packed with gzip or Zstandard.
 */
import { createReadStream } from "node:fs"
import { open, stat } from "node:fs/promises"
import type { Readable } from "node:stream"
import type * as Effect from "effect/Effect"
import type { Block } from "./Block.ts"
import { type CsvOptions, CsvReader, defaultCsv } from "./CsvReader.ts"
import { NdjsonReader } from "./NdjsonReader.ts"
import { attempt, blocksOf, digest, type Place, type Source, SourceError } from "./Source.ts"
import { type Bytes, type Packing, unpacked } from "./Unpacking.ts"

export interface TextOptions extends Partial<CsvOptions> {
  readonly format: "csv" | "ndjson"
  /** Whether the first line names the columns; CSV only. */
  readonly header?: boolean
  /** Names of the source's columns, in place of the header's or of the first object's keys. */
  readonly columns?: ReadonlyArray<string> | undefined
  readonly packed?: Packing | undefined
}

/** What stands at the beginning decides on identity and names. */
const headBytes = 64 * 1024
const slabBytes = 512 * 1024

/** The format that a file's name tells. */
export const formatOf = (path: string): Pick<TextOptions, "format" | "packed"> => {
  const packed = path.endsWith(".gz") ? "gzip" : path.endsWith(".zst") ? "zstd" : undefined
  const name = path.replace(/\.(gz|zst)$/, "")
  return { format: /\.(ndjson|jsonl|json)$/i.test(name) ? "ndjson" : "csv", packed }
}

async function* skip(bytes: Bytes, count: number): Bytes {
  let left = count
  for await (const chunk of bytes) {
    if (left >= chunk.length) left -= chunk.length
    else {
      yield left === 0 ? chunk : chunk.subarray(left)
      left = 0
    }
  }
}

/** The first bytes, and all of them again. */
const withHead = async (bytes: Bytes): Promise<{ readonly head: Buffer; readonly all: Bytes }> => {
  const iterator = bytes[Symbol.asyncIterator]()
  const taken: Array<Uint8Array> = []
  let length = 0
  let done = false
  while (length < headBytes && !done) {
    const next = await iterator.next()
    done = next.done === true
    if (next.done !== true) {
      taken.push(next.value)
      length += next.value.length
    }
  }
  async function* all(): Bytes {
    yield* taken
    if (!done) yield* { [Symbol.asyncIterator]: () => iterator }
  }
  return { head: Buffer.concat(taken).subarray(0, headBytes), all: all() }
}

const headOf = async (bytes: Bytes): Promise<Buffer> => {
  const taken: Array<Uint8Array> = []
  let length = 0
  for await (const chunk of bytes) {
    taken.push(Buffer.from(chunk))
    length += chunk.length
    if (length >= headBytes) break
  }
  return Buffer.concat(taken).subarray(0, headBytes)
}

const hasBom = (head: Buffer) => head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf

/** The names in the first line, and how many bytes and lines it takes. */
const readHeader = (head: Buffer, from: number, delimiter: string) => {
  const names: Array<string> = []
  const text = head.toString("latin1")
  let at = from
  let lines = 1
  for (;;) {
    let name: string
    if (text[at] === '"') {
      let close = text.indexOf('"', at + 1)
      while (close !== -1 && text[close + 1] === '"') close = text.indexOf('"', close + 2)
      if (close === -1) throw new SourceError({ message: "a quote in the header is never closed" })
      const quoted = text.slice(at + 1, close)
      lines += quoted.split("\n").length - 1
      name = quoted.replaceAll('""', '"')
      at = close + 1
    } else {
      const match = /[^\n]*/y
      match.lastIndex = at
      const line = match.exec(text)![0]
      const end = line.indexOf(delimiter)
      name = (end === -1 ? line : line.slice(0, end)).replace(/\r$/, "")
      at += end === -1 ? line.replace(/\r$/, "").length : end
    }
    names.push(Buffer.from(name, "latin1").toString("utf8"))
    if (text[at] === delimiter) at++
    else if (text[at] === "\n") return { names, end: at + 1, lines }
    else if (text.startsWith("\r\n", at)) return { names, end: at + 2, lines }
    else if (at >= text.length) {
      if (text.length >= headBytes) throw new SourceError({ message: `the header is longer than ${headBytes} bytes` })
      return { names, end: at, lines }
    } else throw new SourceError({ message: "text behind a closing quote in the header" })
  }
}

const firstKeys = (head: Buffer, from: number): ReadonlyArray<string> => {
  const line = head
    .toString("utf8", from)
    .split("\n")
    .find((candidate) => candidate.trim() !== "")
  try {
    const row: unknown = JSON.parse(line ?? "{}")
    if (typeof row === "object" && row !== null && !Array.isArray(row)) return Object.keys(row)
  } catch {}
  throw new SourceError({ message: "the first line is not a JSON object; name the columns" })
}

/** Names and beginning of the rows. */
const layout = (
  head: Buffer,
  options: TextOptions
): { readonly names: ReadonlyArray<string> | undefined; readonly start: Place } => {
  const from = hasBom(head) ? 3 : 0
  if (options.format === "ndjson") {
    if (options.columns === undefined && head.toString("utf8", from).trim() === "") {
      throw new SourceError({ message: "it is empty: there is no object that names the columns" })
    }
    return { names: options.columns ?? firstKeys(head, from), start: { position: from, line: 1 } }
  }
  if (options.header === false) return { names: options.columns, start: { position: from, line: 1 } }
  if (head.length === from) throw new SourceError({ message: "it is empty: there is no header that names the columns" })
  const header = readHeader(head, from, options.delimiter ?? defaultCsv.delimiter)
  return { names: options.columns ?? header.names, start: { position: header.end, line: 1 + header.lines } }
}

const checkOptions = ({ delimiter = "," }: TextOptions) => {
  if (!/^[\t !#-~]$/.test(delimiter)) throw new SourceError({ message: "a delimiter is one ASCII character, and no quote" })
}

const make = (options: {
  readonly name: string
  readonly text: TextOptions
  readonly head: Buffer
  readonly identity: string
  readonly size: number | undefined
  readonly read: (from: number) => Bytes
}): Source => {
  const { head, text } = options
  checkOptions(text)
  const { names, start } = layout(head, text)
  const csv = { ...defaultCsv, ...text }
  return {
    name: options.name,
    identity: digest(options.identity, head, JSON.stringify([text.format, text.header, csv.delimiter, csv.nullText, names])),
    size: options.size,
    names,
    start,
    blocks: (columns, from) =>
      blocksOf(async function* (): AsyncGenerator<Block> {
        const reader =
          text.format === "csv"
            ? new CsvReader(columns, csv, from)
            : new NdjsonReader(columns, names!, csv.maxRowBytes, from, text.columns !== undefined)
        let failure: unknown
        try {
          for await (const slab of options.read(from.position)) yield* reader.push(slab)
        } catch (cause) {
          failure = cause
        }
        // What came before a fault is as good as without it; what lies across it is not known.
        if (failure !== undefined)
          throw new SourceError({ message: `${options.name}: ${(failure as Error).message}`, cause: failure })
        yield* reader.finish()
      })
  }
}

/** Every slab is the same memory: it is to be used up before the next is asked for. */
async function* readFile(path: string, from: number): Bytes {
  const file = await open(path)
  const slab = Buffer.allocUnsafeSlow(slabBytes)
  try {
    for (let position = from; ; ) {
      const { buffer, bytesRead } = await file.read(slab, 0, slabBytes, position)
      if (bytesRead === 0) return
      position += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}

export const fromFile = (path: string, options: TextOptions): Effect.Effect<Source, SourceError> =>
  attempt(path, async () => {
    const { mtimeMs, size } = await stat(path)
    const packedBytes = () => unpacked(createReadStream(path, { highWaterMark: slabBytes }), options.packed, slabBytes)
    const read =
      options.packed === undefined ? (from: number) => readFile(path, from) : (from: number) => skip(packedBytes(), from)
    const head = await headOf(read(0))
    return make({
      name: path,
      text: options,
      head,
      identity: `${size}:${mtimeMs}`,
      size: options.packed === undefined ? size : undefined,
      read
    })
  })

/** Can be read once: to go on with a job, give the same bytes again from their beginning. */
export const fromReadable = (name: string, readable: Readable, options: TextOptions): Effect.Effect<Source, SourceError> =>
  attempt(name, async () => {
    const { all, head } = await withHead(unpacked(readable, options.packed, slabBytes))
    return make({ name, text: options, head, identity: "stream", size: undefined, read: (from) => skip(all, from) })
  })
