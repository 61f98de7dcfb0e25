import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join as path } from "node:path"
import { fileURLToPath } from "node:url"
import { join } from "@sluice/testkit/crowd"
import { call, eventually, startSluice, stopAll } from "@sluice/testkit/processes"
import { type Browser, chromium } from "playwright-core"
import { afterAll, afterEach, assert, beforeAll, describe, it } from "vitest"

const site = fileURLToPath(new URL("../examples/site.ts", import.meta.url))
const dataDir = mkdtempSync(path(tmpdir(), "sluice-client-"))
let browser: Browser
let child: ChildProcess

beforeAll(async () => {
  browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] })
})
afterEach(async () => {
  child?.kill()
  await stopAll()
})
afterAll(async () => {
  await browser.close()
  rmSync(dataDir, { recursive: true, force: true })
})

describe("the client in a browser", () => {
  it("joins, keeps its place over a reload and a killed server, and shows the coupon", async () => {
    const sluice = await startSluice({ env: { SLUICE_DATA_DIR: dataDir } })
    const campaign = { id: "spring", name: "Spring", stock: 5, ratePerSecond: 100, paused: true }
    assert.strictEqual((await call(`${sluice.url}/campaigns`, "POST", campaign, true)).status, 201)
    await join([sluice.url], "spring", 2)

    child = spawn(process.execPath, [site, sluice.url, "0"], { stdio: ["ignore", "pipe", "inherit"] })
    const [line] = (await once(child.stdout!, "data")) as [Buffer]
    const page = await browser.newPage()
    const asked: Array<string> = []
    page.on("request", (request) => asked.push(new URL(request.url()).pathname))
    const errors: Array<string> = []
    page.on("pageerror", (error) => errors.push(error.message))
    await page.goto(line.toString().trim().replace("demo", "spring"))
    await page.getByLabel("Your user id").fill("me")
    await page.getByRole("button").click()
    await page.getByText("Place 3").waitFor()
    await page.reload()
    await page.getByText("Place 3").waitFor()

    const port = Number(new URL(sluice.url).port)
    await sluice.kill("SIGKILL")
    await page.getByText("You keep your place").waitFor()
    const again = await startSluice({ port, env: { SLUICE_DATA_DIR: dataDir } })
    await page.getByText("Place 3").waitFor()
    await call(`${again.url}/campaigns/spring`, "PATCH", { paused: false }, true)
    await page.getByText("Your coupon").waitFor()
    const { body } = await call<ReadonlyArray<{ readonly code: string }>>(`${again.url}/users/me/coupons`)
    await eventually(
      "the very code",
      async () => (await page.locator("#status").textContent()) === `Your coupon: ${body[0]!.code}`
    )

    assert.deepStrictEqual(errors, [])
    const modules = new Set(asked.filter((path) => path.endsWith(".ts")))
    assert.isTrue(modules.has("/src/joinAndWait.ts"))
    assert.isFalse([...modules].some((path) => !/^\/(src|examples)\//.test(path)))
  })
})
