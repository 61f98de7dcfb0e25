/**
 * Rows that are no text: a program's own, as objects or arrays, and those that a generator makes, each a function of its number and the seed.
 *
 * Positions are row numbers. A generator goes on at any of them; a stream of rows is given again from its first, and what is in the table
 * is skipped. A row that does not fit becomes a reject; one that can't be made ends the load.
 */
import { readFile } from "node:fs/promises"
import { resolve } from "node:path"
import { setImmediate } from "node:timers/promises"
import { pathToFileURL } from "node:url"
import type * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Block } from "./Block.ts"
import { BlockBuilder } from "./BlockBuilder.ts"
import { generators } from "./generators.ts"
import { Random } from "./Random.ts"
import { attempt, blocksOf, digest, type Source, SourceError, textOf, type Value } from "./Source.ts"

export type Row = Readonly<Record<string, Value>> | ReadonlyArray<Value>

export interface RowOptions {
  /** For people. */
  readonly name?: string
  readonly columns: ReadonlyArray<string>
  /** How many rows there are, where it is known. */
  readonly size?: number
  /** Changes when the rows do; without it, another stream of rows in the same columns is taken for the same. */
  readonly identity?: string
}

const isList = (row: Row): row is ReadonlyArray<Value> => Array.isArray(row)

const valueInto = (builder: BlockBuilder, index: number, value: Value): void => {
  if (typeof value === "string" && !value.isWellFormed()) {
    builder.wrong(builder.columns[index]!.name, "half of a surrogate pair, which is no character")
  } else if (value instanceof Date && Number.isNaN(value.getTime())) {
    builder.wrong(builder.columns[index]!.name, "an invalid Date")
  } else builder.value(index, textOf(value))
}

/** The values of one row, one a column. */
export const valuesInto = (builder: BlockBuilder, values: ReadonlyArray<Value>): void => {
  const width = builder.columns.length
  if (values.length !== width) builder.wrong(null, `${values.length} values where ${width} are expected`)
  else for (let i = 0; i < width; i++) valueInto(builder, i, values[i])
}

const objectInto = (builder: BlockBuilder, names: ReadonlyArray<string>, row: Readonly<Record<string, Value>>): void => {
  for (const key of Object.keys(row))
    if (!names.includes(key)) builder.wrong(null, `there is no column for ${JSON.stringify(key)}`)
  for (let i = 0; i < names.length; i++) valueInto(builder, i, Object.hasOwn(row, names[i]!) ? row[names[i]!] : null)
}

const plainly = (_: string, value: unknown) =>
  typeof value === "bigint" ? String(value) : value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value

/** For the rejects: an object, so that the text says which value is whose. */
const objectText = (names: ReadonlyArray<string>, row: Row): string =>
  JSON.stringify(
    isList(row) && row.length === names.length ? Object.fromEntries(names.map((name, i) => [name, row[i]])) : row,
    plainly
  )

export const fromRows = <E>(rows: Stream.Stream<Row, E>, options: RowOptions): Source => {
  const { columns: names, name = "rows" } = options
  return {
    name,
    identity: digest("rows", options.identity ?? "", JSON.stringify(names)),
    size: options.size,
    names,
    start: { position: 0, line: 1 },
    blocks: (columns, from) =>
      Stream.suspend(() => {
        const builder = new BlockBuilder(columns, from.position)
        let position = from.position
        const take = () => builder.take(position, position + 1)
        return rows.pipe(
          Stream.drop(from.position),
          Stream.mapError((cause) => new SourceError({ message: `${name}: ${String(cause)}`, cause })),
          Stream.chunks,
          Stream.map((some) => {
            const blocks = []
            for (const row of some) {
              builder.beginRow()
              if (isList(row)) valuesInto(builder, row)
              else objectInto(builder, names, row)
              position++
              builder.endRow(position, () => objectText(names, row))
              if (builder.isFull) blocks.push(take())
            }
            return blocks
          }),
          Stream.flatMap(Stream.fromIterable),
          Stream.concat(Stream.suspend(() => Stream.succeed(take()))),
          Stream.rechunk(1)
        )
      })
  }
}

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
