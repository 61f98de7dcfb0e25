import { Api } from "@sluice/app/http/Api"
import { makeClient } from "@sluice/client"
import { OpenApi } from "effect/http-api"
import { assert, describe, it } from "vitest"

/** What monitoring asks, and nobody else. */
const ofMonitoring = ["GET /health/live", "GET /health/ready", "GET /metrics"]

const address = { street: "s", city: "c", zipcode: "z" }

describe("the client and the API", () => {
  it("has a call for each endpoint, and asks for nothing that is none", async () => {
    const asked = new Set<string>()
    const fetch: typeof globalThis.fetch = async (url, init) => {
      const path = new URL(String(url)).pathname.split("/").map((segment) => (segment.startsWith("_") ? "{}" : segment))
      asked.add(`${init?.method} ${path.join("/")}`)
      return new Response(url.toString().endsWith("/events") ? 'data: {"state":"closed"}\n\n' : '{"orders":[],"nextCursor":null}')
    }
    const { admin, campaigns, coupons, customers, orders, tickets } = makeClient({ baseUrl: "http://sluice", fetch })
    await Promise.all([
      campaigns.list(),
      campaigns.get("_"),
      campaigns.watch("_").next(),
      tickets.join("_", "u"),
      tickets.look("_", "_"),
      tickets.watch("_", "_").next(),
      tickets.leave("_", "_"),
      coupons("_"),
      orders.place({ customerId: "c", lines: [{ productId: "p", quantity: 1 }] }),
      orders.pay("_"),
      orders.ship("_"),
      orders.cancel("_"),
      orders.get("_"),
      customers.page("_"),
      customers.orders("_").next(),
      admin.campaigns.create({ id: "c", name: "c", stock: 1, ratePerSecond: 1 }),
      admin.campaigns.change("_", { paused: true }),
      admin.campaigns.reconcile("_"),
      admin.putCustomer("_", { name: "n", level: "l", address }),
      admin.putProduct("_", { name: "n", category: "c", price: 1 }),
      admin.orders.verify(),
      admin.orders.generations(),
      admin.orders.rebuild(),
      admin.orders.back(),
      admin.orders.drop(),
      admin.deadLetters.list(),
      admin.deadLetters.replay(),
      admin.loads.list(),
      admin.loads.get("_"),
      admin.loads.rejects("_"),
      admin.loads.watch("_").next(),
      admin.loads.cancel("_"),
      admin.loads.upload("a\n1\n", { table: "t", format: "csv" }),
      admin.crowds.start({ campaignId: "c", users: 1 }),
      admin.crowds.list(),
      admin.crowds.get("_"),
      admin.crowds.watch("_").next(),
      admin.crowds.stop("_"),
      admin.lag(),
      admin.overview(),
      admin.watchOverview().next(),
      admin.audit()
    ])
    const endpoints = Object.entries(OpenApi.fromApi(Api).paths).flatMap(([path, methods]) =>
      Object.keys(methods ?? {}).map((method) => `${method.toUpperCase()} ${path.replaceAll(/\{\w+\}/g, "{}")}`)
    )
    assert.deepStrictEqual([...asked].sort(), endpoints.filter((endpoint) => !ofMonitoring.includes(endpoint)).sort())
  })
})
