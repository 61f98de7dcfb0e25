import { DatabaseSync } from "node:sqlite"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import * as fc from "fast-check"
import type { Block } from "../src/Block.ts"
import { createTableSql, generators } from "../src/generators.ts"
import { NdjsonReader } from "../src/NdjsonReader.ts"
import { Random } from "../src/Random.ts"
import { fromGenerator, fromRows, type Row } from "../src/RowSource.ts"
import type { Source } from "../src/Source.ts"
import { type Column, selectColumns, TableError } from "../src/Table.ts"
import { column, cut, integer, outcomeOf, text } from "./kit.ts"

const plain = (names: ReadonlyArray<string>) => names.map((name) => column(name, text()))

const blocksOf = (source: Source, columns: ReadonlyArray<Column>, from = source.start) =>
  Stream.runCollect(source.blocks(columns, from))

const ndjson = (
  columns: ReadonlyArray<Column>,
  slabs: Iterable<Buffer>,
  maxRowBytes = 1 << 24,
  from = { position: 0, line: 1 }
) => {
  const reader = new NdjsonReader(
    columns,
    columns.map(({ name }) => name),
    maxRowBytes,
    from
  )
  const blocks: Array<Block> = []
  for (const slab of slabs) blocks.push(...reader.push(slab))
  blocks.push(...reader.finish())
  return blocks
}

describe("NDJSON", () => {
  const columns = [
    column("id", integer(64), false),
    column("t", text(5)),
    column("d", { kind: "decimal", precision: 40, scale: 20, unsigned: false }),
    column("j", { kind: "json" })
  ]
  const read = (lines: ReadonlyArray<string>) => outcomeOf(ndjson(columns, [Buffer.from(lines.join("\n"))]))

  it("loses no digit of a number", () => {
    const { rejects, rows } = read([
      '{"id": 9007199254740993, "d": 0.12345678901234567891, "j": {"n": 12345678901234567890.10}}',
      '{"id": -9223372036854775808, "t": "é\\n\\t\\\\"}',
      '{"id": "1", "t": null, "j": [1, "\\u00e9"]}'
    ])
    assert.deepStrictEqual(rejects, [])
    assert.deepStrictEqual(rows, [
      ["9007199254740993", null, "0.12345678901234567891", '{"n":12345678901234567890.10}'],
      ["-9223372036854775808", "é\n\t\\", null, null],
      ["1", null, null, '[1,"é"]']
    ])
  })

  it("takes arrays where the columns are named in an order, and only there", () => {
    const named = ["id", "t", "d", "j"]
    const input = Buffer.from('[9007199254740993,"x",null,[1]]\n[1,"y"]\n{"id":2}\n')
    const outcome = (takesArrays: boolean) => {
      const reader = new NdjsonReader(columns, named, 1000, { position: 0, line: 1 }, takesArrays)
      return outcomeOf([...reader.push(input), ...reader.finish()])
    }
    assert.deepStrictEqual(outcome(true).rows, [
      ["9007199254740993", "x", null, "[1]"],
      ["2", null, null, null]
    ])
    assert.deepStrictEqual(
      outcome(true).rejects.map(({ line, reason }) => [line, reason]),
      [[2, "2 values where 4 are expected"]]
    )
    assert.deepStrictEqual(outcome(false).rows, [["2", null, null, null]])
  })

  it("sets each bad row aside alone", () => {
    const bad = [
      "not json",
      "[1]",
      '{"id": 1, "more": 2}',
      '{"t": "no id"}',
      '{"id": 9223372036854775808}',
      '{"id": 1.5}',
      '{"id": 1, "t": {"a": 1}}',
      '{"id": 1, "t": "\\ud800"}',
      '{"id": 1, "t": "sixsix"}',
      '{"id": 1, "d": 1e309}',
      '{"id": 1, "__proto__": {"t": "x"}}'
    ]
    const { lines, rejects, rows } = read(bad.flatMap((line) => [line, '{"id": 7}']))
    assert.strictEqual(rows.length, bad.length)
    assert.deepStrictEqual(
      rejects.map(({ line }) => line),
      bad.map((_, i) => 1 + 2 * i)
    )
    assert.deepStrictEqual(
      rejects.map(({ raw }) => raw),
      bad
    )
    assert.deepStrictEqual(
      lines,
      bad.map((_, i) => 2 + 2 * i)
    )
  })

  it("refuses a key that is given twice", () => {
    const { rejects, rows } = read(['{"id": 1, "id": 2}', '{"id": 3, "j": {"a": 1, "a": 2}}'])
    assert.deepStrictEqual(
      rejects.map(({ line }) => line),
      [1, 2]
    )
    assert.deepStrictEqual(rows, [])
  })

  it("does not hold a line that is too long", () => {
    const slabs = function* () {
      yield Buffer.from('{"id": 1}\n{"id": 2, "t": "')
      for (let i = 0; i < 100; i++) yield Buffer.alloc(10_000, "x")
      yield Buffer.from('"}\n{"id": 3}\n')
    }
    const { lines, rejects, rows } = outcomeOf(ndjson(columns, slabs(), 50_000))
    assert.deepStrictEqual(
      rows.map(([id]) => id),
      ["1", "3"]
    )
    assert.deepStrictEqual(lines, [1, 3])
    assert.deepStrictEqual(
      rejects.map(({ line }) => line),
      [2]
    )
  })

  it("finds the same in any bytes, wherever they are cut", () => {
    const noise = fc.array(
      fc.constantFrom('{"id": 1}', '{"id": 2, "t": "é💶"}', "x", "\n", "\r\n", "{", "}", '"', "\\", "\ufeff"),
      { maxLength: 30 }
    )
    fc.assert(
      fc.property(noise, fc.array(fc.nat(1000), { maxLength: 8 }), (parts, at) => {
        const input = Buffer.from(parts.join(""))
        assert.deepStrictEqual(outcomeOf(ndjson(columns, cut(input, at))), outcomeOf(ndjson(columns, [input])))
      }),
      { numRuns: 500 }
    )
  })
})

