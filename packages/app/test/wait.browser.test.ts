import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join as path } from "node:path"
import { fileURLToPath } from "node:url"
import { join } from "@sluice/testkit/crowd"
import { call, eventually, type SluiceProcess, startSluice, stopAll } from "@sluice/testkit/processes"
import { type Browser, chromium, type Page } from "playwright-core"
import { afterAll, afterEach, assert, beforeAll, beforeEach, describe, it } from "vitest"

let browser: Browser
let dataDir: string

beforeAll(async () => {
  browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] })
})
afterAll(() => browser.close())
beforeEach(() => {
  dataDir = mkdtempSync(path(tmpdir(), "sluice-wait-"))
})
afterEach(async () => {
  await stopAll()
  rmSync(dataDir, { recursive: true, force: true })
})

const start = (port?: number) => startSluice({ env: { SLUICE_DATA_DIR: dataDir }, ...(port === undefined ? {} : { port }) })

const create = async (sluice: SluiceProcess, stock: number, name = "Spring sale") => {
  const campaign = { id: "spring", name, stock, ratePerSecond: 500, paused: true }
  assert.strictEqual((await call(`${sluice.url}/campaigns`, "POST", campaign, true)).status, 201)
}
const open = (sluice: SluiceProcess) => call(`${sluice.url}/campaigns/spring`, "PATCH", { paused: false }, true)

const joinOnPage = async (page: Page, url: string, userId: string) => {
  await page.goto(`${url}/campaigns/spring/wait`)
  await page.getByLabel("Your user id").fill(userId)
  await page.keyboard.press("Enter")
  await page.locator("#position").waitFor()
}

const shows = (page: Page, text: string) => page.getByText(text, { exact: false }).first().waitFor({ timeout: 30_000 })

describe("the waiting page in a browser", () => {
  it("shows the place, survives a reload and a restart of the server, and ends with the code", async () => {
    const sluice = await start()
    await create(sluice, 1200)
    await join([sluice.url], "spring", 1000)
    const page = await browser.newPage({ viewport: { width: 390, height: 700 } })
    const errors: Array<string> = []
    page.on("pageerror", (error) => errors.push(error.message))
    await joinOnPage(page, sluice.url, "me")
    assert.strictEqual(await page.locator("#position").textContent(), "1,001")
    await shows(page, "You keep your place")
    await page.reload()
    assert.strictEqual(await page.locator("#position").textContent(), "1,001")
    const port = Number(new URL(sluice.url).port)
    await sluice.kill("SIGKILL")
    await page.waitForTimeout(500)
    const again = await start(port)
    assert.strictEqual(await page.locator("#position").textContent(), "1,001")
    await open(again)
    await shows(page, "Here is your coupon")
    const { body } = await call<Array<{ readonly code: string }>>(`${again.url}/users/me/coupons`)
    assert.strictEqual(await page.locator("code").textContent(), body[0]!.code)
    assert.deepStrictEqual(errors, [])
    await page.close()
  })

  it("says that it is paused only for as long as it is", async () => {
    const sluice = await start()
    await create(sluice, 100)
    await call(`${sluice.url}/campaigns/spring`, "PATCH", { ratePerSecond: 10 }, true)
    await join([sluice.url], "spring", 30)
    const page = await browser.newPage()
    await joinOnPage(page, sluice.url, "me")
    await shows(page, "Paused")
    await open(sluice)
    await page.locator("[data-state=waiting] #state[hidden]").waitFor({ state: "attached" })
    await page.close()
  })

  it("works without a script, by asking again", async () => {
    const sluice = await start()
    await create(sluice, 5)
    const context = await browser.newContext({ javaScriptEnabled: false })
    const page = await context.newPage()
    await joinOnPage(page, sluice.url, "plain")
    assert.strictEqual(await page.locator("#position").textContent(), "1")
    await open(sluice)
    await shows(page, "Here is your coupon")
    await context.close()
  })

  it("tells who came too late, in Korean", async () => {
    const sluice = await start()
    await create(sluice, 3, "봄 세일")
    await join([sluice.url], "spring", 5)
    const context = await browser.newContext({ locale: "ko-KR" })
    const page = await context.newPage()
    await page.goto(`${sluice.url}/campaigns/spring/wait`)
    await page.getByLabel("사용자 ID").fill("late")
    await page.getByRole("button", { name: "참여하기" }).click()
    await shows(page, "이 페이지를 닫아도 순서는 유지됩니다.")
    await open(sluice)
    await shows(page, "마감되었습니다")
    assert.strictEqual(await page.locator("#live").textContent(), "마감되었습니다")
    await context.close()
  })

  it("comes back by itself after the network was away", async () => {
    const sluice = await start()
    await create(sluice, 5)
    const context = await browser.newContext()
    const page = await context.newPage()
    await joinOnPage(page, sluice.url, "mobile")
    await context.setOffline(true)
    await open(sluice)
    await eventually("issued behind its back", async () => {
      const { body } = await call<ReadonlyArray<unknown>>(`${sluice.url}/users/mobile/coupons`)
      return body.length === 1
    })
    await context.setOffline(false)
    await shows(page, "Here is your coupon")
    await context.close()
  })

  it("stands in another site by one line, where that site is named, and nowhere else", async () => {
    let shop = ""
    const site = createServer((_, res) => res.setHeader("content-type", "text/html").end(shop)).listen(0, "127.0.0.1")
    await once(site, "listening")
    const { port } = site.address() as AddressInfo
    const sluice = await startSluice({ env: { SLUICE_DATA_DIR: dataDir, SLUICE_FRAME_ANCESTORS: `http://localhost:${port}` } })
    try {
      await create(sluice, 5)
      shop = `<!doctype html><title>Shop</title><body><script src="${sluice.url}/embed.js" data-campaign="spring" data-user="guest" data-accent="rgb(0, 128, 0)"></script>`
      const page = await browser.newPage()
      await page.goto(`http://localhost:${port}/`)
      const frame = page.frameLocator("iframe")
      assert.strictEqual(await frame.getByLabel("Your user id").inputValue(), "guest")
      await frame.getByRole("button").click()
      await frame.locator("#position").waitFor()
      assert.strictEqual(await frame.locator("#position").textContent(), "1")
      await page.goto(`http://127.0.0.1:${port}/`)
      await page.waitForTimeout(500)
      assert.strictEqual(await frame.getByLabel("Your user id").count(), 0)
      await page.close()
    } finally {
      site.close()
    }
  })
})

/** The images of README.md, made with `SLUICE_SCREENSHOTS=1`. */
describe.runIf(process.env.SLUICE_SCREENSHOTS === "1")("the images of the waiting page", () => {
  it("are made", async () => {
    const folder = fileURLToPath(new URL("../../../docs/images/", import.meta.url))
    const sluice = await start()
    await create(sluice, 1200)
    await call(`${sluice.url}/campaigns/spring`, "PATCH", { ratePerSecond: 30 }, true)
    await join([sluice.url], "spring", 400)
    const page = await browser.newPage({ viewport: { width: 390, height: 560 }, deviceScaleFactor: 2 })
    await joinOnPage(page, sluice.url, "me")
    await open(sluice)
    await eventually("half way", async () => Number(await page.locator("#position").textContent()) < 180)
    await page.screenshot({ path: `${folder}waiting-page.png` })
    await page.emulateMedia({ colorScheme: "dark" })
    await call(`${sluice.url}/campaigns/spring`, "PATCH", { ratePerSecond: 500 }, true)
    await shows(page, "Here is your coupon")
    await page.screenshot({ path: `${folder}waiting-page-coupon.png` })
    await page.close()
  })
})
