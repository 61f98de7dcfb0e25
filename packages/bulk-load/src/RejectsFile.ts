/**
 * The rows that were set aside, as NDJSON: job, line, column, reason, and the row as it was.
 *
 * What a chunk adds is on the disk before the chunk is committed, and what was added for a chunk that was not is cut off before going on:
 * each reject of a finished load stands in the file once.
 */
import { open, stat } from "node:fs/promises"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Reject } from "./Block.ts"
import { LoadError } from "./LoadTarget.ts"

export interface RejectsFile {
  /** Gives how many bytes there are then. */
  readonly append: (rejects: ReadonlyArray<Reject>) => Effect.Effect<number, LoadError>
  /** Forgets what stands behind. */
  readonly truncate: (bytes: number) => Effect.Effect<void, LoadError>
}

const failed = (path: string) => (cause: unknown) =>
  new LoadError({ message: `the rejects file ${path}: ${(cause as Error).message}`, isTransient: false, cause })

/** The job whose rejects stand there, "" for something else; undefined where there is nothing. */
const ownerOf = async (path: string): Promise<string | undefined> => {
  const info = await stat(path).catch(() => undefined)
  if (info === undefined || !info.isFile() || info.size === 0) return undefined
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4096), 0, 4096, 0)
    return (
      /^\{"job":("(?:[^"\\]|\\.)*")/
        .exec(buffer.toString("utf8", 0, bytesRead))?.[1]
        ?.replace(/^.*$/, (text) => JSON.parse(text)) ?? ""
    )
  } finally {
    await file.close()
  }
}

export const openRejects = (path: string, job: string, keptBytes: number): Effect.Effect<RejectsFile, LoadError, Scope.Scope> =>
  Effect.gen(function* () {
    const attempt = <A>(f: () => Promise<A>) => Effect.tryPromise({ try: f, catch: failed(path) })
    const owner = keptBytes === 0 ? yield* attempt(() => ownerOf(path)) : undefined
    if (owner !== undefined && owner !== job) {
      return yield* new LoadError({
        message: `the rejects file ${path} holds what is not of the job ${job}: give another file, or take that one away`,
        isTransient: false
      })
    }
    const file = yield* Effect.acquireRelease(
      attempt(() => open(path, keptBytes === 0 ? "w" : "r+")),
      (opened) => Effect.promise(() => opened.close())
    )
    const { size } = yield* attempt(() => file.stat())
    if (size < keptBytes) {
      return yield* new LoadError({
        message: `the rejects file ${path} holds ${size} bytes, fewer than the ${keptBytes} that were written: is it the one of this job?`,
        isTransient: false
      })
    }
    let at = keptBytes
    const isRegular = size > 0 || keptBytes === 0 ? (yield* attempt(() => file.stat())).isFile() : true
    const truncate = (bytes: number) =>
      Effect.andThen(
        isRegular ? attempt(() => file.truncate(bytes)) : Effect.void,
        Effect.sync(() => {
          at = bytes
        })
      )
    yield* truncate(keptBytes)
    return {
      truncate,
      append: (rejects) =>
        rejects.length === 0
          ? Effect.succeed(at)
          : attempt(async () => {
              const text = Buffer.from(rejects.map((reject) => `${JSON.stringify({ job, ...reject })}\n`).join(""))
              for (let written = 0; written < text.length; ) {
                const { bytesWritten } = await file.write(text, written, text.length - written, isRegular ? at + written : null)
                if (bytesWritten === 0) throw new Error("nothing can be written")
                written += bytesWritten
              }
              if (isRegular) await file.datasync()
              at += text.length
              return at
            })
    }
  })

/** Where nobody wants to keep them. */
export const noRejects: RejectsFile = { append: () => Effect.succeed(0), truncate: () => Effect.void }
