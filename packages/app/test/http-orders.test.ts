import { createHmac } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { nested } from "./http-requests.ts"
import { asAdmin, makeFakes, post, send, serve } from "./http-testing.ts"
import { orderId } from "./orders-fakes.ts"

const lines = '"lines":[{"productId":"p1","quantity":1}]'
const line = (more: string) => `{"customerId":"c1","lines":[{"productId":"p1",${more}}]}`

const badOrders: ReadonlyArray<readonly [name: string, body: string, paths?: ReadonlyArray<string>]> = [
  ["no body", ""],
  ["broken JSON", '{"customerId":"c1",'],
  ["an array", "[]", [""]],
  ["no customer", `{${lines}}`, ["customerId"]],
  ["an operator for a customer", `{"customerId":{"$gt":""},${lines}}`, ["customerId"]],
  ["a customer with a slash", `{"customerId":"a/b",${lines}}`, ["customerId"]],
  ["no lines", '{"customerId":"c1"}', ["lines"]],
  ["empty lines", '{"customerId":"c1","lines":[]}', ["lines"]],
  ["101 lines", `{"customerId":"c1","lines":[${Array(101).fill('{"productId":"p1","quantity":1}')}]}`, ["lines"]],
  ["lines that are none", '{"customerId":"c1","lines":"p1"}', ["lines"]],
  ["quantity 0", line('"quantity":0'), ["lines[0].quantity"]],
  ["a negative quantity", line('"quantity":-1'), ["lines[0].quantity"]],
  ["a fraction", line('"quantity":1.5'), ["lines[0].quantity"]],
  ["a text for a quantity", line('"quantity":"1"'), ["lines[0].quantity"]],
  ["too many of one", line('"quantity":10001'), ["lines[0].quantity"]],
  ["1e309", line('"quantity":1e309'), ["lines[0].quantity"]],
  ["no quantity", '{"customerId":"c1","lines":[{"productId":"p1"}]}', ["lines[0].quantity"]],
  ["a price", line('"quantity":1,"price":1'), ["lines[0].price"]],
  ["a total", `{"customerId":"c1",${lines},"total":1}`, ["total"]],
  ["__proto__", `{"customerId":"c1",${lines},"__proto__":{"a":1}}`, ["__proto__"]],
  ["a product with a dollar", '{"customerId":"c1","lines":[{"productId":"$p","quantity":1}]}', ["lines[0].productId"]],
  ["a coupon that can't be one", `{"customerId":"c1",${lines},"couponCode":"x"}`, ["couponCode"]],
  ["null for a coupon", `{"customerId":"c1",${lines},"couponCode":null}`, ["couponCode"]],
  ["a tower", `{"customerId":${nested(10)},${lines}}`]
]

const address = { street: "s", city: "c", zipcode: "z" }
const badCustomers: ReadonlyArray<readonly [unknown, string]> = [
  [{ name: "", level: "gold", address }, "name"],
  [{ name: "   ", level: "gold", address }, "name"],
  [{ name: "a\u202eb", level: "gold", address }, "name"],
  [{ name: "x".repeat(201), level: "gold", address }, "name"],
  [{ name: "Ada", address }, "level"],
  [{ name: "Ada", level: "gold" }, "address"],
  [{ name: "Ada", level: "gold", address: { ...address, city: 5 } }, "address.city"],
  [{ name: "Ada", level: "gold", address, version: 7 }, "version"]
]
const badProducts: ReadonlyArray<readonly [unknown, string]> = [
  [{ name: "Tea", category: "tea", price: -1 }, "price"],
  [{ name: "Tea", category: "tea", price: 1.5 }, "price"],
  [{ name: "Tea", category: "tea", price: 1_000_000_001 }, "price"],
  [{ name: "Tea", category: "tea", price: "1" }, "price"],
  [{ name: "Tea", category: "a\nb", price: 1 }, "category"],
  [{ category: "tea", price: 1 }, "name"]
]

const order = { customerId: "c1", lines: [{ productId: "p1", quantity: 1 }] }

const token = (sub: string, secret: string) => {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
  const text = `${part({ alg: "HS256" })}.${part({ sub, exp: Math.floor(Date.now() / 1000) + 60 })}`
  return `Bearer ${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`
}

