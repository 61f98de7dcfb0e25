import { assert, describe, it } from "@effect/vitest"
import { parse } from "csv-parse/sync"
import * as fc from "fast-check"
import { column, cut, integer, outcomeOf, readCsv, text } from "./kit.ts"

const three = ["a", "b", "c"].map((name) => column(name, text(), false))
const places = fc.array(fc.nat(10_000), { maxLength: 12 })
const read = (input: string | Buffer, columns = three, options = {}) =>
  outcomeOf(readCsv(columns, [Buffer.from(input as string)], options))

const hostile = fc.string({
  unit: fc.constantFrom("a", "b", ",", '"', '""', "\n", "\r", "\r\n", "\\", "\t", "\0", "é", "💶", " "),
  maxLength: 60
})
const quoted = (value: string) => `"${value.replaceAll('"', '""')}"`

const parsed = (input: string, delimiter = ","): ReadonlyArray<ReadonlyArray<string>> | undefined => {
  try {
    return parse(input, { delimiter, record_delimiter: ["\r\n", "\n"], skip_empty_lines: true, relax_column_count: true })
  } catch {
    return undefined
  }
}

describe("CSV", () => {
  it("an empty value is no number, whatever stood in its place before", () => {
    for (const sign of ["+", "-"]) {
      const { rejects, rows } = read(`1\n${sign}x\n""\n2\n`, [column("n", integer(32), false)])
      assert.deepStrictEqual(rows, [["1"], ["2"]])
      assert.deepStrictEqual(
        rejects.map(({ line }) => line),
        [2, 3]
      )
    }
  })

  it("gives any values back to the letter, wherever the bytes are cut", () => {
    const value = fc.record({ text: hostile, bare: fc.boolean() })
    const row = fc.record({ values: fc.array(value, { minLength: 3, maxLength: 3 }), end: fc.constantFrom("\n", "\r\n") })
    fc.assert(
      fc.property(fc.array(row, { maxLength: 20 }), places, (rows, at) => {
        const bare = /^[^",\r\n]+$/
        const input = rows
          .map(
            ({ end, values }) =>
              values.map(({ bare: isBare, text }) => (isBare && bare.test(text) ? text : quoted(text))).join(",") + end
          )
          .join("")
        const { rejects, rows: found } = outcomeOf(readCsv(three, cut(Buffer.from(input), at)))
        assert.deepStrictEqual(rejects, [])
        assert.deepStrictEqual(
          found,
          rows.map(({ values }) => values.map(({ text }) => text))
        )
      }),
      { numRuns: 500 }
    )
  })

  it("reads what csv-parse reads, and takes as rejects what has another width", () => {
    fc.assert(
      fc.property(hostile, fc.constantFrom(",", ";", "|"), places, (noise, delimiter, at) => {
        // The carriage return of a line end that is cut off is part of it here, and of the value there.
        const input = noise.replaceAll(",", delimiter).replace(/\r+$/, "")
        const expected = parsed(input, delimiter)
        // csv-parse takes NUL behind a closing quote for the end of the input.
        fc.pre(expected !== undefined && !input.includes('"\0'))
        const { rejects, rows } = outcomeOf(readCsv(three, cut(Buffer.from(input), at), { delimiter, nullText: "never" }))
        assert.deepStrictEqual(
          rows,
          expected!.filter(({ length }) => length === 3)
        )
        assert.strictEqual(rejects.length, expected!.length - rows.length)
      }),
      { numRuns: 2000 }
    )
  })

  it("finds the same rows, rejects and checksum in hostile bytes wherever they are cut", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 80 }).map((some) => Buffer.from(some)),
      hostile.map((some) => Buffer.from(some))
    )
    fc.assert(
      fc.property(bytes, places, (input, at) => {
        assert.deepStrictEqual(outcomeOf(readCsv(three, cut(input, at))), outcomeOf(readCsv(three, [input])))
      }),
      { numRuns: 2000 }
    )
  })

  it("goes on from the end of any block as if it had not stopped", () => {
    const lines = Array.from({ length: 20_000 }, (_, i) =>
      i % 997 === 0 ? "too,few\n" : i % 7 === 0 ? `"${i}\n${"x".repeat(i % 90)}",b,c\r\n` : `${i},b,c\n`
    )
    const input = Buffer.from(lines.join(""))
    const blocks = readCsv(three, [input])
    assert.isAbove(blocks.length, 4)
    for (const [i, { nextLine, to }] of blocks.entries()) {
      const rest = readCsv(three, cut(input.subarray(to), [5_000, 100]), {}, { position: to, line: nextLine })
      const { checksum: _, ...expected } = outcomeOf(blocks.slice(i + 1))
      const { checksum: __, ...found } = outcomeOf(rest)
      assert.deepStrictEqual(found, expected)
    }
    assert.deepStrictEqual(blocks.map(({ from }) => from).slice(1), blocks.map(({ to }) => to).slice(0, -1))
    assert.strictEqual(blocks.at(-1)!.to, input.length)
  })

  it("tells NULL from an empty text", () => {
    const columns = [column("t", text()), column("n", integer(32)), column("must", text(), false)]
    const { rejects, rows } = read('\\N,,x\n"\\N",\\N,""\n,1,\na,2,\\N\n', columns)
    assert.deepStrictEqual(rows, [
      [null, null, "x"],
      ["\\N", null, ""],
      ["", "1", ""]
    ])
    assert.deepStrictEqual(
      rejects.map(({ column, line }) => [line, column]),
      [[4, "must"]]
    )
  })

  it("sets each bad row aside alone, with its line and column", () => {
    const columns = [column("a", text(3)), column("n", integer(8)), column("d", { kind: "date" })]
    const input = Buffer.concat([
      Buffer.from(
        "ok,1,2026-02-28\ntoo,few\none,2,3,4\nlong,1,2026-01-01\nok,128,2026-01-01\nok,1,2026-02-30\nok,1,0000-00-00\n"
      ),
      Buffer.from('a"b,1,2026-01-01\n"a"b,1,2026-01-01\n'),
      Buffer.from([0xff, 0x2c, 0x31, 0x2c]),
      Buffer.from('2026-01-01\n"é\n€",-128,2026-12-31\nok,1.0,2026-01-01\n"never closed,1,2026-01-01\nok,2,2024-02-29\n')
    ])
    const { lines, rejects, rows } = read(input, columns)
    assert.deepStrictEqual(rows, [
      ["ok", "1", "2026-02-28"],
      ["é\n€", "-128", "2026-12-31"],
      ["ok", "2", "2024-02-29"]
    ])
    assert.deepStrictEqual(lines, [1, 11, 15])
    assert.deepStrictEqual(
      rejects.map(({ column, line }) => [line, column]),
      [
        [2, null],
        [3, null],
        [4, "a"],
        [5, "n"],
        [6, "d"],
        [7, "d"],
        [8, "a"],
        [9, "a"],
        [10, "a"],
        [13, "n"],
        [14, null]
      ]
    )
    assert.include(rejects.at(-1)!.reason, "never closed")
    assert.include(rejects.find(({ line }) => line === 10)!.raw, "\ufffd")
  })

  it("skips a line that is too long without holding it", () => {
    const slab = Buffer.alloc(64 * 1024, "x")
    const slabs = function* () {
      yield Buffer.from("1,2,3\n")
      for (let i = 0; i < 1600; i++) yield slab
      yield Buffer.from("\n4,5,6\n")
    }
    const { lines, rejects, rows } = outcomeOf(readCsv(three, slabs(), { maxRowBytes: 256 * 1024 }))
    assert.deepStrictEqual(rows, [
      ["1", "2", "3"],
      ["4", "5", "6"]
    ])
    assert.deepStrictEqual(lines, [1, 3])
    assert.strictEqual(rejects.length, 1)
    assert.strictEqual(rejects[0]!.line, 2)
    assert.isBelow(rejects[0]!.raw.length, 100_000)
  })

  it("gives nothing of an empty file, and takes a last line without its end", () => {
    assert.deepStrictEqual(read("").rows, [])
    assert.deepStrictEqual(read("1,2,3").rows, [["1", "2", "3"]])
    assert.deepStrictEqual(read('1,2,"3"\r\n\r\n').rows, [["1", "2", "3"]])
  })
})
