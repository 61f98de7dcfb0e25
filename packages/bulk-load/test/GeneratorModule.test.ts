import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { afterAll, beforeAll } from "vitest"
import { fromGenerator } from "../src/RowSource.ts"
import { column, integer, outcomeOf } from "./kit.ts"

const columns = [column("n", integer(8), false)]

describe("a generator from a module", () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "sluice-generator-"))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  const module = (name: string, code: string) => {
    const path = join(folder, name)
    writeFileSync(path, code)
    return path
  }

  it.effect("makes rows that are checked like any other", () =>
    Effect.gen(function* () {
      const name = module("n.mjs", `export default { columns: ["n"], row: (i, random) => [i === 2 ? 1000 : random.int(100)] }`)
      const source = yield* fromGenerator({ name, rows: 5, seed: 1 })
      const { lines, rejects } = outcomeOf(yield* Stream.runCollect(source.blocks(columns, source.start)))
      assert.deepStrictEqual(lines, [1, 2, 4, 5])
      assert.deepStrictEqual(
        rejects.map(({ column, line, raw }) => ({ column, line, raw })),
        [{ column: "n", line: 3, raw: '{"n":1000}' }]
      )
    })
  )

  it.effect("is another source when its text or the seed changes", () =>
    Effect.gen(function* () {
      const code = `export default { columns: ["n"], row: () => [1] }`
      const name = module("same.mjs", code)
      const { identity } = yield* fromGenerator({ name, rows: 5, seed: 1 })
      assert.strictEqual((yield* fromGenerator({ name, rows: 9, seed: 1 })).identity, identity)
      assert.notStrictEqual((yield* fromGenerator({ name, rows: 5, seed: 2 })).identity, identity)
      module("same.mjs", `${code} // changed`)
      assert.notStrictEqual((yield* fromGenerator({ name, rows: 5, seed: 1 })).identity, identity)
    })
  )

  it.effect("that throws, or is none, ends in an error that names it", () =>
    Effect.gen(function* () {
      const throws = module(
        "throws.mjs",
        `export default { columns: ["n"], row: (i) => { if (i === 3) throw new Error("no more"); return [i] } }`
      )
      const source = yield* fromGenerator({ name: throws, rows: 5, seed: 1 })
      const error = yield* Effect.flip(Stream.runDrain(source.blocks(columns, source.start)))
      assert.strictEqual(error._tag, "SourceError")
      assert.match(error.message, /row 4 .*no more/)
      for (const code of [
        "export default 1",
        "export const row = 1",
        "export default { columns: [1], row() {} }",
        "syntax error"
      ]) {
        const name = module(`bad${code.length}.mjs`, code)
        assert.strictEqual((yield* Effect.flip(fromGenerator({ name, rows: 1, seed: 1 })))._tag, "SourceError", code)
      }
    })
  )
})
