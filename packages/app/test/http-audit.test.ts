import { assert, describe, it } from "@effect/vitest"
import { CampaignAdmin } from "@sluice/coupons"
import { Effect, Layer } from "effect"
import type { Change } from "../src/audit/AuditLog.ts"
import { Api } from "../src/http/Api.ts"
import { Audited, rules } from "../src/http/Audited.ts"
import { Admin } from "../src/http/Identity.ts"
import { HttpAddress, layer } from "../src/http/Server.ts"
import { adminKey, asAdmin, layerFakes, makeFakes, raw, send, serve, testOptions } from "./http-testing.ts"

const json = { "content-type": "application/json" }
const csv = { "content-type": "text/csv" }
const profile = { name: "Ada Byron", level: "gold", address: { street: "12 Square", city: "London", zipcode: "SW1Y" } }

type Call = readonly [method: string, path: string, body?: unknown, headers?: Record<string, string>]

const ask = (url: string, [method, path, body, headers = {}]: Call, key: Record<string, string> = asAdmin) =>
  send(url + path, {
    method,
    headers: { ...(body === undefined ? {} : json), ...key, ...headers },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) })
  })

const done = (action: string, target: string, change: Change["change"], outcome = "done"): Change => ({
  actor: "127.0.0.1",
  action,
  target,
  change,
  outcome
})

const sale = { id: "new", name: "New", stock: 5, ratePerSecond: 1 }

const changes: ReadonlyArray<readonly [call: Call, entry: Change]> = [
  [["POST", "/campaigns", sale], done("campaign.create", "new", sale)],
  [
    ["PATCH", "/campaigns/sale", { ratePerSecond: 7, paused: true, closesAt: "2036-11-24T12:00:00Z" }],
    done("campaign.change", "sale", {
      ratePerSecond: { before: 100, after: 7 },
      paused: { before: false, after: true },
      closesAt: { before: null, after: "2036-11-24T12:00:00Z" }
    })
  ],
  [["POST", "/campaigns/sale/reconcile"], done("campaign.reconcile", "sale", {})],
  [["PUT", "/customers/c1", profile], done("customer.put", "c1", { level: "gold" })],
  [
    ["PUT", "/products/p1", { name: "Tea", category: "tea", price: 5 }],
    done("product.put", "p1", { name: "Tea", category: "tea", price: 5 })
  ],
  [
    ["POST", "/loads?table=users&job=j1&maxRejects=3", "a\n1\n", csv],
    done("load.start", "j1", { table: "users", job: "j1", maxRejects: "3" })
  ],
  [["DELETE", "/loads/j1"], done("load.cancel", "j1", {}, "load_not_found")],
  [
    ["POST", "/admin/dead-letters/replay?topic=sluice.orders&limit=5"],
    done("dead_letters.replay", "sluice.orders", { topic: "sluice.orders", limit: "5" })
  ],
  [["POST", "/admin/dead-letters/replay"], done("dead_letters.replay", "sluice.wins", {})],
  [["POST", "/admin/orders/verify?repair=true"], done("orders.repair", "orders", { repair: "true" })],
  [["DELETE", "/crowds/0123456789abcdef"], done("crowd.stop", "0123456789abcdef", {}, "crowd_not_found")],
  [
    ["POST", "/campaigns", { ...sale, id: "taken" }],
    done("campaign.create", "taken", { ...sale, id: "taken" }, "campaign_exists")
  ],
  [
    ["PATCH", "/campaigns/sale", { stock: 1 }],
    done("campaign.change", "sale", { stock: { before: 10, after: 1 } }, "change_refused")
  ],
  [["PATCH", "/campaigns/unknown", { paused: true }], done("campaign.change", "unknown", { paused: true }, "campaign_not_found")]
]

