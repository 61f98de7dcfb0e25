/**
 * Rows that a load had refused, mended by hand in the rejects file, as a source again: `raw` of each line is the row.
 *
 * Rows of one file belong to one job, which says table and columns. A raw that is a JSON object or array is taken as one, all others are
 * CSV. One that is marked as incomplete and was not mended is not loaded: it is not what the source had.
 */
import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { createInterface } from "node:readline"
import { Readable } from "node:stream"
import type { Source } from "@sluice/bulk-load/Source"
import * as TextSource from "@sluice/bulk-load/TextSource"
import * as Effect from "effect/Effect"
import { StartError } from "../StartError.ts"
import { isJobName } from "./Job.ts"
import type { ReadingFlags } from "./Reading.ts"
import { textOptions } from "./Reading.ts"

export type Kind = "csv" | "ndjson"

export interface Rejects {
  readonly job: string
  readonly kinds: ReadonlyArray<Kind>
  /** Changes when the file does. */
  readonly digest: string
}

interface Line {
  readonly job: string
  readonly raw: string
  readonly incomplete?: string
}

/** What begins like an object is none of CSV, where no quote stands inside a value without quotes; also when it is broken. */
const kindOf = (raw: string): Kind => {
  if (/^\s*\{\s*["}]/.test(raw)) return "ndjson"
  if (!/^\s*\[/.test(raw)) return "csv"
  try {
    return Array.isArray(JSON.parse(raw)) ? "ndjson" : "csv"
  } catch {
    return "csv"
  }
}

/** Marked, and not mended since. */
const isIncomplete = (raw: string, mark: string | undefined): boolean =>
  mark !== undefined && (mark === "cut short" ? raw.endsWith("…") : raw.includes("\ufffd"))

async function* linesOf(path: string): AsyncGenerator<Line> {
  let number = 0
  for await (const text of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    number++
    if (text.trim() === "") continue
    let line: Partial<Line> | null = null
    try {
      line = JSON.parse(text)
    } catch {}
    if (typeof line?.job !== "string" || !isJobName(line.job) || typeof line.raw !== "string") {
      throw new Error(`line ${number} is not a reject: {"job", "line", "column", "reason", "raw"} are expected`)
    }
    if (isIncomplete(line.raw, line.incomplete)) {
      throw new Error(`line ${number}: its raw is ${line.incomplete}; put the whole row there, or take "incomplete" away`)
    }
    yield { job: line.job, raw: line.raw }
  }
}

const unusable = (path: string) => (cause: unknown) => new StartError({ message: `${path}: ${(cause as Error).message}` })

export const look = (path: string): Effect.Effect<Rejects, StartError> =>
  Effect.tryPromise({
    try: async () => {
      const hash = createHash("sha256")
      const kinds = new Set<Kind>()
      let job: string | undefined
      for await (const line of linesOf(path)) {
        job ??= line.job
        if (line.job !== job) throw new Error(`it holds rows of two jobs, ${job} and ${line.job}`)
        kinds.add(kindOf(line.raw))
        hash.update(line.raw).update("\n")
      }
      if (job === undefined) throw new Error("it holds no rejects")
      return { job, kinds: [...kinds].sort(), digest: hash.digest("hex").slice(0, 8) }
    },
    catch: unusable(path)
  })

async function* textOf(path: string, kind: Kind): AsyncGenerator<Buffer> {
  for await (const { raw } of linesOf(path)) {
    if (kindOf(raw) === kind) yield Buffer.from(`${raw.replace(/\r?\n$/, "")}\n`)
  }
}

export const source = (
  path: string,
  kind: Kind,
  columns: ReadonlyArray<string>,
  flags: ReadingFlags
): Effect.Effect<Source, StartError> =>
  TextSource.fromReadable(`${path} (${kind})`, Readable.from(textOf(path, kind), { objectMode: false }), {
    ...textOptions(flags, ""),
    format: kind,
    header: false,
    columns
  }).pipe(Effect.mapError(unusable(path)))
