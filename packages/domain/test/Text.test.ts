import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { shownPattern, shownText } from "../src/Text.ts"

const isName = Schema.is(shownText(200))

describe("text for people", () => {
  it("is anything that can be seen", () => {
    for (const text of ["a", " a ", "Grüße, 你好", "🎟️ sale", "a".repeat(200), "😀".repeat(200)]) assert.isTrue(isName(text), text)
  })

  const refused: ReadonlyArray<readonly [name: string, text: string]> = [
    ["nothing", ""],
    ["a space", " "],
    ["wide spaces", "\u3000\u00a0\u2003"],
    ["a line break", "a\nb"],
    ["the end of a line", "a\u2028b"],
    ["a NUL", "a\u0000"],
    ["DEL", "\u007fa"],
    ["a bidi control", "a\u202eb"],
    ["a zero-width space", "a\u200b"],
    ["nothing but a zero-width space", "\u200b"],
    ["a byte order mark", "\ufeffa"],
    ["a tag character", "a\u{e0041}"],
    ["half of a character", "\ud83d"],
    ["the other half", "a\ude00b"],
    ["201 characters", "a".repeat(201)],
    ["201 characters outside of the first plane", "😀".repeat(201)]
  ]
  for (const [name, text] of refused) it(`is not ${name}`, () => assert.isFalse(isName(text)))

  it("is documented by a pattern that says the same of each character, with and without the flag of Unicode", () => {
    for (const documented of [new RegExp(shownPattern), new RegExp(shownPattern, "u")]) {
      const differing: Array<string> = []
      for (let code = 0; code <= 0xffff; code++) {
        if (code >= 0xd800 && code <= 0xdfff) continue
        for (const text of [String.fromCharCode(code), `a${String.fromCharCode(code)}`]) {
          if (documented.test(text) !== isName(text)) differing.push(`${code.toString(16)} in ${text.length}`)
        }
      }
      assert.deepStrictEqual(differing, [])
      assert.isTrue(documented.test("😀"))
    }
  })

  it("is looked at in time that grows with its length", () => {
    const started = performance.now()
    assert.isFalse(isName(`${" ".repeat(16_000)}\n`))
    assert.isFalse(isName(`a${" ".repeat(16_000)}\n`))
    assert.isBelow(performance.now() - started, 1000)
  })
})