describe("what an admin changes", () => {
  for (const [call, entry] of changes) {
    it.live(`is written down: ${entry.action} of ${entry.target}, ${entry.outcome}`, () =>
      Effect.gen(function* () {
        const fakes = makeFakes()
        const { url } = yield* serve(fakes)
        const { status } = yield* ask(url, call)
        assert.strictEqual(status < 300, entry.outcome === "done")
        assert.deepStrictEqual(fakes.audited, [entry])
      }).pipe(Effect.scoped)
    )
  }

  it.live("is written down whatever it is: every such endpoint stands behind the audit and has a name in it", () =>
    Effect.sync(() => {
      const unnamed = []
      for (const group of Object.values(Api.groups)) {
        for (const endpoint of Object.values(group.endpoints)) {
          if (endpoint.method === "GET" || !endpoint.middlewares.has(Admin)) continue
          const name = `${group.identifier}.${endpoint.identifier}`
          if (!endpoint.middlewares.has(Audited) || rules[name] === undefined) unnamed.push(name)
        }
      }
      assert.deepStrictEqual(unnamed, [])
    })
  )

  it.live("is not written down where it was no valid request, had no key, or only looked", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const { url } = yield* serve(fakes)
      const refused: ReadonlyArray<Call> = [
        ["POST", "/campaigns", { ...sale, stock: 0 }],
        ["POST", "/campaigns", "{"],
        ["POST", "/campaigns", "x".repeat(20_000)],
        ["POST", "/campaigns", sale, { "content-type": "text/plain" }],
        ["PATCH", "/campaigns/a%20b", { paused: true }],
        ["POST", "/admin/dead-letters/replay?limit=x"],
        ["POST", "/loads?table=users", "a\n1\n", { "content-type": "text/plain" }],
        ["DELETE", "/crowds/nonsense"]
      ]
      for (const call of refused) assert.include([400, 413, 415], (yield* ask(url, call)).status, call[1])
      for (const [call] of changes) assert.strictEqual((yield* ask(url, call, {})).status, 401)
      const looks = ["/audit", "/lag", "/loads", "/crowds", "/overview", "/admin/dead-letters"]
      for (const path of looks) assert.strictEqual((yield* ask(url, ["GET", path])).status, 200)
      assert.strictEqual((yield* ask(url, ["POST", "/admin/orders/verify"])).status, 200)
      assert.deepStrictEqual(fakes.audited, [])
    }).pipe(Effect.scoped)
  )

  it.live("is told of the client that a trusted proxy names, and of nobody whom it does not", () =>
    Effect.gen(function* () {
      const forwarded = { "x-forwarded-for": "6.6.6.6, 203.0.113.9" }
      for (const [trustedProxies, actor] of [
        [["127.0.0.1"], "203.0.113.9"],
        [[], "127.0.0.1"]
      ] as const) {
        const fakes = makeFakes()
        const { url } = yield* serve(fakes, { trustedProxies })
        yield* ask(url, ["PATCH", "/campaigns/sale", { paused: true }, forwarded])
        assert.deepStrictEqual(
          fakes.audited.map((entry) => entry.actor),
          [actor]
        )
      }
    }).pipe(Effect.scoped)
  )

  it.live("never tells the admin key, wherever somebody wrote it", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const { url } = yield* serve(fakes)
      yield* ask(url, ["POST", "/campaigns", { ...sale, id: adminKey, name: `key ${adminKey}` }])
      yield* ask(url, ["POST", `/loads?table=t&columns=${adminKey}`, "a\n1\n", csv])
      assert.strictEqual(fakes.audited.length, 2)
      assert.notInclude(JSON.stringify(fakes.audited), adminKey)
      assert.strictEqual(fakes.audited[0]!.change.name, "key [the admin key]")
    }).pipe(Effect.scoped)
  )

  it.live("is written down as unknown where the client went before the answer", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const begun = Promise.withResolvers<void>()
      const admin = Layer.effect(
        CampaignAdmin,
        Effect.map(CampaignAdmin, (fake) =>
          CampaignAdmin.of({ ...fake, reconcile: () => Effect.andThen(Effect.sync(begun.resolve), Effect.never) })
        )
      ).pipe(Layer.provideMerge(layerFakes(fakes)))
      const context = yield* Layer.build(layer(testOptions).pipe(Layer.provide(admin)))
      const { port } = Effect.runSync(Effect.provideContext(HttpAddress, context))
      const client = yield* raw(port)
      client.write(`POST /campaigns/sale/reconcile HTTP/1.1\r\nhost: a\r\nauthorization: ${asAdmin.authorization}\r\n\r\n`)
      yield* Effect.promise(() => begun.promise)
      client.socket.destroy()
      yield* Effect.repeat(Effect.sleep("10 millis"), { until: () => fakes.audited.length > 0 })
      assert.deepStrictEqual(fakes.audited, [done("campaign.reconcile", "sale", {}, "unknown")])
    }).pipe(Effect.scoped)
  )
})

describe("GET /audit", () => {
  it.live("asks for a page, and refuses what is none", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const { url } = yield* serve(fakes)
      for (const query of ["", "?limit=200", "?before=9007199254740991", "?limit=1&before=1"]) {
        const { json, status } = yield* ask(url, ["GET", `/audit${query}`])
        assert.deepStrictEqual([status, json], [200, { entries: [], next: null }])
      }
      assert.deepStrictEqual(fakes.calls, ["audit 50 newest", "audit 200 newest", "audit 50 9007199254740991", "audit 1 1"])
      const nonsense = [
        "limit=0",
        "limit=201",
        "limit=-1",
        "limit=1.5",
        "limit=0x10",
        "limit=1e1",
        "limit=",
        "limit=%00",
        "limit=1&limit=2"
      ]
      for (const query of [...nonsense, "before=0", "before=x", "before=9007199254740993", "before=", "after=1"]) {
        const { json, status } = yield* ask(url, ["GET", `/audit?${query}`])
        assert.deepStrictEqual([status, json.code], [400, "bad_request"], query)
      }
      assert.strictEqual((yield* ask(url, ["GET", "/audit"], {})).status, 401)
      assert.strictEqual(fakes.calls.length, 4)
    }).pipe(Effect.scoped)
  )
})
