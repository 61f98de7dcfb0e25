import { assert, describe, it } from "vitest"
import { blocksOf, deadLinks, isNotRun, pages, unprinted } from "./docs-pages.ts"

const all = pages()
const known = ["sh", "bash", "setup", "ts", "json", "text", "", "mermaid"]

describe("the documentation", () => {
  it("has blocks that are run, compiled or parsed, and says of each other why it is not", () => {
    const unknown = all.flatMap(({ blocks, path }) =>
      blocks
        .filter((block) => !known.includes(block.language) && !isNotRun(block))
        .map(({ language, line }) => `${path}:${line}: ${language}`)
    )
    assert.deepStrictEqual(unknown, [])
  })

  it("has JSON that is JSON", () => {
    for (const { blocks, path } of all) {
      for (const { line, text } of blocks.filter((block) => block.language === "json" && !isNotRun(block))) {
        assert.doesNotThrow(() => JSON.parse(text), undefined, `${path}:${line}`)
      }
    }
  })

  it("links to what is there", () => {
    assert.deepStrictEqual(
      all.flatMap((page) => deadLinks(page).map((target) => `${page.path}: ${target}`)),
      []
    )
  })

  it("is read as it is meant", () => {
    const page = [
      "<!-- server, needs servers -->",
      "```sh",
      "a",
      "```",
      "<!-- setup",
      "b",
      "-->",
      "- c",
      "  ```json",
      "  {}",
      "  ```"
    ]
    assert.deepStrictEqual(blocksOf(page.join("\n")), [
      { line: 1 + 1, language: "sh", text: "a\n", marks: ["server", "needs servers"] },
      { line: 5, language: "setup", text: "b", marks: [] },
      { line: 9, language: "json", text: "{}\n", marks: [] }
    ])
    assert.deepStrictEqual(unprinted("b ...\nd", "a\n  b   1 2\nc\nd"), [])
    assert.deepStrictEqual(unprinted("d\nb", "b\nd"), ["b"])
    const dead = deadLinks({
      path: "docs/x.md",
      text: "[a](../README.md#settings) [b](../README.md#nothing) [c](no.md)",
      blocks: []
    })
    assert.deepStrictEqual(dead, ["../README.md#nothing", "no.md"])
  })
})
