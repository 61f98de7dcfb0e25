import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { asAdmin, makeFakes, send, serve } from "./http-testing.ts"

const anId = "Expected 1 to 64 of A-Z a-z 0-9 . _ ~ @ : + = -, the first a letter, a digit or _"
const anInstant = "Expected an instant such as 2026-11-24T12:00:00Z"
const aName = "Expected 1 to 200 characters that are not all blank, without control and format characters"
const campaign = (fields: object) => ({ id: "a", name: "a", stock: 1, ratePerSecond: 1, ...fields })

interface Row {
  readonly name: string
  readonly path: string
  readonly method?: string
  readonly body?: unknown
  readonly headers?: Record<string, string>
  readonly errors: Record<string, string>
}

const rows: ReadonlyArray<Row> = [
  { name: "an empty user", path: "/campaigns/x/tickets", body: { userId: "" }, errors: { userId: anId } },
  { name: "an empty user, the long way", path: "/campaigns/x/tickets?long=way", body: { userId: "" }, errors: { userId: anId } },
  { name: "null for a join", path: "/campaigns/x/tickets", body: null, errors: { "": "Expected an object" } },
  {
    name: "null for a join, the long way",
    path: "/campaigns/x/tickets?long=way",
    body: null,
    errors: { "": "Expected an object" }
  },
  { name: "a list for a join", path: "/campaigns/x/tickets", body: [], errors: { "": "Expected an object" } },
  { name: "nobody for a join", path: "/campaigns/x/tickets", body: {}, errors: { userId: "Missing key" } },
  { name: "the id of a campaign", path: "/campaigns/a%20b", method: "GET", errors: { id: anId } },
  { name: "the id of a user", path: "/users/a%20b/coupons", method: "GET", errors: { userId: anId } },
  {
    name: "the id of an order",
    path: "/orders/a%20b",
    method: "GET",
    errors: { id: "Expected 1 to 64 letters, digits, _ and -" }
  },
  {
    name: "a page too long",
    path: "/customers/c1/orders?limit=101",
    method: "GET",
    errors: { limit: "Expected a whole number from 1 to 100" }
  },
  {
    name: "half a page",
    path: "/customers/c1/orders?limit=0.5",
    method: "GET",
    errors: { limit: "Expected a whole number from 1 to 100" }
  },
  {
    name: "a key of an order",
    path: "/orders",
    body: { customerId: "c1", lines: [{ productId: "p1", quantity: 1 }] },
    headers: { "idempotency-key": "é" },
    errors: { "idempotency-key": "Expected 1 to 255 printable ASCII characters" }
  },
  {
    name: "an order",
    path: "/orders",
    body: { customerId: "", lines: [{ productId: "/", quantity: 1 }], couponCode: "x" },
    errors: { customerId: anId, "lines[0].productId": anId, couponCode: "Expected a coupon's code, such as 7K3M-9QWX-0ZTB-4HNC" }
  },
  {
    name: "a job",
    path: "/loads/a%20b",
    method: "GET",
    errors: { job: "Expected 1 to 120 letters, digits, dots, dashes, colons and underscores, the first a letter or a digit" }
  },
  {
    name: "a crowd",
    path: "/crowds/x",
    method: "GET",
    errors: { crowd: "Expected 16 hexadecimal digits, as starting a crowd gave" }
  },
  {
    name: "the seconds of a crowd",
    path: "/crowds",
    body: { campaignId: "a", users: 1, seconds: 0 },
    errors: { seconds: "Expected a value between 1 and 600" }
  },
  { name: "null for a campaign", path: "/campaigns", body: null, errors: { "": "Expected an object" } },
  { name: "a blank name", path: "/campaigns", body: campaign({ name: " " }), errors: { name: aName } },
  { name: "half a character for a name", path: "/campaigns", body: campaign({ name: "\ud83d" }), errors: { name: aName } },
  {
    name: "a day that is not in the calendar",
    path: "/campaigns",
    body: campaign({ opensAt: "2026-02-30T00:00:00Z" }),
    errors: { opensAt: anInstant }
  },
  {
    name: "a change to a day that is not in the calendar",
    path: "/campaigns/sale",
    method: "PATCH",
    body: { closesAt: "2025-02-29T00:00:00Z" },
    errors: { closesAt: anInstant }
  },
  {
    name: "a campaign that has closed already",
    path: "/campaigns",
    body: campaign({ closesAt: "2020-01-01T00:00:00Z" }),
    errors: { closesAt: "Expected an instant in the future" }
  },
  {
    name: "a campaign that closes as it opens",
    path: "/campaigns",
    body: campaign({ opensAt: "2990-01-01T00:00:00Z", closesAt: "2990-01-01T01:00:00+01:00" }),
    errors: { closesAt: "Expected an instant after opensAt" }
  }
]

describe("refusals", () => {
  for (const { body, errors, headers, method = "POST", name, path } of rows) {
    it.live(`say what is expected instead of ${name}`, () =>
      Effect.gen(function* () {
        const fakes = makeFakes()
        const { url } = yield* serve(fakes)
        const answer = yield* send(url + path, {
          method,
          headers: { ...asAdmin, ...(body !== undefined && { "content-type": "application/json" }), ...headers },
          ...(body !== undefined && { body: JSON.stringify(body) })
        })
        assert.strictEqual(answer.status, 400, answer.text)
        const found = answer.json.errors.map((error: { path: string; message: string }) => [error.path, error.message])
        assert.deepStrictEqual(Object.fromEntries(found), errors)
        assert.strictEqual(found.length, Object.keys(errors).length)
        assert.deepStrictEqual([fakes.calls, fakes.audited], [[], []])
      }).pipe(Effect.scoped)
    )
  }

  it.live("leave alone a campaign that is to have closed already", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const { url } = yield* serve(fakes)
      const answer = yield* send(`${url}/campaigns/sale`, {
        method: "PATCH",
        headers: { ...asAdmin, "content-type": "application/json" },
        body: '{"closesAt":"2020-01-01T00:00:00Z"}'
      })
      assert.strictEqual(answer.status, 200, answer.text)
    }).pipe(Effect.scoped)
  )

  it.live("of a process that is not ready say when to ask again", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const { url } = yield* serve(fakes)
      assert.isUndefined((yield* send(`${url}/health/ready`)).headers["retry-after"])
      fakes.engines.push({ engine: "redis", ok: false, milliseconds: 1 })
      const { headers, status } = yield* send(`${url}/health/ready`)
      assert.deepStrictEqual([status, headers["retry-after"]], [503, "1"])
    }).pipe(Effect.scoped)
  )
})
