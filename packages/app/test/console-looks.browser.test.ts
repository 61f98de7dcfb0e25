import { mkdirSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { join } from "@sluice/testkit/crowd"
import { call } from "@sluice/testkit/processes"
import type { Page } from "playwright-core"
import { assert, describe, it } from "vitest"
import { barriers, type Console, create, deadLetter, open, place, sidewaysBy, signIn, withBrowser } from "./console-kit.ts"

withBrowser()

const views = ["campaigns", "campaigns/spring", "orders", "loads", "dead-letters", "system", "audit"]
const longName = `Spring ${"sale".repeat(30)}`

const go = async (page: Page, url: string, view: string) => {
  await page.goto(`${url}/#/${view}`)
  await page.getByRole("heading", { level: 1 }).waitFor()
  await page.locator("main .loading").waitFor({ state: "detached" })
}

/** Something of everything to look at. */
const furnish = async ({ dataDir, sluice: { url } }: Console) => {
  await create(url, { id: "spring", name: longName, stock: 40, ratePerSecond: 10 })
  await create(url, { id: "done", name: "Winter", stock: 3, paused: false })
  await join([url], "spring", 20)
  await join([url], "done", 5)
  await place(url, "looks")
  deadLetter(dataDir, `a-${"long-".repeat(30)}key`)
  await call(`${url}/campaigns/spring`, "PATCH", { paused: false }, true)
}

describe("the console for everybody", () => {
  it("keeps nobody out: axe finds nothing serious in any view and dialog, in light and in dark", async () => {
    const shown = await open()
    const { page, sluice } = shown
    await furnish(shown)
    assert.deepStrictEqual(await barriers(page), [], "signed out")
    await signIn(page)
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" })
      for (const view of views) {
        await go(page, sluice.url, view)
        assert.deepStrictEqual(await barriers(page), [], `${view}, ${colorScheme}`)
      }
      await go(page, sluice.url, "campaigns")
      await page.getByRole("button", { name: "New campaign" }).click()
      await page.getByRole("button", { name: "Create" }).click()
      assert.deepStrictEqual(await barriers(page), [], `new campaign, ${colorScheme}`)
      await page.keyboard.press("Escape")
    }
    assert.strictEqual(await page.evaluate("getComputedStyle(document.querySelector('.beacon')).animationName"), "none")
    assert.deepStrictEqual(shown.complaints, [])
  })

  it("fits a phone of 360 pixels without sideways scrolling, in both languages", async () => {
    const shown = await open({ viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true })
    const { page, sluice } = shown
    await furnish(shown)
    await signIn(page)
    for (const language of ["English", "한국어"]) {
      await page.getByRole("combobox").first().selectOption({ label: language })
      for (const view of views) {
        await go(page, sluice.url, view)
        assert.isAtMost(await sidewaysBy(page), 0, `${view}, ${language}`)
      }
      await go(page, sluice.url, "campaigns")
      await page.getByRole("main").getByRole("button").first().click()
      await page.getByRole("dialog").waitFor()
      assert.isAtMost(await sidewaysBy(page), 0, `a dialog, ${language}`)
      await page.keyboard.press("Escape")
    }
  })

  it("speaks Korean to who reads Korean, keeps a choice of language and colours, and no key", async () => {
    const { page, sluice } = await open({ locale: "ko-KR", colorScheme: "light" })
    await create(sluice.url, { id: "spring", name: "봄 세일", stock: 1_234_567 })
    await page.getByRole("heading", { level: 1, name: "캠페인" }).waitFor()
    assert.strictEqual(await page.locator("html").getAttribute("lang"), "ko")
    await signIn(page, { signIn: "로그인", key: "관리자 키" })
    await page.getByRole("heading", { name: "봄 세일" }).click()
    await page.getByRole("img", { name: "전체 수량 1,234,567: 발급됨 0, 발급 중 0, 실패 0, 남음 1,234,567" }).waitFor()
    await page.getByRole("main").getByText("일시 정지", { exact: true }).waitFor()
    const background = () => page.evaluate<string>("getComputedStyle(document.documentElement).backgroundColor")
    const light = await background()
    await page.getByLabel("어둡게").check({ force: true })
    assert.notStrictEqual(await background(), light)
    await page.getByLabel("언어").selectOption("en")
    await page.reload()
    await page.getByRole("button", { name: "Sign in" }).waitFor()
    assert.strictEqual(await page.locator("html").getAttribute("lang"), "en")
    assert.notStrictEqual(await background(), light)
    const kept = await page.evaluate<string>("JSON.stringify({ ...localStorage, ...sessionStorage }) + document.cookie")
    assert.strictEqual(kept, '{"sluice.theme":"dark","sluice.language":"en"}')
  })
})

/** The images of README.md: `SLUICE_SCREENSHOTS=1 npx vitest run --config vitest.workspace.ts --project browser console-looks`. */
const wanted = process.env.SLUICE_SCREENSHOTS === "1"

describe.runIf(wanted)("the images of the console", () => {
  it("are made", async () => {
    const folder = fileURLToPath(new URL("../../../docs/images/", import.meta.url))
    mkdirSync(folder, { recursive: true })
    const shown = await open({ colorScheme: "light" })
    const { page, sluice } = shown
    await create(sluice.url, { id: "spring-sale", name: "Spring sale", stock: 4000, ratePerSecond: 60 })
    await create(sluice.url, { id: "sneakers", name: "Sneakers, limited", stock: 500, ratePerSecond: 20 })
    await create(sluice.url, { id: "winter", name: "Winter clearance", stock: 50, paused: false })
    await create(sluice.url, { id: "summer", name: "Summer preview", stock: 20_000, opensAt: "2030-06-01T10:00:00Z" })
    await join([sluice.url], "winter", 60, "w")
    await join([sluice.url], "sneakers", 300, "s")
    await signIn(page)
    await call(`${sluice.url}/campaigns/sneakers`, "PATCH", { paused: false }, true)
    await call(`${sluice.url}/campaigns/spring-sale`, "PATCH", { paused: false }, true)
    await call(`${sluice.url}/crowds`, "POST", { campaignId: "spring-sale", users: 4000, seconds: 40 }, true)
    await page.goto(`${sluice.url}/#/campaigns/spring-sale`)
    await page.waitForTimeout(29_000)
    await page.screenshot({ path: `${folder}console.png` })
    await page.setViewportSize({ width: 360, height: 740 })
    await page.waitForTimeout(1000)
    await page.screenshot({ path: `${folder}console-phone.png` })
    await page.setViewportSize({ width: 1280, height: 800 })
    await page.emulateMedia({ colorScheme: "dark" })
    await page.goto(`${sluice.url}/#/campaigns`)
    await page.waitForTimeout(1500)
    await page.mouse.move(0, 0)
    await page.evaluate("document.activeElement.blur()")
    await page.screenshot({ path: `${folder}console-dark.png` })
  })
})
