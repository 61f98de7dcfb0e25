/** The whole of Sluice on the embedded engines in this process, put to use once, and what stands in the files beside the code. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { fileURLToPath } from "node:url"
import { Effect, Layer, Schedule } from "effect"
import { HttpAddress } from "../src/http/Server.ts"
import * as Serving from "../src/Serving.ts"
import { readSettings } from "../src/Settings.ts"
import { adminKey, asAdmin, post, send } from "./http-testing.ts"

export const root = fileURLToPath(new URL("../../..", import.meta.url))
export const fileAt = (path: string): string => readFileSync(join(root, path), "utf8")

const dataFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "sluice-operations-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** Every role, at a port of its own. */
export const serveAll = Effect.fnUntraced(function* (env: Readonly<Record<string, string>> = {}) {
  const dataDir = yield* dataFolder
  const settings = yield* readSettings({
    SLUICE_DATA_DIR: dataDir,
    SLUICE_PORT: "0",
    SLUICE_ADMIN_KEY: adminKey,
    SLUICE_LOG_LEVEL: "Error",
    ...env
  })
  const context = yield* Layer.build(Serving.layer(settings))
  const { url } = Effect.runSync(Effect.provideContext(HttpAddress, context))
  return { url, dataDir }
})

export const until = <A, E>(ask: Effect.Effect<A, E>, holds: (answer: A) => boolean) =>
  Effect.repeat(ask, { until: holds, schedule: Schedule.spaced("20 millis") })

/** A coupon won, an order placed, paid and seen, two rows loaded and one refused. */
export const useOnce = Effect.fnUntraced(function* ({ dataDir, url }: { readonly url: string; readonly dataDir: string }) {
  const admin = (method: string, path: string, body: unknown) =>
    send(`${url}${path}`, {
      method,
      body: JSON.stringify(body),
      headers: { ...asAdmin, "content-type": "application/json" }
    })
  yield* admin("POST", "/campaigns", { id: "sale", name: "Sale", stock: 5, ratePerSecond: 100 })
  const { json } = yield* post(`${url}/campaigns/sale/tickets`, { userId: "u1" })
  yield* until(send(`${url}/campaigns/sale/tickets/${json.ticket}`), (answer) => answer.json.state === "issued")

  yield* admin("PUT", "/customers/c1", {
    name: "Ann",
    level: "gold",
    address: { street: "Road 1", city: "Town", zipcode: "12345" }
  })
  yield* admin("PUT", "/products/p1", { name: "Pot", category: "Kitchen", price: 100 })
  const order = yield* post(`${url}/orders`, { customerId: "c1", lines: [{ productId: "p1", quantity: 1 }] })
  yield* send(`${url}/orders/${order.json.orderId}/pay`, { method: "POST" })
  yield* until(send(`${url}/orders/${order.json.orderId}`), (answer) => answer.json.state === "paid")

  const db = new DatabaseSync(join(dataDir, "sluice.db"), { timeout: 5000 })
  db.exec("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL, n INT)")
  db.close()
  yield* send(`${url}/loads?table=people&job=one&maxRejects=10`, {
    method: "POST",
    body: "name,n\na,1\nb,2\nc,many\n",
    headers: { ...asAdmin, "content-type": "text/csv" }
  })
  yield* until(send(`${url}/loads/one`, { headers: asAdmin }), (answer) => answer.json.state !== "running")
})

/** Whoever reads a figure must not make a second one of its name. */
const readAll = (url: string) => send(`${url}/overview`, { headers: asAdmin })

export const scrape = (url: string) => Effect.map(send(`${url}/metrics`), ({ text }) => text)

/** Everything put to use, and then what `/metrics` says once each figure has been looked at. */
export const scrapeAfterUse = Effect.gen(function* () {
  const sluice = yield* serveAll()
  yield* useOnce(sluice)
  yield* readAll(sluice.url)
  return yield* until(scrape(sluice.url), (text) => text.includes('sluice_campaign_coupons{campaign="sale",state="issued"} 1'))
})

export interface Family {
  readonly name: string
  readonly type: string
  readonly help: string | undefined
  readonly labels: ReadonlySet<string>
}

/** The families of Prometheus' text format. */
export const familiesOf = (text: string): ReadonlyMap<string, Family> => {
  const help = new Map([...text.matchAll(/^# HELP (\S+) (.*)$/gm)].map(([, name, words]) => [name!, words!]))
  return new Map(
    [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => {
      const series = new RegExp(`^${name}(?:_bucket|_sum|_count|_min|_max)?(?:\\{(.*)\\})? \\S+$`, "gm")
      const labels = [...text.matchAll(series)].flatMap(([, inner = ""]) =>
        [...inner.matchAll(/(\w+)="/g)].map(([, label]) => label!)
      )
      return [name!, { name: name!, type: type!, help: help.get(name!), labels: new Set(labels) }]
    })
  )
}
