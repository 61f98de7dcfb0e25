import { join } from "@sluice/testkit/crowd"
import { adminKey, call } from "@sluice/testkit/processes"
import type { Page } from "playwright-core"
import { assert, describe, it } from "vitest"
import { confirmed, create, deadLetter, inDatabase, open, place, signIn, start, view, withBrowser } from "./console-kit.ts"

withBrowser()

const main = (page: Page) => page.getByRole("main")

/** The number beside its name in the first list that has it. */
const figure = (page: Page, name: string, value: string) =>
  main(page).locator(".figure, .legend > div").filter({ hasText: name }).getByText(value, { exact: true }).first().waitFor()

const state = (page: Page, word: string) => main(page).locator(".state").getByText(word, { exact: true }).first().waitFor()

const heading = (page: Page, name: string) => main(page).getByRole("heading", { level: 1, name, exact: true }).waitFor()

const cell = (page: Page, row: string, name: string) =>
  main(page).getByRole("row", { name: row }).getByRole("cell", { name, exact: true }).waitFor()

/** Sends rows until the server has enough of them. */
const uploadWithoutEnd = async (url: string) => {
  let id = 0
  const rows = () => Array.from({ length: 2000 }, () => `${++id},somebody\n`).join("")
  const body = new ReadableStream({
    pull: async (controller) => {
      await new Promise((resolve) => setTimeout(resolve, 20))
      controller.enqueue(new TextEncoder().encode(id === 0 ? `id,name\n${rows()}` : rows()))
    }
  })
  const headers = { authorization: `Bearer ${adminKey}`, "content-type": "text/csv" }
  const request: RequestInit & { readonly duplex: "half" } = { method: "POST", headers, body, duplex: "half" }
  await fetch(url, request).then(
    ({ status }) => assert.strictEqual(status, 422),
    // The server closed the connection under the rows that were still on their way.
    () => undefined
  )
}

