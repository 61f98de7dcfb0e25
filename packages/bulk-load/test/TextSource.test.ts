import { appendFileSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Readable } from "node:stream"
import { gzipSync, zstdCompressSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { afterAll, beforeAll } from "vitest"
import type { Block } from "../src/Block.ts"
import type { Source } from "../src/Source.ts"
import { formatOf, fromFile, fromReadable, type TextOptions } from "../src/TextSource.ts"
import { column, integer, outcomeOf, text } from "./kit.ts"

const columns = [column("n", integer(32), false), column("t", text())]
const rows = Array.from(
  { length: 15_000 },
  (_, i) => [String(i), i % 5 === 0 ? `line\n"${i}"` : `text ${(i * 7919) % 30_011}`] as const
)
const csv = Buffer.from(`\ufeffn,t\r\n${rows.map(([n, t]) => `${n},"${t.replaceAll('"', '""')}"`).join("\r\n")}\r\n`)
const ndjson = Buffer.from(rows.map(([n, t]) => `${JSON.stringify({ n: Number(n), t })}\n`).join(""))

const collect = (source: Source, from = source.start) => Stream.runCollect(source.blocks(columns, from))

/** The blocks before the end or the fault, and the fault. */
const until = (source: Source) =>
  Effect.gen(function* () {
    const blocks: Array<Block> = []
    const exit = yield* Effect.result(
      Stream.runForEach(source.blocks(columns, source.start), (block) => Effect.sync(() => blocks.push(block)))
    )
    return { outcome: outcomeOf(blocks), failure: exit._tag === "Failure" ? exit.failure : undefined }
  })

describe("text from files and streams", () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "sluice-source-"))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  const file = (name: string, bytes: Uint8Array | string) => {
    const path = join(folder, name)
    writeFileSync(path, bytes)
    return path
  }
  const open = (path: string, options: Partial<TextOptions> = {}) => fromFile(path, { ...formatOf(path), ...options })

  const files: ReadonlyArray<readonly [string, Buffer]> = [
    ["a.csv", csv],
    ["a.csv.gz", gzipSync(csv)],
    ["a.csv.zst", zstdCompressSync(csv)],
    ["a.ndjson", ndjson],
    ["a.ndjson.gz", gzipSync(ndjson)],
    ["two.csv.zst", Buffer.concat([zstdCompressSync(csv.subarray(0, 100_000)), zstdCompressSync(csv.subarray(100_000))])],
    [
      "many.csv.zst",
      Buffer.concat(Array.from({ length: 40 }, (_, i) => zstdCompressSync(csv.subarray(i * 20_000, (i + 1) * 20_000))))
    ],
    ["two.csv.gz", Buffer.concat([gzipSync(csv.subarray(0, 100_000)), gzipSync(csv.subarray(100_000))])]
  ]

  for (const [name, bytes] of files) {
    it.effect(`${name}: all rows, and from the end of each block the rest`, () =>
      Effect.gen(function* () {
        const source = yield* open(file(name, bytes))
        assert.deepStrictEqual(source.names, ["n", "t"])
        const blocks = yield* collect(source)
        const { rejects, rows: found } = outcomeOf(blocks)
        assert.deepStrictEqual(rejects, [])
        assert.deepStrictEqual(found, rows)
        for (const i of [0, 1, blocks.length - 2, blocks.length - 1]) {
          const { nextLine, to } = blocks[i]!
          const rest = outcomeOf(yield* collect(source, { position: to, line: nextLine }))
          assert.deepStrictEqual(rest.rows, outcomeOf(blocks.slice(i + 1)).rows)
          assert.deepStrictEqual(rest.lines, outcomeOf(blocks.slice(i + 1)).lines)
        }
      })
    )
  }

  it.effect("a stream gives the same rows, and goes on when it is given again", () =>
    Effect.gen(function* () {
      const parts = () =>
        Readable.from(Array.from({ length: Math.ceil(csv.length / 1000) }, (_, i) => csv.subarray(i * 1000, (i + 1) * 1000)))
      const first = yield* fromReadable("stream", parts(), { format: "csv" })
      const blocks = yield* collect(first)
      assert.deepStrictEqual(outcomeOf(blocks).rows, rows)
      const again = yield* fromReadable("stream", parts(), { format: "csv" })
      assert.strictEqual(again.identity, first.identity)
      const { nextLine, to } = blocks[1]!
      const rest = yield* collect(again, { position: to, line: nextLine })
      assert.deepStrictEqual(outcomeOf(rest).rows, outcomeOf(blocks.slice(2)).rows)
    })
  )

  it.effect("a packed file that is cut off ends in an error, behind whole rows", () =>
    Effect.gen(function* () {
      for (const [name, bytes] of [
        ["cut.csv.gz", gzipSync(csv)],
        ["cut.csv.zst", zstdCompressSync(csv)],
        ["cut.ndjson.gz", gzipSync(ndjson)]
      ] as const) {
        const source = yield* open(file(name, bytes.subarray(0, bytes.length - 2000)))
        const { failure, outcome } = yield* until(source)
        assert.strictEqual(failure?._tag, "SourceError", name)
        assert.deepStrictEqual(outcome.rejects, [], name)
        assert.deepStrictEqual(outcome.rows, rows.slice(0, outcome.rows.length), name)
        assert.isAbove(outcome.rows.length, 0, name)
      }
    })
  )

  it.effect("an empty file is an error where a header is expected, and no rows where none is", () =>
    Effect.gen(function* () {
      for (const [name, bytes] of [
        ["empty.csv", ""],
        ["bom.csv", "\ufeff"],
        ["empty.csv.gz", gzipSync("")]
      ] as const) {
        const path = file(name, bytes)
        assert.include((yield* Effect.flip(open(path))).message, "header", name)
        const source = yield* open(path, { header: false, columns: ["n", "t"] })
        assert.deepStrictEqual(outcomeOf(yield* collect(source)).rows, [], name)
      }
      const headed = yield* open(file("headed.csv", "n,t"))
      assert.deepStrictEqual(outcomeOf(yield* collect(headed)).rows, [])
    })
  )

  it.effect("identity changes with content, size, time and the way of reading", () =>
    Effect.gen(function* () {
      const path = file("i.csv", "n,t\n1,a\n")
      const { identity } = yield* open(path)
      assert.strictEqual((yield* open(path)).identity, identity)
      assert.notStrictEqual((yield* open(path, { delimiter: ";" })).identity, identity)
      assert.notStrictEqual((yield* open(path, { columns: ["t", "n"] })).identity, identity)
      assert.notStrictEqual((yield* open(path, { nullText: "-" })).identity, identity)
      utimesSync(path, 1, 1)
      const older = (yield* open(path)).identity
      assert.notStrictEqual(older, identity)
      writeFileSync(path, "n,t\n2,a\n")
      utimesSync(path, 1, 1)
      assert.notStrictEqual((yield* open(path)).identity, older)
      appendFileSync(path, "3,b\n")
      assert.notStrictEqual((yield* open(path)).identity, older)
    })
  )

  it.effect("what can't be read is an error, not a defect", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(open(join(folder, "none.csv"))))._tag, "SourceError")
      assert.strictEqual((yield* Effect.flip(open(folder, { format: "csv" })))._tag, "SourceError")
      assert.strictEqual((yield* Effect.flip(open(file("no.csv.gz", "n,t\n1,a\n"))))._tag, "SourceError")
      assert.strictEqual((yield* Effect.flip(open(file("q.csv", '"n,t\n1,a\n'))))._tag, "SourceError")
      assert.strictEqual((yield* Effect.flip(open(file("d.csv", "n,t\n"), { delimiter: "ab" })))._tag, "SourceError")
    })
  )
})
