import { crc32 as reference } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Checksum, checksumSql, crc32, leftOut } from "../src/Checksum.ts"
import { closeField, Fields, nullField, openField } from "../src/Fields.ts"
import { column, integer, text } from "./kit.ts"

const fieldsOf = (values: ReadonlyArray<string | null>): Fields => {
  const bytes = Buffer.alloc(1000)
  let at = 0
  for (const value of values) {
    const start = openField(bytes, at)
    at = value === null ? nullField(bytes, start) : closeField("text", bytes, start, start + bytes.write(value, start))
  }
  return new Fields([]).row(bytes, 0)
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
    assert.strictEqual(rows.ofRow(fieldsOf(["x\ty\\", null])), reference("x\ty\\\t\\N"))
  })

  it("leaves out what a server prints in its own way", () => {
    const columns = [column("a", integer(8)), column("f", { kind: "float", single: true, unsigned: false }), column("c", text())]
    assert.strictEqual(new Checksum(columns).ofRow(fieldsOf(["1", "1.5", "z"])), reference("1\tz"))
    assert.deepStrictEqual(
      leftOut(columns).map(({ name }) => name),
      ["f"]
    )
    assert.notInclude(checksumSql(columns), "`f`")
    assert.strictEqual(checksumSql([columns[1]!]), "0")
  })
})
