/**
 * Rows that a generator makes, each a function of its number and the seed; and a program's own (`fromRows`).
 *
 * Positions are row numbers, and a generator goes on at any of them. A row that does not fit becomes a reject; one that can't be made ends
 * the load.
 */
import { readFile } from "node:fs/promises"
import { resolve } from "node:path"
import { setImmediate } from "node:timers/promises"
import { pathToFileURL } from "node:url"
import type * as Effect from "effect/Effect"
import type { Block } from "./Block.ts"
import { BlockBuilder } from "./BlockBuilder.ts"
import { generators } from "./generators.ts"
import { Random } from "./Random.ts"
import { objectText, valuesInto } from "./Rows.ts"
import { attempt, blocksOf, digest, type Source, SourceError, type Value } from "./Source.ts"

export { fromRows, type Row, type RowOptions } from "./Rows.ts"

export interface Generator {
  readonly columns: ReadonlyArray<string>
  /** Values in the order of the columns; `i` counts from 0. */
  readonly row: (i: number, random: Random) => ReadonlyArray<Value>
  /** The same row, field by field, as bytes: for speed alone. */
  readonly write?: (i: number, random: Random, builder: BlockBuilder) => void
}

export interface GeneratorOptions {
  /** A built-in's name, or the path of a module whose default export is a `Generator`. */
  readonly name: string
  readonly rows: number
  readonly seed: number
}

const isGenerator = (value: unknown): value is Generator => {
  if (typeof value !== "object" || value === null) return false
  const { columns, row } = value as Partial<Generator>
  return Array.isArray(columns) && columns.every((name) => typeof name === "string") && typeof row === "function"
}

const builtInOf = (name: string): Generator | undefined => (Object.hasOwn(generators, name) ? generators[name] : undefined)

const find = async (name: string): Promise<{ readonly generator: Generator; readonly version: string }> => {
  const known = builtInOf(name)
  if (known !== undefined) return { generator: known, version: "built-in" }
  if (!/[./\\]/.test(name)) {
    throw new SourceError({
      message: `there is no generator ${name}; there are ${Object.keys(generators).join(", ")}, or name a module's path`
    })
  }
  const path = resolve(name)
  const version = digest(await readFile(path))
  const module = (await import(pathToFileURL(path).href)) as { readonly default?: unknown }
  if (!isGenerator(module.default)) {
    throw new SourceError({ message: `${name}: its default export is not { columns: string[], row(i, random) }` })
  }
  return { generator: module.default, version }
}

const isCount = (n: number) => Number.isSafeInteger(n) && n >= 0

export const fromGenerator = ({ name, rows, seed }: GeneratorOptions): Effect.Effect<Source, SourceError> =>
  attempt(name, async () => {
    if (!isCount(rows) || !Number.isSafeInteger(seed)) {
      throw new SourceError({ message: `${name}: rows and seed must be whole numbers, rows not below 0` })
    }
    const { generator, version } = await find(name)
    return makeGenerated(generator, { name, rows, seed }, version)
  })

/** Of a generator at hand; `version` changes with what it makes. */
const makeGenerated = (generator: Generator, { name, rows, seed }: GeneratorOptions, version: string): Source => ({
  name,
  // The number of rows is no part of it: more rows of the same seed go on where fewer ended.
  identity: digest("generator", name, version, String(seed), JSON.stringify(generator.columns)),
  size: rows,
  names: generator.columns,
  start: { position: 0, line: 1 },
  blocks: (columns, from) =>
    blocksOf(async function* (): AsyncGenerator<Block> {
      if (columns.length !== generator.columns.length) {
        throw new SourceError({ message: `${name} makes ${generator.columns.length} columns, not ${columns.length}` })
      }
      const builder = new BlockBuilder(columns, from.position)
      const random = new Random(seed)
      const { row, write } = generator
      for (let i = from.position; i < rows; ) {
        builder.beginRow()
        random.seek(i)
        try {
          if (write === undefined) valuesInto(builder, row(i, random))
          else write(i, random, builder)
        } catch (cause) {
          throw new SourceError({ message: `${name}: row ${i + 1} can't be made: ${String(cause)}`, cause })
        }
        i++
        builder.endRow(i, () => objectText(generator.columns, row(i - 1, random.seek(i - 1))))
        if (builder.isFull) {
          yield builder.take(i, i + 1)
          // Nothing here waits for anything, so let others have their turn.
          await setImmediate()
        }
      }
      const end = Math.max(rows, from.position)
      yield builder.take(end, end + 1)
    })
})
