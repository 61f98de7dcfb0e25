import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { isJson, parseJson } from "../src/http/Input.ts"
import { badJoins, nested } from "./http-requests.ts"
import { asAdmin, makeFakes, post, raw, send, serve } from "./http-testing.ts"

describe("Input", () => {
  const refused: ReadonlyArray<readonly [name: string, text: string, path: string | undefined]> = [
    ["nothing", "", undefined],
    ["half of an object", '{"userId":"u1"', undefined],
    ["NaN", '{"a":NaN}', undefined],
    ["Infinity", '{"a":Infinity}', undefined],
    ["single quotes", "{'a':1}", undefined],
    ["a trailing comma", '{"a":1,}', undefined],
    ["a byte order mark", '\uFEFF{"a":1}', undefined],
    ["two values", "{}{}", undefined],
    ["1e309", '{"a":1e309}', "a"],
    ["-1e309", '{"a":[-1e309]}', "a[0]"],
    ["2^53", '{"a":{"b":9007199254740992}}', "a.b"],
    ["-2^53", '{"a":-9007199254740992}', "a"],
    ["__proto__", '{"a":{"__proto__":{}}}', "a.__proto__"],
    ["depth 11", nested(11), Array.from({ length: 10 }, () => "a").join(".")],
    ["a tower of brackets", "[".repeat(8_000) + "]".repeat(8_000), "[0]".repeat(10)]
  ]
  for (const [name, text, path] of refused) {
    it(`refuses ${name}`, () => {
      const parsed = parseJson(Buffer.from(text))
      assert.isFalse(parsed.ok)
      assert.deepStrictEqual(!parsed.ok && parsed.errors?.map((error) => error.path), path === undefined ? undefined : [path])
    })
  }

  it("refuses what is not UTF-8", () => {
    assert.isFalse(parseJson(Buffer.from([0x22, 0xc3, 0x28, 0x22])).ok)
    assert.isFalse(parseJson(Buffer.from('{"a":1}', "utf16le")).ok)
  })

  it("takes what is JSON, to the last depth and number", () => {
    for (const text of [nested(10), '{"a":9007199254740991,"b":-0.5,"c":[null,true,"é"]}', '"x"']) {
      assert.deepStrictEqual(parseJson(Buffer.from(text)), { ok: true, value: JSON.parse(text) })
    }
  })

  it("names every refused field at once", () => {
    const parsed = parseJson(Buffer.from('{"a":1e400,"b":{"__proto__":1},"c":[9007199254740993]}'))
    assert.deepStrictEqual(!parsed.ok && parsed.errors?.map((error) => error.path), ["a", "b.__proto__", "c[0]"])
  })

  it("knows JSON by its content type", () => {
    for (const type of [
      "application/json",
      "application/json; charset=utf-8",
      "Application/JSON;charset=UTF-8",
      'application/json; charset="utf-8"'
    ]) {
      assert.isTrue(isJson(type), type)
    }
    for (const type of [
      undefined,
      "",
      "text/json",
      "text/plain",
      "application/jsonp",
      "application/json; charset=latin1",
      "application/json; a=b",
      "application/json;charset=utf-8;x=y",
      "application/x-www-form-urlencoded"
    ]) {
      assert.isFalse(isJson(type), type)
    }
  })
})

