/**
 * A program's own rows, as objects or arrays.
 *
 * Positions are row numbers: a stream of rows is given again from its first, and what is in the table is skipped. A row that does not fit
 * becomes a reject; a stream that fails ends the load.
 */
import * as Stream from "effect/Stream"
import { BlockBuilder } from "./BlockBuilder.ts"
import { digest, type Source, SourceError, textOf, type Value } from "./Source.ts"

export type Row = Readonly<Record<string, Value>> | ReadonlyArray<Value>

/** A row type of a program's own, an interface as well: all its fields, or elements, are values. */
export type Typed<R> = object & { readonly [K in keyof R]: Value }

export interface RowOptions {
  /** For people. */
  readonly name?: string
  /** The table's columns that the rows fill, in the order of an array's values; by default all that the table does not fill itself. */
  readonly columns?: ReadonlyArray<string> | undefined
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
export const objectText = (names: ReadonlyArray<string>, row: Row): string =>
  JSON.stringify(
    isList(row) && row.length === names.length ? Object.fromEntries(names.map((name, i) => [name, row[i]])) : row,
    plainly
  )

export const fromRows = <E>(rows: Stream.Stream<Row, E>, options: RowOptions = {}): Source => {
  const { columns: given, name = "rows" } = options
  return {
    name,
    identity: digest("rows", options.identity ?? "", JSON.stringify(given ?? null)),
    size: options.size,
    names: given,
    start: { position: 0, line: 1 },
    blocks: (columns, from) =>
      Stream.suspend(() => {
        const builder = new BlockBuilder(columns, from.position)
        const names = given ?? columns.map((column) => column.name)
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
