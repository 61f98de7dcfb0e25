import { assert, describe, it } from "vitest"
import { needsServers, pages, run, typeErrors } from "./docs-pages.ts"

const all = pages()

describe("what the documentation tells a reader to do", () => {
  for (const page of all.filter((page) => !needsServers(page))) {
    it(page.path, async () => assert.deepStrictEqual(await run(page), []))
  }

  it("its TypeScript compiles", async () => assert.strictEqual(await typeErrors(all), ""))
})
