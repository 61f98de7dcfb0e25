import { assert, describe, it } from "vitest"
import { needsServers, pages, run } from "./docs-pages.ts"

describe("what the documentation tells a reader to do on real servers", () => {
  for (const page of pages().filter(needsServers)) {
    it(page.path, async () => assert.deepStrictEqual(await run(page), []))
  }
})
