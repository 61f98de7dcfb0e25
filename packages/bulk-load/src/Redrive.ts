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
import * as Effect from "effect/Effect"
import { type LoadOptions, load } from "./BulkLoader.ts"
import { LoadTarget } from "./LoadTarget.ts"
import { attempt, type Source, SourceError } from "./Source.ts"
import * as TextSource from "./TextSource.ts"

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
    if (typeof line?.job !== "string" || typeof line.raw !== "string") {
      throw new Error(`line ${number} is not a reject: {"job", "line", "column", "reason", "raw"} are expected`)
    }
    if (isIncomplete(line.raw, line.incomplete)) {
      throw new Error(`line ${number}: its raw is ${line.incomplete}; put the whole row there, or take "incomplete" away`)
    }
    yield { job: line.job, raw: line.raw }
  }
}

export const look = (path: string): Effect.Effect<Rejects, SourceError> =>
  attempt(path, async () => {
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
  })

async function* textOf(path: string, kind: Kind): AsyncGenerator<Buffer> {
  for await (const { raw } of linesOf(path)) {
    if (kindOf(raw) === kind) yield Buffer.from(`${raw.replace(/\r?\n$/, "")}\n`)
  }
}

/** As the load had them. */
export interface RedriveText {
  readonly delimiter?: string | undefined
  readonly nullText?: string | undefined
}

export const source = (
  path: string,
  kind: Kind,
  columns: ReadonlyArray<string>,
  { delimiter, nullText }: RedriveText
): Effect.Effect<Source, SourceError> =>
  TextSource.fromReadable(`${path} (${kind})`, Readable.from(textOf(path, kind), { objectMode: false }), {
    format: kind,
    header: false,
    columns,
    ...(delimiter === undefined ? {} : { delimiter }),
    ...(nullText === undefined ? {} : { nullText })
  })

/** The mended file is a job of its own, of which each form has one: the same file is loaded once. */
export const jobOf = ({ digest, job }: Rejects, kind: Kind): string =>
  `${job.slice(0, 90)}:redrive:${digest}${kind === "csv" ? "" : `:${kind}`}`

/** Loads the rows of a mended rejects file into the table and columns of their job; a summary for each form they are in. */
export const redrive = Effect.fnUntraced(function* (
  path: string,
  options: Omit<LoadOptions, "table" | "job"> & RedriveText = {}
) {
  const rejects = yield* look(path)
  const known = yield* LoadTarget.use((target) => target.find(rejects.job))
  if (known === undefined) return yield* new SourceError({ message: `there is no job ${rejects.job}` })
  return yield* Effect.forEach(rejects.kinds, (kind) =>
    Effect.flatMap(source(path, kind, known.columns, options), (rows) =>
      load(rows, { ...options, table: known.table, job: jobOf(rejects, kind) })
    )
  )
})