describe("a campaign in the hands of an operator", () => {
  it("is created, opened, sent a crowd, made faster, given more stock and closed, and each change is in the audit log", async () => {
    const { complaints, page, sluice } = await open()
    await page.getByText("There is no campaign yet.").waitFor()
    assert.strictEqual(await page.getByRole("button", { name: "New campaign" }).count(), 0)

    await page.getByRole("button", { name: "Sign in" }).click()
    await page.getByLabel("Admin key").fill("not-the-admin-key-of-this-server-at-all-")
    await page.keyboard.press("Enter")
    await page.getByText("The server does not take this key.").waitFor()
    await page.getByLabel("Admin key").fill(adminKey)
    await page.keyboard.press("Enter")

    await page.getByRole("button", { name: "New campaign" }).click()
    const form = page.getByRole("dialog")
    await form.getByRole("button", { name: "Create" }).click()
    assert.strictEqual(await form.getByText("This is needed.").count(), 4)
    await create(sluice.url, { id: "taken", name: "Another" })
    await form.getByLabel("Name").fill("<i>Spring</i> sale")
    await form.getByLabel("Id").fill("taken")
    await form.getByLabel("Stock").fill("50")
    await form.getByLabel("Admitted per second, at most").fill("30")
    await form.getByRole("button", { name: "Create" }).click()
    await form.getByText("The id taken is taken.").waitFor()
    assert.strictEqual(await form.getByLabel("Id").getAttribute("aria-invalid"), "true")
    await form.getByLabel("Id").fill("spring")
    await form.getByRole("button", { name: "Create" }).click()

    await heading(page, "<i>Spring</i> sale")
    await state(page, "Paused")
    const waitingPage = page.getByRole("link", { name: "Waiting page" })
    assert.strictEqual(await waitingPage.getAttribute("href"), "/campaigns/spring/wait")

    await confirmed(page, "Open")
    await state(page, "Open")
    const slider = page.getByRole("slider", { name: "Admission rate" })
    await slider.focus()
    await page.keyboard.press("ArrowRight")
    assert.strictEqual(await page.getByLabel("Users a second").inputValue(), "50")
    await page.getByLabel("Users a second").fill("25")
    await confirmed(page, "Change the rate")
    await page.getByRole("img", { name: /^Admitted per second: / }).waitFor()
    await main(page).locator(".now", { hasText: "/ 25" }).waitFor()

    await page.getByRole("button", { name: "Send a crowd" }).click()
    await page.getByRole("dialog").getByLabel("Users", { exact: true }).fill("70")
    await page.getByRole("dialog").getByLabel("All arrive within, seconds").fill("2")
    await page.getByRole("dialog").getByRole("button", { name: "Send", exact: true }).click()
    await state(page, "Running")
    await state(page, "Sold out")
    await state(page, "Done")
    await figure(page, "Too late", "20")
    await main(page).getByText("The promises, as this crowd saw them").click()
    assert.isAbove(await main(page).getByText("Kept", { exact: true }).count(), 2)

    await main(page).getByRole("button", { name: "Add stock" }).click()
    await page.getByRole("dialog").getByLabel("Coupons to add").fill("10")
    await page.getByRole("dialog").locator(".change", { hasText: "60" }).waitFor()
    await page.getByRole("dialog").getByRole("button", { name: "Add stock" }).click()
    await main(page).getByRole("heading", { name: "Stock 60" }).waitFor()
    await confirmed(page, "Reconcile")
    await page.getByText("Differences found: 0, mended: 0.").waitFor()
    await confirmed(page, "Close campaign")
    await state(page, "Closed")
    await figure(page, "Issued", "60")

    const { body } = await call(`${sluice.url}/campaigns/spring`)
    assert.deepInclude(body, { state: "closed", stock: 60, issued: 60, remaining: 0, ratePerSecond: 25 })

    await view(page, "Audit log")
    await heading(page, "Audit log")
    const rows = main(page).getByRole("row").filter({ hasText: "spring" })
    await rows.filter({ hasText: "campaign.reconcile" }).waitFor()
    const told = (await rows.allInnerTexts()).map((text) => text.replace(/\s+/g, " "))
    for (const one of [
      /paused true → false/,
      /ratePerSecond 30 → 25/,
      /stock 50 → 60/,
      /crowd\.start.* users 70/,
      /campaign\.create/
    ])
      assert.isTrue(
        told.some((text) => one.test(text)),
        `${one} in ${told.join("\n")}`
      )
    assert.deepStrictEqual(complaints, [])
  })
})

