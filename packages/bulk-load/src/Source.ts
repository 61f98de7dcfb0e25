/**
 * Where rows come from, and how far they were read.
 *
 * A source can be read again from any place that a block ended at: a file by its position, a stream by skipping what was read before, a
 * generator by its row number. Its identity says whether it is still the one that a job began with.
 */
import { createHash } from "node:crypto"
import { setImmediate as nextTurn } from "node:timers/promises"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Block } from "./Block.ts"
import type { Column } from "./Table.ts"

export class SourceError extends Data.TaggedError("SourceError")<{ readonly message: string; readonly cause?: unknown }> {}

export interface Place {
  /** Bytes of the text, unpacked, or rows. */
  readonly position: number
  /** 1-based. */
  readonly line: number
}

export interface Source {
  /** For people. */
  readonly name: string
  /** Changes when the source does. */
  readonly identity: string
  /** Of the positions; undefined where it can't be known. */
  readonly size: number | undefined
  /** What the source itself calls its columns. */
  readonly names: ReadonlyArray<string> | undefined
  /** Where the first row begins. */
  readonly start: Place
  readonly blocks: (columns: ReadonlyArray<Column>, from: Place) => Stream.Stream<Block, SourceError>
}

export type Value = string | number | bigint | boolean | null | undefined | Date | Uint8Array

/** A value as text; undefined and null are NULL. Times are UTC. */
export const textOf = (value: Value): string | Uint8Array | null => {
  if (value === null || value === undefined) return null
  if (typeof value === "string" || value instanceof Uint8Array) return value
  if (typeof value === "boolean") return value ? "1" : "0"
  if (value instanceof Date)
    return value
      .toISOString()
      .replace("T", " ")
      .replace(/(\.000)?Z$/, "")
  return String(value)
}

export const digest = (...parts: ReadonlyArray<string | Uint8Array>): string => {
  const hash = createHash("sha256")
  for (const part of parts) hash.update(part).update("\0")
  return hash.digest("base64url")
}

/** Between two blocks whoever waits for the event loop has it: what is read already is being sent meanwhile, and must not run dry. */
async function* withTurns(blocks: AsyncIterable<Block>): AsyncGenerator<Block> {
  for await (const block of blocks) {
    yield block
    await nextTurn()
  }
}

/** Blocks of an iteration that only JavaScript's own errors can end; they become the source's. */
export const blocksOf = (iterate: () => AsyncIterable<Block>): Stream.Stream<Block, SourceError> =>
  Stream.suspend(() =>
    Stream.fromAsyncIterable(withTurns(iterate()), (cause) =>
      cause instanceof SourceError ? cause : new SourceError({ message: (cause as Error).message, cause })
    )
  ).pipe(Stream.rechunk(1))

export const attempt = <A>(what: string, f: () => Promise<A>): Effect.Effect<A, SourceError> =>
  Effect.tryPromise({
    try: f,
    catch: (cause) =>
      cause instanceof SourceError ? cause : new SourceError({ message: `${what}: ${(cause as Error).message}`, cause })
  })