describe("rows of a program", () => {
  const columns = [column("a", integer(64), false), column("b", text(10))]
  const rows: ReadonlyArray<Row> = [
    { a: 1n, b: "x" },
    [2, null],
    { a: true, b: new Date("2026-01-01T00:00:00Z").toISOString().slice(0, 10) },
    { a: 4.5 },
    { a: 5, c: 1 },
    { a: 6, b: new Date(Number.NaN) },
    [7],
    { a: 8, b: "\ud800" },
    { b: "no a" },
    { a: 2n ** 63n - 1n, b: new Uint8Array([65, 9]) }
  ]

  it.effect("are taken by name or in order, and each that does not fit is set aside", () =>
    Effect.gen(function* () {
      const source = fromRows(Stream.fromIterable(rows), { columns: ["a", "b"] })
      const { rejects, rows: found } = outcomeOf(yield* blocksOf(source, columns))
      assert.deepStrictEqual(found, [
        ["1", "x"],
        ["2", null],
        ["1", "2026-01-01"],
        ["9223372036854775807", "A\t"]
      ])
      assert.deepStrictEqual(
        rejects.map(({ column, line }) => [line, column]),
        [
          [4, "a"],
          [5, null],
          [6, "b"],
          [7, null],
          [8, "b"],
          [9, "a"]
        ]
      )
    })
  )

  it.effect("go on behind those that were taken before", () =>
    Effect.gen(function* () {
      const many = Stream.map(Stream.range(1, 10_000), (a): Row => ({ a }))
      const source = fromRows(many, { columns: ["a", "b"] })
      const blocks = yield* blocksOf(source, columns)
      const { nextLine, to } = blocks[0]!
      const rest = yield* blocksOf(source, columns, { position: to, line: nextLine })
      assert.deepStrictEqual(outcomeOf(rest), outcomeOf(blocks.slice(1)))
      assert.strictEqual(outcomeOf(blocks).rows.length, 10_000)
    })
  )

  it.effect("that fail become the source's error, behind the blocks before it", () =>
    Effect.gen(function* () {
      const source = fromRows(Stream.concat(Stream.make<[Row]>({ a: 1 }), Stream.fail("gone")), { columns: ["a", "b"] })
      const error = yield* Effect.flip(blocksOf(source, columns))
      assert.strictEqual(error._tag, "SourceError")
      assert.include(error.message, "gone")
    })
  )
})

