import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join as path } from "node:path"
import { join } from "@sluice/testkit/crowd"
import { call, startSluice, stopAll } from "@sluice/testkit/processes"
import { type Browser, chromium } from "playwright-core"
import { afterAll, afterEach, assert, beforeAll, describe, it } from "vitest"

let browser: Browser
const dataDir = mkdtempSync(path(tmpdir(), "sluice-console-"))

beforeAll(async () => {
  browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] })
})
afterAll(async () => {
  await browser.close()
  rmSync(dataDir, { recursive: true, force: true })
})
afterEach(stopAll)

describe("the console in a browser", () => {
  it("shows every campaign live, says when the server is away, and goes on when it is back", async () => {
    const env = { SLUICE_DATA_DIR: dataDir }
    const sluice = await startSluice({ env })
    const campaign = { id: "live", name: "<b>Live</b>", stock: 10, ratePerSecond: 500, paused: true }
    await call(`${sluice.url}/campaigns`, "POST", campaign, true)
    const page = await browser.newPage()
    const errors: Array<string> = []
    page.on("pageerror", (error) => errors.push(error.message))
    await page.goto(sluice.url)
    const row = page.getByRole("row", { name: "<b>Live</b>" })
    await row.getByRole("cell", { name: "paused" }).waitFor()
    await join([sluice.url], "live", 25)
    await row.getByRole("cell", { name: "25", exact: true }).waitFor()
    await sluice.kill()
    await page.getByRole("status").filter({ hasText: "Not live" }).waitFor()
    const again = await startSluice({ env, port: Number(new URL(sluice.url).port) })
    await call(`${again.url}/campaigns/live`, "PATCH", { paused: false }, true)
    await row.getByRole("cell", { name: "sold out" }).waitFor()
    await row.locator("td").nth(5).filter({ hasText: /^10$/ }).waitFor()
    await page.getByText("Live", { exact: true }).waitFor()
    const texts = await row.getByRole("cell").allTextContents()
    assert.deepStrictEqual(texts.slice(1), ["sold out", "15", "0", "0", "10", "0", "10", "500"])
    assert.deepStrictEqual(errors, [])
    if (process.env.SCREENSHOT) await page.screenshot({ path: process.env.SCREENSHOT })
  })
})