describe("orders over HTTP", () => {
  it.live("what is no order is refused by the paths of its fields, before any service is asked", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const { url } = yield* serve(fakes)
      for (const [name, body, paths] of badOrders) {
        const answer = yield* post(`${url}/orders`, body)
        assert.strictEqual(answer.status, 400, name)
        if (paths !== undefined) {
          assert.sameMembers(
            answer.json.errors.map(({ path }: { path: string }) => path),
            [...paths],
            name
          )
        }
      }
      for (const key of ["x".repeat(256), "", "é"]) {
        const answer = yield* post(`${url}/orders`, order, { "idempotency-key": key })
        assert.strictEqual(answer.status, 400, key)
        assert.strictEqual(answer.json.errors[0].path, "idempotency-key")
      }
      assert.strictEqual((yield* send(`${url}/orders`, { method: "POST", body: JSON.stringify(order) })).status, 415)
      assert.strictEqual((yield* post(`${url}/orders`, `{"a":"${"x".repeat(17_000)}"}`)).status, 413)
      assert.deepStrictEqual(fakes.calls, [])
    }).pipe(Effect.scoped)
  )

  it.live("an order is placed, and every refusal has its status and code", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const { url } = yield* serve(fakes)
      const placed = yield* post(`${url}/orders`, order, { "idempotency-key": "k".repeat(255) })
      assert.deepStrictEqual([placed.status, placed.json], [201, { orderId, version: 1, total: 2500 }])
      assert.strictEqual(fakes.calls[0], `place ${JSON.stringify(order)} ${"k".repeat(255)}`)
      const refusals: ReadonlyArray<readonly [object, string | undefined, number, string]> = [
        [{ ...order, customerId: "nobody" }, undefined, 422, "order_refused"],
        [{ ...order, customerId: "down" }, undefined, 503, "unavailable"],
        [{ ...order, customerId: "defect" }, undefined, 500, "internal"],
        [{ ...order, couponCode: "SPEN-TTTT-TTTT-TTTT" }, undefined, 409, "coupon_spent"],
        [order, "reused", 422, "idempotency_key_reused"],
        [order, "busy", 409, "order_in_progress"]
      ]
      for (const [body, key, status, code] of refusals) {
        const answer = yield* post(`${url}/orders`, body, key === undefined ? {} : { "idempotency-key": key })
        assert.deepStrictEqual([answer.status, answer.json.code], [status, code])
        assert.strictEqual(answer.headers["content-type"], "application/problem+json")
        if (code === "order_in_progress" || status === 503) assert.strictEqual(answer.headers["retry-after"], "1")
        if (code === "order_refused") assert.strictEqual(answer.json.errors[0].path, "customerId")
        assert.notInclude(answer.text, "secret-internals")
      }
    }).pipe(Effect.scoped)
  )

  it.live("pay, ship and cancel ask for their states; what is not there or not allowed is 404 and 409", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const { url } = yield* serve(fakes)
      const move = (id: string, verb: string, method = "POST") => send(`${url}/orders/${id}/${verb}`, { method })
      for (const [verb, state] of [
        ["pay", "paid"],
        ["ship", "shipped"],
        ["cancel", "cancelled"]
      ] as const) {
        assert.deepStrictEqual((yield* move(orderId, verb)).json, { orderId, version: 2, state })
      }
      assert.deepStrictEqual(fakes.calls, [`change ${orderId} paid`, `change ${orderId} shipped`, `change ${orderId} cancelled`])
      const missing = yield* move("unknown", "pay")
      assert.deepStrictEqual([missing.status, missing.json.code], [404, "order_not_found"])
      const refused = yield* move("shipped", "cancel")
      assert.deepStrictEqual([refused.status, refused.json.code], [409, "order_state"])
      for (const id of ["a.b", "$gt", "%00", "x".repeat(65), "a%2fb"]) {
        assert.strictEqual((yield* move(id, "pay")).status, 400, id)
      }
      assert.strictEqual((yield* move(orderId, "pay", "GET")).status, 405)
      assert.strictEqual((yield* move(orderId, "refund")).status, 404)
    }).pipe(Effect.scoped)
  )

  it.live("customers and products are put by the admin alone, and checked field by field", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const { url } = yield* serve(fakes)
      const put = (path: string, body: unknown, headers: Record<string, string> = asAdmin) =>
        send(url + path, {
          method: "PUT",
          body: JSON.stringify(body),
          headers: { "content-type": "application/json", ...headers }
        })
      const profile = { name: "Zoë", level: "gold", address }
      assert.strictEqual((yield* put("/customers/c1", profile, {})).status, 401)
      assert.strictEqual((yield* put("/products/p1", {}, { authorization: "Bearer wrong" })).status, 401)
      for (const [body, path] of badCustomers) {
        const answer = yield* put("/customers/c1", body)
        assert.deepStrictEqual([answer.status, answer.json.errors?.[0]?.path], [400, path])
      }
      for (const [body, path] of badProducts) {
        const answer = yield* put("/products/p1", body)
        assert.deepStrictEqual([answer.status, answer.json.errors?.[0]?.path], [400, path])
      }
      assert.strictEqual((yield* put("/customers/a%00b", profile)).status, 400)
      assert.deepStrictEqual(fakes.calls, [])
      assert.deepStrictEqual((yield* put("/customers/c1", profile)).json, { id: "c1", ...profile, version: 1 })
      const product = { name: "Tea", category: "tea", price: 0 }
      assert.deepStrictEqual((yield* put("/products/p1", product)).json, { id: "p1", ...product, version: 1 })
    }).pipe(Effect.scoped)
  )

  it.live("where users have tokens, an order is its customer's own", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const secret = "a secret of the users of 32 bytes and more"
      const { url } = yield* serve(fakes, { userSecret: Redacted.make(secret) })
      const mine = { ...order, customerId: "u1" }
      const as = (sub: string) => ({ authorization: token(sub, secret) })
      assert.strictEqual((yield* post(`${url}/orders`, mine)).status, 401)
      assert.strictEqual((yield* post(`${url}/orders`, mine, as("u2"))).status, 403)
      assert.strictEqual((yield* post(`${url}/orders`, mine, as("u1"))).status, 201)
      assert.strictEqual((yield* post(`${url}/orders`, mine, asAdmin)).status, 201)
      const pay = (headers: Record<string, string>) => send(`${url}/orders/${orderId}/pay`, { method: "POST", headers })
      assert.deepStrictEqual(
        [(yield* pay({})).status, (yield* pay(as("u2"))).status, (yield* pay(as("u1"))).status, (yield* pay(asAdmin)).status],
        [401, 403, 200, 200]
      )
      assert.deepStrictEqual(fakes.calls.slice(2), [
        `change ${orderId} paid u2`,
        `change ${orderId} paid u1`,
        `change ${orderId} paid`
      ])
    }).pipe(Effect.scoped)
  )
})