describe("everything else in the hands of an operator", () => {
  it("looks up orders, uploads rows, and brings dead letters back", async () => {
    const { complaints, dataDir, page, sluice } = await open()
    const orderId = await place(sluice.url, "first")
    inDatabase(dataDir, (database) => database.exec("CREATE TABLE visitors (id INTEGER PRIMARY KEY, name TEXT NOT NULL)"))
    deadLetter(dataDir, "<b>somebody</b>")
    await view(page, "Orders")
    await page.getByText("This view is for operators.").waitFor()
    await signIn(page)

    await cell(page, "Projector of the view", "0")
    await figure(page, "Placed since the start", "1")
    await page.getByLabel("Order id").fill(orderId)
    await page.getByRole("button", { name: "Find" }).click()
    await main(page).getByText("Ada Lovelace").waitFor()
    await main(page).getByText("3,750").waitFor()
    await page.getByLabel("Look up by").selectOption({ label: "Customer id" })
    await page.getByLabel("Customer id").fill("ada")
    await page.getByRole("button", { name: "Find" }).click()
    await cell(page, "Green tea", "1,250")
    await page.getByLabel("Look up by").selectOption({ label: "Order id" })
    await page.getByLabel("Order id").fill("nobody-s")
    await page.getByRole("button", { name: "Find" }).click()
    await main(page).getByText("There is no order nobody-s.").waitFor()
    await page.getByRole("button", { name: "Verify" }).click()
    await main(page).getByText("Both sides are equal.").waitFor()
    await page.getByLabel("Compare").selectOption({ label: "All orders" })
    await page.getByRole("button", { name: "Verify" }).click()
    await figure(page, "Compared", "1")
    await confirmed(page, "Build anew")
    await figure(page, "Generation", "1")
    await figure(page, "Former", "0")
    await confirmed(page, "Go back")
    await figure(page, "Generation", "0")

    await view(page, "Loads")
    await main(page).getByText("There was no load yet.").waitFor()
    await page.getByRole("button", { name: "Upload" }).click()
    await main(page).getByText("Choose a file first.").waitFor()
    const rows = ["id,name", ...Array.from({ length: 500 }, (_, i) => `${i + 1},visitor ${i + 1}`), "x,<u>broken</u>"]
    const file = { name: "visitors.csv", mimeType: "text/csv", buffer: Buffer.from(rows.join("\n")) }
    await page.getByLabel("Choose a file").setInputFiles(file)
    await main(page)
      .getByText(/^visitors\.csv, /)
      .waitFor()
    await page.getByLabel("Table").fill("visitors")
    await page.getByLabel("Job").fill("first-load")
    await page.getByLabel("Rejects allowed").fill("1")
    await confirmed(page, "Upload")
    await cell(page, "first-load", "Done")
    await cell(page, "first-load", "500")
    await page.getByRole("button", { name: "Rejects of first-load" }).click()
    await page.getByRole("dialog").getByText("x,<u>broken</u>").waitFor()
    await page.keyboard.press("Escape")
    await page.getByRole("dialog").waitFor({ state: "detached" })
    const stored = inDatabase(dataDir, (database) => database.prepare("SELECT count(*) AS n FROM visitors").get())
    assert.strictEqual(stored?.n, 500)

    await view(page, "Dead letters")
    await main(page).getByText("<b>somebody</b>").click()
    await main(page).getByText("{broken").waitFor()
    await confirmed(page, "Replay")
    await page.getByText("Replayed: 1. Left: ").waitFor()

    await view(page, "System")
    await main(page).getByText("sqlite").waitFor()
    await state(page, "Ready")
    assert.deepStrictEqual(complaints, [])
  })

  it("cancels a load, takes a file that is dropped, and shows what the server refuses", async () => {
    const { dataDir, page, sluice } = await open()
    inDatabase(dataDir, (database) => database.exec("CREATE TABLE visitors (id INTEGER PRIMARY KEY, name TEXT NOT NULL)"))
    await signIn(page)
    await view(page, "Loads")
    const endless = uploadWithoutEnd(`${sluice.url}/loads?table=visitors&job=endless`)
    await main(page).getByRole("row", { name: "endless" }).getByText("Running").waitFor()
    await page.getByRole("button", { name: "Cancel endless" }).click()
    await page.getByRole("dialog").getByRole("button", { name: "Cancel endless" }).click()
    await cell(page, "endless", "Cancelled")
    await endless
    const dropped = await page.evaluateHandle(
      "(() => { const data = new DataTransfer(); data.items.add(new File(['id\\n1\\n'], 'few.csv')); return data })()"
    )
    await main(page).getByText("Drop a CSV or NDJSON file here").dispatchEvent("drop", { dataTransfer: dropped })
    await main(page)
      .getByText(/^few\.csv, /)
      .waitFor()
    await page.getByLabel("Table").fill("nowhere")
    await confirmed(page, "Upload")
    await page.getByRole("alert").getByText("nowhere").waitFor()
  })
})

