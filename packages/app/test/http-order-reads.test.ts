import { createHmac } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { asAdmin, makeFakes, send, serve } from "./http-testing.ts"

const secret = "a-secret-of-users-of-32-bytes-or-more"
const tokenOf = (sub: string) => {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub, exp: Math.floor(Date.now() / 1000) + 60 })}`
  return { authorization: `Bearer ${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}` }
}

/** Whole numbers from 1 to 3, but not in digits alone. */
const inOtherWords = ["0x2", "0b10", "0o2", "2e0", "2.0", "%2B2", "+2", "%202", "2%20", "2_0", "%D9%A2", ""]

describe("reading orders over HTTP", () => {
  it.live("an order, a version of it, one that is not there, and a view that is away", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const { url } = yield* serve(fakes)
      const found = yield* send(`${url}/orders/o1?version=3`)
      assert.strictEqual(found.status, 200)
      assert.strictEqual(found.headers["content-type"], "application/json")
      assert.deepStrictEqual(found.json, { orderId: "o1" })
      assert.strictEqual((yield* send(`${url}/orders/o1`)).status, 200)
      const unknown = yield* send(`${url}/orders/unknown`)
      assert.deepStrictEqual([unknown.status, unknown.json.code], [404, "order_not_found"])
      for (const path of ["/orders/down", "/orders/o1?version=9", "/customers/down/orders"]) {
        const down = yield* send(`${url}${path}`)
        assert.deepStrictEqual([down.status, down.json.code, down.headers["retry-after"]], [503, "unavailable", "1"])
      }
    })
  )

  it.live("pages of a customer, with the state, the limit and the cursor", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(makeFakes())
      const first = yield* send(`${url}/customers/c1/orders?state=paid&limit=2`)
      assert.strictEqual(first.json.orders.length, 2)
      assert.strictEqual(first.json.nextCursor, "next")
      assert.strictEqual((yield* send(`${url}/customers/c1/orders?cursor=next`)).json.nextCursor, null)
      const tampered = yield* send(`${url}/customers/c1/orders?cursor=tampered`)
      assert.deepStrictEqual([tampered.status, tampered.json.errors[0].path], [400, "cursor"])
    })
  )

  it.live("nonsense is refused before the view is asked", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(makeFakes())
      for (const path of [
        "/orders/a%7Bb",
        "/orders/$where",
        `/orders/${"x".repeat(65)}`,
        "/orders/o1?version=0",
        "/orders/o1?version=1.5",
        "/orders/o1?version=x",
        "/orders/o1?version=1e309",
        ...inOtherWords.map((text) => `/orders/o1?version=${text}`),
        ...inOtherWords.map((text) => `/customers/c1/orders?limit=${text}`),
        "/orders/o1?version=2147483648",
        "/customers/c1/orders?limit=0",
        "/customers/c1/orders?limit=101",
        "/customers/c1/orders?state=lost",
        `/customers/c1/orders?cursor=${"x".repeat(201)}`,
        "/customers/$c/orders"
      ]) {
        const { headers, status } = yield* send(`${url}${path}`)
        assert.deepStrictEqual([status, headers["content-type"]], [400, "application/problem+json"], path)
      }
    })
  )

  it.live("the short way and the long way give the same answers", () =>
    Effect.gen(function* () {
      const short = yield* serve(makeFakes())
      const long = yield* serve(makeFakes(), { fastPath: false })
      for (const path of [
        "/orders/o1",
        "/orders/unknown",
        "/orders/down",
        "/orders/defect",
        "/orders/throws",
        "/orders/a.b",
        "/orders/",
        "/orders/o1?version=1",
        "/orders/o1?version=3",
        "/orders/o1?version=9",
        "/orders/o1?version=0",
        "/orders/o1?version=01",
        "/orders/o1?version=0x1",
        "/orders/o1?version=3&version=4",
        "/orders/o1?version=3#f",
        "/orders/o1?",
        "/orders/unknown?version=2",
        "/orders/down?version=2",
        "/orders/defect?version=2",
        "/customers/c1/orders",
        "/customers/down/orders",
        "/customers/defect/orders",
        "/customers/$c/orders",
        "/customers/c1/orders/",
        "/customers//orders",
        "/customers/c1/orders?limit=20"
      ]) {
        const [a, b] = yield* Effect.all([send(`${short.url}${path}`), send(`${long.url}${path}`)])
        const { date: _, ...headers } = a.headers
        const { date: __, ...expected } = b.headers
        assert.deepStrictEqual([a.status, a.json, headers], [b.status, b.json, expected], path)
        assert.notInclude(a.text, "secret-internals")
      }
    })
  )

  it.live("the admin sees how far each consumer is behind", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(makeFakes())
      assert.strictEqual((yield* send(`${url}/lag`)).status, 401)
      const { json, status } = yield* send(`${url}/lag`, { headers: asAdmin })
      assert.deepStrictEqual([status, json.projector], [200, { events: 2, milliseconds: 30 }])
    })
  )

  it.live("with tokens of users, only the customer and the admin read", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(makeFakes(), { userSecret: Redacted.make(secret) })
      for (const path of ["/orders/o1", "/customers/u1/orders"]) {
        assert.strictEqual((yield* send(`${url}${path}`)).status, 401, path)
        assert.strictEqual((yield* send(`${url}${path}`, { headers: tokenOf("u2") })).status, 403, path)
        assert.strictEqual((yield* send(`${url}${path}`, { headers: tokenOf("u1") })).status, 200, path)
        assert.strictEqual((yield* send(`${url}${path}`, { headers: asAdmin })).status, 200, path)
      }
    })
  )
})