describe("generators", () => {
  for (const [name, { columns: names }] of Object.entries(generators)) {
    it.effect(`${name}: any part made again is the whole's part`, () =>
      Effect.gen(function* () {
        const columns = plain(names)
        const source = yield* fromGenerator({ name, rows: 10_000, seed: 7 })
        const whole = outcomeOf(yield* blocksOf(source, columns))
        assert.deepStrictEqual([whole.rows.length, whole.rejects.length], [10_000, 0])
        for (const position of [0, 1, 4_096, 6_543, 9_999, 10_000]) {
          const part = outcomeOf(yield* blocksOf(source, columns, { position, line: position + 1 }))
          assert.deepStrictEqual(part.rows, whole.rows.slice(position))
          assert.deepStrictEqual(part.lines, whole.lines.slice(position))
        }
        const other = outcomeOf(yield* blocksOf(yield* fromGenerator({ name, rows: 10_000, seed: 8 }), columns))
        if (name !== "categories") assert.notDeepEqual(other.rows, whole.rows)
      })
    )
  }

  it.effect("people written as bytes are those of its rows", () =>
    Effect.gen(function* () {
      const { columns: names, row } = generators.people!
      const columns = plain(names)
      const written = yield* fromGenerator({ name: "people", rows: 5_000, seed: 7 })
      const random = new Random(7)
      const made = fromRows(
        Stream.map(Stream.range(0, 4_999), (i): Row => row(i, random.seek(i))),
        { columns: names }
      )
      assert.deepStrictEqual(outcomeOf(yield* blocksOf(written, columns)), outcomeOf(yield* blocksOf(made, columns)))
    })
  )

  it.effect("lines belong to orders that exist: 1 to 3 each, none without", () =>
    Effect.gen(function* () {
      const source = yield* fromGenerator({ name: "order_items", rows: 6_000, seed: 1 })
      const { rows } = outcomeOf(yield* blocksOf(source, plain(source.names!)))
      const counts = new Map<string, number>()
      for (const [, order] of rows) counts.set(order!, (counts.get(order!) ?? 0) + 1)
      assert.strictEqual(counts.size, 3_000)
      assert.isTrue([...counts.values()].every((n) => n >= 1 && n <= 3))
      assert.deepStrictEqual(
        [Math.min(...[...counts.keys()].map(Number)), Math.max(...[...counts.keys()].map(Number))],
        [1, 3_000]
      )
    })
  )

  it.effect("no payment is older than its order", () =>
    Effect.gen(function* () {
      const made = (name: string) =>
        Effect.flatMap(fromGenerator({ name, rows: 2_000, seed: 3 }), (source) => blocksOf(source, plain(source.names!)))
      const orders = outcomeOf(yield* made("orders")).rows
      const payments = outcomeOf(yield* made("payments")).rows
      for (const [i, [, order, , paidAt]] of payments.entries()) {
        assert.strictEqual(order, orders[i]![0])
        assert.isTrue(paidAt! > orders[i]![2]!)
      }
    })
  )

  it("have their tables in SQLite", () => {
    const database = new DatabaseSync(":memory:")
    for (const [name, { columns }] of Object.entries(generators)) {
      database.exec(createTableSql(name, "sqlite")!)
      const names = database
        .prepare(`SELECT name FROM pragma_table_info('${name}')`)
        .all()
        .map((row) => row.name)
      assert.deepStrictEqual(
        names.filter((column) => columns.includes(String(column))),
        [...columns]
      )
    }
    database.close()
    assert.isUndefined(createTableSql("constructor", "sqlite"))
  })

  it.effect("unknown names and impossible numbers are refused", () =>
    Effect.gen(function* () {
      for (const options of [
        { name: "nothing", rows: 1, seed: 1 },
        { name: "people", rows: -1, seed: 1 },
        { name: "people", rows: 1.5, seed: 1 },
        { name: "people", rows: 1, seed: Number.NaN },
        { name: "./no-such-module.ts", rows: 1, seed: 1 },
        { name: "constructor", rows: 1, seed: 1 }
      ]) {
        assert.strictEqual((yield* Effect.flip(fromGenerator(options)))._tag, "SourceError")
      }
    })
  )
})

describe("columns of a table", () => {
  const table = {
    engine: "mariadb",
    name: "t",
    columns: [
      { ...column("id", integer(64), false), autoIncrement: true },
      column("must", text(), false),
      { ...column("had", text(), false), hasDefault: true },
      { ...column("made", text()), generated: true },
      column("odd", { kind: "unsupported", name: "geometry" })
    ]
  } as const

  it("are chosen by name, and what can't be is said", () => {
    const chosen = selectColumns(table, ["MUST", "id"])
    assert.deepStrictEqual(chosen instanceof TableError ? chosen.message : chosen.map(({ name }) => name), ["must", "id"])
    const refused: ReadonlyArray<readonly [ReadonlyArray<string>, string]> = [
      [["must", "none"], "none"],
      [["must", "Must"], "twice"],
      [["had"], "must"],
      [["must", "made"], "generated"],
      [["must", "odd"], "geometry"]
    ]
    for (const [names, word] of refused) {
      const error = selectColumns(table, names)
      assert.instanceOf(error, TableError)
      assert.include((error as TableError).message, word)
    }
  })
})
