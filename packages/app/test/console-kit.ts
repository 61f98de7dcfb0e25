/** The console in the real Chromium, as an operator has it before the eyes. What the page or its browser complains about is an error. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { adminKey, call, type SluiceProcess, startSluice } from "@sluice/testkit/processes"
import axe from "axe-core"
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core"
import { afterAll, afterEach, assert, beforeAll, beforeEach } from "vitest"

export interface Console {
  readonly sluice: SluiceProcess
  readonly page: Page
  readonly dataDir: string
  /** What was complained about, but for answers that did not come while the server was away. */
  readonly complaints: ReadonlyArray<string>
}

let browser: Browser
let dataDir: string
const started: Array<SluiceProcess> = []

/** One browser for the tests of a file, and a data folder and a page for each. */
export const withBrowser = () => {
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] })
  })
  afterAll(() => browser.close())
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), "sluice-console-"))
  })
  afterEach(async () => {
    await Promise.all(browser.contexts().map((context) => context.close()))
    await Promise.all(started.splice(0).map((sluice) => sluice.kill()))
    rmSync(dataDir, { recursive: true, force: true })
  })
}

export const start = async (port?: number) => {
  const sluice = await startSluice({ env: { SLUICE_DATA_DIR: dataDir }, ...(port === undefined ? {} : { port }) })
  started.push(sluice)
  return sluice
}

const complains = /Failed to load resource|net::ERR_/

export const open = async (options: BrowserContextOptions = {}, running?: SluiceProcess): Promise<Console> => {
  const sluice = running ?? (await start())
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "en-US", ...options })
  const page = await context.newPage()
  page.setDefaultTimeout(20_000)
  const complaints: Array<string> = []
  page.on("pageerror", (error) => complaints.push(error.message))
  page.on("console", (message) => {
    if (message.type() === "error" && !complains.test(message.text())) complaints.push(message.text())
  })
  await page.goto(sluice.url)
  return { sluice, page, dataDir, complaints }
}

export const signIn = async (page: Page, words = { signIn: "Sign in", key: "Admin key" }) => {
  await page.getByRole("button", { name: words.signIn }).first().click()
  await page.getByLabel(words.key).fill(adminKey)
  await page.keyboard.press("Enter")
  await page.getByRole("dialog").waitFor({ state: "detached" })
}

export const view = (page: Page, name: string) => page.getByRole("navigation").getByRole("link", { name }).click()

/** Presses the button, and then the same word in the dialog that asks. */
export const confirmed = async (page: Page, name: string, answer = name) => {
  await page.getByRole("main").getByRole("button", { name, exact: true }).click()
  await page.getByRole("dialog").getByRole("button", { name: answer, exact: true }).click()
  await page.getByRole("dialog").waitFor({ state: "detached" })
}

export const create = async (url: string, campaign: Readonly<Record<string, unknown>>) => {
  const whole = { stock: 100, ratePerSecond: 500, paused: true, ...campaign }
  assert.strictEqual((await call(`${url}/campaigns`, "POST", whole, true)).status, 201)
}

export const place = async (url: string, key: string) => {
  const customer = { name: "Ada Lovelace", level: "gold", address: { street: "Crescent 1", city: "London", zipcode: "N1" } }
  await call(`${url}/customers/ada`, "PUT", customer, true)
  await call(`${url}/products/tea`, "PUT", { name: "Green tea", category: "drinks", price: 1250 }, true)
  const answer = await fetch(`${url}/orders`, {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": key },
    body: JSON.stringify({ customerId: "ada", lines: [{ productId: "tea", quantity: 3 }] })
  })
  assert.strictEqual(answer.status, 201)
  return ((await answer.json()) as { readonly orderId: string }).orderId
}

/** As another program would, behind the back of the server. */
export const inDatabase = <A>(folder: string, run: (database: DatabaseSync) => A): A => {
  const database = new DatabaseSync(join(folder, "sluice.db"), { timeout: 10_000 })
  try {
    return run(database)
  } finally {
    database.close()
  }
}

export const deadLetter = (folder: string, key: string) =>
  inDatabase(folder, (database) =>
    database
      .prepare("INSERT INTO log_events (topic, key, value, headers, at_ms) VALUES ('sluice.wins', ?, '{broken', '{}', ?)")
      .run(key, Date.now())
  )

/** What axe finds that keeps people out. */
export const barriers = async (page: Page): Promise<ReadonlyArray<string>> => {
  await page.evaluate(axe.source)
  const found: ReadonlyArray<{ readonly id: string; readonly impact: string; readonly nodes: ReadonlyArray<{ html: string }> }> =
    await page.evaluate("axe.run().then(({ violations }) => violations)")
  return found
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" | ")}`)
}

export const sidewaysBy = (page: Page): Promise<number> =>
  page.evaluate<number>("document.documentElement.scrollWidth - document.documentElement.clientWidth")