describe("the console and its server", () => {
  it("says when the server is away, goes on when it is back, and shows every text as a text", async () => {
    const { complaints, page, sluice } = await open()
    await create(sluice.url, { id: "live", name: "<b>Live</b>", stock: 10 })
    await join([sluice.url], "live", 25)
    await page.getByRole("heading", { name: "<b>Live</b>" }).click()
    await heading(page, "<b>Live</b>")
    await signIn(page)
    await page.getByRole("img", { name: "Waiting: 25 now" }).waitFor()
    await sluice.kill()
    await page.getByRole("status").filter({ hasText: "Not live: shown as of" }).waitFor()
    const again = await start(Number(new URL(sluice.url).port))
    await page
      .getByRole("status")
      .filter({ hasText: /^Live$/ })
      .waitFor()
    await confirmed(page, "Open")
    await state(page, "Sold out")
    await figure(page, "Issued", "10")
    await page.getByRole("img", { name: "Stock 10: Issued 10, Issuing 0, Dead 0, Remaining 0" }).waitFor()
    assert.deepInclude((await call(`${again.url}/campaigns/live`)).body, { issued: 10, remaining: 0 })
    assert.deepStrictEqual(complaints, [])
  })

  it("asks nothing while nobody sees it, and goes on when somebody does", async () => {
    const { page, sluice } = await open()
    await page.getByText("There is no campaign yet.").waitFor()
    let asked = 0
    page.on("request", () => asked++)
    const become = (hidden: boolean) =>
      page.evaluate(
        `Object.defineProperty(document, "hidden", { value: ${hidden}, configurable: true }); document.dispatchEvent(new Event("visibilitychange"))`
      )
    await become(true)
    await create(sluice.url, { id: "new", name: "Made meanwhile" })
    await page.waitForTimeout(2500)
    assert.strictEqual(asked, 0)
    await become(false)
    await page.getByRole("heading", { name: "Made meanwhile" }).waitFor()
  })

  it("signs out when the server no longer takes the key", async () => {
    const { page, sluice } = await open()
    await signIn(page)
    await view(page, "Audit log")
    await page.route("**/audit?*", (route) =>
      route.fulfill({ status: 401, contentType: "application/problem+json", body: '{"code":"unauthorized","detail":"No."}' })
    )
    await page.getByRole("dialog").getByText("Sign in again").waitFor()
    assert.strictEqual((await call(`${sluice.url}/health/live`)).status, 200)
  })
})

describe("the console with the keyboard alone", () => {
  it("signs in, creates a campaign and opens it, and every dialog gives the focus back", async () => {
    const { page, sluice } = await open()
    await page.getByText("There is no campaign yet.").waitFor()
    const focused = () => page.evaluate<string>("document.activeElement.textContent.trim()")
    const tabTo = async (text: string) => {
      for (let i = 0; i < 40 && (await focused()) !== text; i++) await page.keyboard.press("Tab")
      assert.strictEqual(await focused(), text)
    }
    await page.keyboard.press("Tab")
    assert.strictEqual(await focused(), "Skip to the content")
    await tabTo("Sign in")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Escape")
    await page.getByRole("dialog").waitFor({ state: "detached" })
    assert.strictEqual(await focused(), "Sign in")
    await page.keyboard.press("Enter")
    await page.keyboard.type(adminKey)
    await page.keyboard.press("Enter")
    await page.getByRole("button", { name: "Sign out" }).waitFor()
    await tabTo("New campaign")
    await page.keyboard.press("Space")
    await page.getByRole("dialog").waitFor()
    for (const text of ["By keyboard", "keys", "5", "100"]) {
      await page.keyboard.type(text)
      await page.keyboard.press("Tab")
    }
    await tabTo("Create")
    await page.keyboard.press("Enter")
    await heading(page, "By keyboard")
    assert.strictEqual(await focused(), "By keyboard")
    await tabTo("Open")
    await page.keyboard.press("Enter")
    await page.getByRole("dialog", { name: "Open the campaign?" }).waitFor()
    await tabTo("Open")
    await page.keyboard.press("Enter")
    await state(page, "Open")
    assert.deepInclude((await call(`${sluice.url}/campaigns/keys`)).body, { state: "open", stock: 5, ratePerSecond: 100 })
  })
})
