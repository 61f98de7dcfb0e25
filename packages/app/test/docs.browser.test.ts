import { assert, describe, it } from "vitest"
import { open, withBrowser } from "./console-kit.ts"

withBrowser()

describe("the page of the API", () => {
  it("shows it, runs its own scripts and no others, and finds nothing forbidden that it needs", async () => {
    const { complaints, page, sluice } = await open()
    const answer = await page.goto(`${sluice.url}/docs`)
    await page.getByText("Join a campaign").first().waitFor()
    assert.deepStrictEqual(complaints, [])
    const policy = answer!.headers()["content-security-policy"]!
    assert.notInclude(/script-src ([^;]*);/.exec(policy)![1]!, "unsafe")
    await page.evaluate(
      "document.head.append(Object.assign(document.createElement('script'), { textContent: 'document.title = \"taken over\"' }))"
    )
    assert.include(complaints.join(), "script")
    assert.notStrictEqual(await page.title(), "taken over")
  })
})