describe("bad requests", () => {
  const join = "/campaigns/sale/tickets"
  const json = { "content-type": "application/json" }

  type Row = {
    readonly name: string
    readonly path: string
    readonly method?: string
    readonly body?: string
    readonly headers?: Record<string, string>
    readonly status: number
    readonly code: string
    readonly errors?: ReadonlyArray<string>
  }
  const ids = [
    "%00",
    "a%00b",
    "a%2Fb",
    "..%2Fadmin",
    "%2e%2e",
    "a%20b",
    "a%0d%0aX-Evil:1",
    "%7B%7D",
    "%24",
    "%E2%80%AE",
    "a".repeat(65),
    "a".repeat(4_000),
    "a%25",
    "a;b",
    "%",
    "%zz",
    "%C0%AF",
    "%C3%A9"
  ]

  const rows: ReadonlyArray<Row> = [
    ...badJoins.map(([name, body, errors]) => ({
      name,
      path: join,
      body,
      headers: json,
      status: 400,
      code: "bad_request",
      ...(errors && { errors })
    })),
    ...ids.flatMap((id) => [
      {
        name: `joining ${id.slice(0, 20)}`,
        path: `/campaigns/${id}/tickets`,
        body: '{"userId":"u1"}',
        headers: json,
        status: 400,
        code: "bad_request"
      },
      { name: `reading ${id.slice(0, 20)}`, path: `/campaigns/${id}`, method: "GET", status: 400, code: "bad_request" },
      { name: `coupons of ${id.slice(0, 20)}`, path: `/users/${id}/coupons`, method: "GET", status: 400, code: "bad_request" }
    ]),
    { name: "no content type", path: join, body: '{"userId":"u1"}', status: 415, code: "unsupported_media_type" },
    {
      name: "text",
      path: join,
      body: '{"userId":"u1"}',
      headers: { "content-type": "text/plain" },
      status: 415,
      code: "unsupported_media_type"
    },
    {
      name: "a form",
      path: join,
      body: "userId=u1",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      status: 415,
      code: "unsupported_media_type"
    },
    {
      name: "JSON in latin1",
      path: join,
      body: '{"userId":"u1"}',
      headers: { "content-type": "application/json; charset=latin1" },
      status: 415,
      code: "unsupported_media_type"
    },
    {
      name: "a body of 16 KiB and a byte",
      path: join,
      body: `{"userId":"${"a".repeat(16 * 1024 - 12)}"}`,
      headers: json,
      status: 413,
      code: "body_too_large"
    },
    {
      name: "a large body for a new campaign",
      path: "/campaigns",
      body: `{"name":"${"a".repeat(20_000)}"}`,
      headers: { ...json, ...asAdmin },
      status: 413,
      code: "body_too_large"
    },
    {
      name: "text for a new campaign",
      path: "/campaigns",
      body: "{}",
      headers: { "content-type": "text/plain", ...asAdmin },
      status: 415,
      code: "unsupported_media_type"
    },
    {
      name: "a new campaign with nothing right",
      path: "/campaigns",
      body: '{"id":"a b","name":"","stock":0,"ratePerSecond":1.5,"opensAt":"soon","maxWaiting":-1,"price":1}',
      headers: { ...json, ...asAdmin },
      status: 400,
      code: "bad_request",
      errors: ["price", "id", "name", "stock", "ratePerSecond", "opensAt", "maxWaiting"]
    },
    {
      name: "a new campaign with 1e309",
      path: "/campaigns",
      body: '{"id":"a","name":"a","stock":1e309,"ratePerSecond":1}',
      headers: { ...json, ...asAdmin },
      status: 400,
      code: "bad_request",
      errors: ["stock"]
    },
    {
      name: "a new campaign that closes before it opens",
      path: "/campaigns",
      body: '{"id":"a","name":"a","stock":1,"ratePerSecond":1,"opensAt":"2030-01-02T00:00:00Z","closesAt":"2030-01-01T23:00:00Z"}',
      headers: { ...json, ...asAdmin },
      status: 400,
      code: "bad_request",
      errors: ["closesAt"]
    },
    {
      name: "a change of the id",
      path: "/campaigns/sale",
      method: "PATCH",
      body: '{"id":"other"}',
      headers: { ...json, ...asAdmin },
      status: 400,
      code: "bad_request",
      errors: ["id"]
    },
    { name: "an unknown path", path: "/nothing", method: "GET", status: 404, code: "not_found" },
    { name: "a path in capitals", path: "/Campaigns", method: "GET", status: 404, code: "not_found" },
    { name: "a slash too many", path: "/campaigns/", method: "GET", status: 404, code: "not_found" },
    { name: "two slashes", path: "/campaigns//tickets", method: "GET", status: 404, code: "not_found" },
    { name: "an escaped path", path: "/%63ampaigns", method: "GET", status: 404, code: "not_found" },
    { name: "an encoded way out", path: "/%2e%2e/package.json", method: "GET", status: 404, code: "not_found" }
  ]

  for (const { body, code, errors, headers, method = "POST", name, path, status } of rows) {
    it.live(`${status} for ${name}`, () =>
      Effect.gen(function* () {
        const fakes = makeFakes()
        const { url } = yield* serve(fakes)
        const answer = yield* send(url + path, { method, ...(headers && { headers }), ...(body !== undefined && { body }) })
        assert.strictEqual(answer.status, status, answer.text)
        assert.strictEqual(answer.headers["content-type"], "application/problem+json")
        assert.strictEqual(answer.json.code, code)
        assert.strictEqual(answer.json.status, status)
        assert.strictEqual(answer.json.type, `urn:sluice:problem:${code}`)
        if (errors !== undefined)
          assert.deepStrictEqual(answer.json.errors.map((error: { path: string }) => error.path).sort(), [...errors].sort())
        assert.deepStrictEqual(fakes.calls, [])
      }).pipe(Effect.scoped)
    )
  }

  it.live("takes a body of exactly 16 KiB", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const { url } = yield* serve(fakes)
      const body = '{"userId":"u1"}'.padEnd(16 * 1024, " ")
      assert.strictEqual((yield* post(url + join, body)).status, 202)
      assert.deepStrictEqual(fakes.calls, ["join sale u1"])
    }).pipe(Effect.scoped)
  )

  it.live("says 405 with the methods that are allowed", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const { url } = yield* serve(fakes)
      const allow: ReadonlyArray<readonly [method: string, path: string, allow: string]> = [
        ["PUT", "/campaigns", "GET, HEAD, POST"],
        ["DELETE", "/campaigns/sale", "GET, HEAD, PATCH"],
        ["GET", "/campaigns/sale/tickets", "POST"],
        ["OPTIONS", "/campaigns/sale/tickets", "POST"],
        ["POST", "/campaigns/sale/tickets/t", "DELETE, GET, HEAD"],
        ["POST", "/health/live", "GET, HEAD"],
        ["DELETE", "/", "GET, HEAD"]
      ]
      for (const [method, path, expected] of allow) {
        const answer = yield* send(url + path, { method })
        assert.strictEqual(answer.status, 405, `${method} ${path}`)
        assert.strictEqual(answer.json.code, "method_not_allowed")
        assert.strictEqual(answer.headers.allow, expected)
      }
      assert.deepStrictEqual(fakes.calls, [])
    }).pipe(Effect.scoped)
  )

  it.live("says 405 to a method that nobody has heard of, too, and 404 where nothing is", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(makeFakes())
      const ask = Effect.fnUntraced(function* (line: string) {
        const client = yield* raw(port)
        client.write(`${line}\r\nhost: a\r\n\r\n`)
        const heard = yield* Effect.promise(() => client.closed())
        assert.include(heard, "content-type: application/problem+json")
        return [/^HTTP\/1.1 (\d+)/.exec(heard)?.[1], /\r\nallow: (.*)\r\n/.exec(heard)?.[1]]
      })
      assert.deepStrictEqual(yield* ask("FOO /campaigns?x=1 HTTP/1.1"), ["405", "GET, HEAD, POST"])
      assert.deepStrictEqual(yield* ask("get /campaigns/sale HTTP/1.1"), ["405", "GET, HEAD, PATCH"])
      assert.deepStrictEqual(yield* ask("FOO /nowhere HTTP/1.1"), ["404", undefined])
      assert.deepStrictEqual(yield* ask("CONNECT a:80 HTTP/1.1"), ["405", ""])
      assert.deepStrictEqual(yield* ask("FOO BAR BAZ"), ["400", undefined])
    }).pipe(Effect.scoped)
  )
})
