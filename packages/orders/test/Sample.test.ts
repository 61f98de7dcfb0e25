import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { placesBetween } from "../src/Sample.ts"

const id = fc.string({ unit: fc.constantFrom(..."0123456789ABZ_abz-"), minLength: 1, maxLength: 12 })

describe("places by chance among ids", () => {
  it("are never before the first and never behind the last", () => {
    fc.assert(
      fc.property(id, id, fc.integer(), (one, other, seed) => {
        const [first, last] = one < other ? [one, other] : [other, one]
        let n = seed >>> 0
        const random = () => {
          n = (Math.imul(n, 1664525) + 1013904223) >>> 0
          return n / 2 ** 32
        }
        const places = placesBetween(first, last, 20, random)
        assert.lengthOf(places, 20)
        assert.isTrue(places.every((place) => place >= first && place <= last))
      })
    )
  })

  it("are spread over ids that ascend with time", () => {
    const [first, last] = ["01kb2x3v00", "01kb2xzzzz"]
    const places = placesBetween(first, last, 300)
    const tenths = new Set(places.map((place) => place[6]))
    assert.isAbove(new Set(places).size, 290)
    assert.isAbove(tenths.size, 25)
  })
})
