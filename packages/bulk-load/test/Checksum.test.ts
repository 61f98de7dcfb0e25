import { crc32 as reference } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Checksum, checksumSql, crc32, leftOut } from "../src/Checksum.ts"
import { closeField, nullField, openField } from "../src/Fields.ts"
import { column, integer, text } from "./kit.ts"

const encoded = (values: ReadonlyArray<string | null>): Buffer => {
  const bytes = Buffer.alloc(1000)
  let at = 0
  for (const value of values) {
    const start = openField(bytes, at)
    at = value === null ? nullField(bytes, start) : closeField(bytes, start, start + bytes.write(value, start))
  }
  return bytes
}

describe("checksum", () => {
  it("is CRC-32 as zlib has it, of any part", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), (bytes, at) => {
        const start = Math.min(at, bytes.length)
        assert.strictEqual(crc32(bytes, start, bytes.length), reference(bytes.subarray(start)))
      }),
      { numRuns: 1000 }
    )
  })

  it("is of the values, not of the way in which they travel", () => {
    const rows = new Checksum([column("a", text()), column("b", text())])
    assert.strictEqual(rows.ofRow(encoded(["x\ty\\", null]), 0), reference("x\ty\\\t\\N"))
  })

  it("leaves out what a server prints in its own way", () => {
    const columns = [column("a", integer(8)), column("f", { kind: "float", single: true, unsigned: false }), column("c", text())]
    assert.strictEqual(new Checksum(columns).ofRow(encoded(["1", "1.5", "z"]), 0), reference("1\tz"))
    assert.deepStrictEqual(
      leftOut(columns).map(({ name }) => name),
      ["f"]
    )
    assert.notInclude(checksumSql(columns), "`f`")
    assert.strictEqual(checksumSql([columns[1]!]), "0")
  })
})
