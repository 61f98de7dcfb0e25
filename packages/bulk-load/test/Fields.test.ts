import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { closeField, Fields, type Form, mostMore, nullField, openField } from "../src/Fields.ts"

/** A value's length, or null for NULL. */
const roundTrip = (lengths: ReadonlyArray<number | null>) => {
  const bytes = Buffer.alloc(lengths.reduce<number>((sum, length) => sum + (length ?? 0) + 2 + mostMore, 0))
  let at = 0
  for (const [i, length] of lengths.entries()) {
    const start = openField(bytes, at)
    if (length === null) at = nullField(bytes, start)
    else
      at = closeField(
        "text",
        bytes,
        start,
        start + bytes.fill(i + 1, start, start + length).subarray(start, start + length).length
      )
  }
  const fields = new Fields([]).row(bytes, 0)
  return lengths.map((_, i) => {
    fields.next()
    const value = bytes.subarray(fields.start, fields.end)
    assert.isTrue(value.every((byte) => byte === i + 1))
    return fields.isNull ? null : value.length
  })
}

const through = (form: Form, text: string, unsigned = false) => {
  const bytes = Buffer.alloc(100)
  const start = openField(bytes, 3)
  const end = closeField(form, bytes, start, start + bytes.write(text, start))
  const fields = new Fields([{ form, unsigned }]).row(bytes, 3)
  fields.next()
  assert.strictEqual(fields.end, end)
  return fields.text()
}

describe("fields", () => {
  it("hold whole numbers of 64 bits and times to the second as they were written", () => {
    const edges = [
      0n,
      1n,
      -1n,
      9n,
      -10n,
      2n ** 31n,
      2n ** 32n - 1n,
      2n ** 32n,
      -(2n ** 32n),
      2n ** 53n,
      2n ** 63n - 1n,
      -(2n ** 63n)
    ]
    for (const n of edges) assert.strictEqual(through("int64", String(n)), String(n))
    for (const n of [0n, 2n ** 32n, 2n ** 63n, 2n ** 64n - 1n]) assert.strictEqual(through("int64", String(n), true), String(n))
    fc.assert(
      fc.property(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), (n) => assert.strictEqual(through("int64", String(n)), String(n)))
    )
    fc.assert(fc.property(fc.bigInt(0n, 2n ** 64n - 1n), (n) => assert.strictEqual(through("int64", String(n), true), String(n))))
    for (const time of ["0001-01-01 00:00:00", "1970-01-01 00:00:01", "2026-11-24 12:34:56", "9999-12-31 23:59:59"]) {
      assert.strictEqual(through("datetime", time), time)
    }
  })

  it("are found again, whatever their length takes", () => {
    const edges = [0, 1, 250, 251, 252, 2 ** 16 - 1, 2 ** 16, null]
    assert.deepStrictEqual(roundTrip(edges), edges)
    for (const length of [2 ** 24 - 1, 2 ** 24]) assert.deepStrictEqual(roundTrip([length, null, 3]), [length, null, 3])
  })

  it("are found again in any order", () => {
    const length = fc.option(fc.oneof(fc.nat(10), fc.integer({ min: 240, max: 260 }), fc.integer({ min: 65_530, max: 65_540 })))
    fc.assert(
      fc.property(fc.array(length, { maxLength: 20 }), (lengths) => assert.deepStrictEqual(roundTrip(lengths), lengths)),
      { numRuns: 100 }
    )
  })

  it("lie as MariaDB's protocol has them", () => {
    const bytes = Buffer.alloc(300)
    let at = closeField("text", bytes, openField(bytes, 0), 2 + bytes.write("ab", 2))
    at = nullField(bytes, openField(bytes, at))
    const start = openField(bytes, at)
    closeField("text", bytes, start, start + 251)
    assert.deepStrictEqual([...bytes.subarray(0, 9)], [0, 2, 97, 98, 1, 0, 0xfc, 251, 0])
  })
})
