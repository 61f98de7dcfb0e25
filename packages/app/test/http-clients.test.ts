import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { bodyLimit } from "../src/http/Input.ts"
import { asAdmin, makeFakes, raw, send, serve } from "./http-testing.ts"

const head = (lines: ReadonlyArray<string>) => `${lines.join("\r\n")}\r\n\r\n`
const post = (length: number | undefined, ...more: ReadonlyArray<string>) =>
  head([
    "POST /campaigns/sale/tickets HTTP/1.1",
    "host: a",
    "content-type: application/json",
    ...(length === undefined ? [] : [`content-length: ${length}`]),
    ...more
  ])
const look = head(["GET /campaigns/sale/tickets/t.sale.u1 HTTP/1.1", "host: a"])
const body = '{"userId":"u1"}'
const chunk = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`

/** The answers in what was heard: status and problem code. */
const answers = (heard: string) =>
  [...heard.matchAll(/HTTP\/1\.1 (\d{3})[^\r]*\r\n(?:[^\r]+\r\n)*\r\n(?:[^\r\n]*?"code":"([a-z_]+)")?/g)].map(
    ([, status, code]) => (code === undefined ? Number(status) : `${status} ${code}`)
  )

const turn = Effect.promise(() => new Promise((next) => setImmediate(next)))

describe("clients", () => {
  const bad: ReadonlyArray<readonly [name: string, text: string, answer: string]> = [
    ["what is not HTTP", "hello\r\n\r\n", "400 bad_request"],
    ["no host", head(["GET /campaigns HTTP/1.1"]), "400 bad_request"],
    ["length and chunks", post(5, "transfer-encoding: chunked"), "400 bad_request"],
    ["two lengths", post(5, "content-length: 6"), "400 bad_request"],
    ["a length that is no number", head(["POST /campaigns HTTP/1.1", "host: a", "content-length: +5"]), "400 bad_request"],
    ["a header with a line break in it", head(["GET /campaigns HTTP/1.1", "host: a", "x: a\rb"]), "400 bad_request"],
    ["a space in the path", head(["GET /campaigns/a b HTTP/1.1", "host: a"]), "400 bad_request"],
    ["headers over 16 KiB", head(["GET /campaigns HTTP/1.1", "host: a", `x: ${"a".repeat(17_000)}`]), "431 headers_too_large"],
    [
      "many headers over 16 KiB",
      head(["GET /campaigns HTTP/1.1", "host: a", ...Array.from({ length: 2_000 }, (_, i) => `x${i}: 1`)]),
      "431 headers_too_large"
    ],
    ["a path over 16 KiB", head([`GET /campaigns/${"a".repeat(17_000)} HTTP/1.1`, "host: a"]), "431 headers_too_large"],
    [
      "an expectation",
      head(["GET /campaigns HTTP/1.1", "host: a", "connection: close", "expect: gold"]),
      "417 expectation_failed"
    ],
    ["a declared length over the limit", post(bodyLimit + 1), "413 body_too_large"],
    ["no length and no chunks", post(undefined, "connection: close"), "400 bad_request"],
    ["a chunk that is none", `${post(undefined, "transfer-encoding: chunked")}zz\r\n`, "400 bad_request"],
    ["an empty body", post(0, "connection: close"), "400 bad_request"]
  ]
  for (const [name, text, answer] of bad) {
    it.live(`${answer} for ${name}, and hangs up`, () =>
      Effect.gen(function* () {
        const fakes = makeFakes()
        const { port, url } = yield* serve(fakes)
        const client = yield* raw(port)
        client.write(text)
        const heard = yield* Effect.promise(() => client.closed())
        assert.deepStrictEqual(answers(heard), [answer])
        assert.include(heard.toLowerCase(), "content-type: application/problem+json\r\n")
        assert.include(heard.toLowerCase(), "x-content-type-options: nosniff\r\n")
        assert.deepStrictEqual(fakes.calls, [])
        assert.strictEqual((yield* send(`${url}/health/live`)).status, 200)
      }).pipe(Effect.scoped)
    )
  }

  it.live("takes a chunked body", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const { port } = yield* serve(fakes)
      const client = yield* raw(port)
      client.write(post(undefined, "transfer-encoding: chunked", "connection: close"))
      client.write(chunk('{"userId"'))
      yield* turn
      client.write(`${chunk(':"u1"}')}0\r\n\r\n`)
      assert.deepStrictEqual(answers(yield* Effect.promise(() => client.closed())), [202])
      assert.deepStrictEqual(fakes.calls, ["join sale u1"])
    }).pipe(Effect.scoped)
  )

  it.live("stops reading a chunked body at the limit", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const { port } = yield* serve(fakes)
      const client = yield* raw(port)
      client.write(post(undefined, "transfer-encoding: chunked"))
      const part = chunk("a".repeat(64 * 1024))
      let sent = 0
      const flood = () => {
        while (!client.isClosed && sent < 1024 && client.socket.write(part)) sent++
        if (!client.isClosed && sent < 1024) client.socket.once("drain", flood)
      }
      flood()
      const heard = yield* Effect.promise(() => client.closed())
      assert.deepStrictEqual(answers(heard), ["413 body_too_large"])
      assert.isBelow(sent, 1024, "the server has read it all")
      assert.deepStrictEqual(fakes.calls, [])
    }).pipe(Effect.scoped)
  )

  it.live("answers requests that come in one piece in their order", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const { port } = yield* serve(fakes)
      const client = yield* raw(port)
      const last = head(["GET /campaigns/sale/tickets/forged HTTP/1.1", "host: a", "connection: close"])
      client.write(`${post(body.length)}${body}${look}${post(2)}{}${head(["GET /nothing HTTP/1.1", "host: a"])}${look}${last}`)
      const heard = yield* Effect.promise(() => client.closed())
      assert.deepStrictEqual(answers(heard), [202, 200, "400 bad_request", "404 not_found", 200, "401 ticket_invalid"])
    }).pipe(Effect.scoped)
  )

  it.live("takes a request byte by byte", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const { port } = yield* serve(fakes)
      const client = yield* raw(port)
      client.socket.setNoDelay(true)
      for (const byte of `${post(body.length, "connection: close")}${body}`) {
        client.write(byte)
        yield* turn
      }
      assert.deepStrictEqual(answers(yield* Effect.promise(() => client.closed())), [202])
      assert.deepStrictEqual(fakes.calls, ["join sale u1"])
    }).pipe(Effect.scoped)
  )

  it.live("forgets a client that leaves in the middle of its body", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const { port, url } = yield* serve(fakes, { maxInFlight: 1 })
      for (const text of [
        `${post(body.length)}${body.slice(0, 5)}`,
        `${post(undefined, "transfer-encoding: chunked")}${chunk("{")}`
      ]) {
        const client = yield* raw(port)
        client.write(text)
        yield* turn
        client.socket.destroy()
        yield* Effect.promise(() => client.closed())
      }
      const isThere = send(`${url}/campaigns/sale/tickets/t.sale.u1`).pipe(Effect.map(({ status }) => status === 200))
      yield* Effect.repeat(isThere, { until: (there) => there })
      assert.deepStrictEqual(
        fakes.calls.filter((call) => call.startsWith("join")),
        []
      )
    }).pipe(Effect.scoped)
  )

  it.live("drops the answer of a client that is gone", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const { promise, resolve } = Promise.withResolvers<void>()
      fakes.hold = promise
      const { port, url } = yield* serve(fakes)
      const client = yield* raw(port)
      client.write(`${post(body.length)}${body}`)
      while (fakes.unsafe === 0) yield* turn
      client.socket.destroy()
      const requests = 'sluice_http_requests_total{method="POST",route="/campaigns/:id/tickets",status='
      yield* Effect.repeat(send(`${url}/metrics`), { until: ({ text }) => text.includes(`${requests}"499"} 1`) })
      resolve()
      fakes.hold = undefined
      assert.strictEqual((yield* send(`${url}/campaigns/sale/tickets/t.sale.u1`)).status, 200)
      assert.notInclude((yield* send(`${url}/metrics`)).text, `${requests}"202"}`)
    }).pipe(Effect.scoped)
  )

  it.live("puts nothing of an id into a header", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const { port } = yield* serve(fakes)
      for (const id of ["a%0d%0aset-cookie:%20evil=1", "a%0aset-cookie:evil=1", "%E5%98%8D%E5%98%8Aset-cookie:evil=1"]) {
        for (const path of [
          `/campaigns/${id}`,
          `/users/${id}/coupons`,
          `/campaigns/sale/tickets/${id}`,
          `/campaigns/${id}/events`
        ]) {
          const client = yield* raw(port)
          client.write(head([`GET ${path} HTTP/1.1`, "host: a", "connection: close"]))
          const heard = yield* Effect.promise(() => client.closed())
          assert.match(heard, /^HTTP\/1\.1 40[01] /)
          assert.notInclude(heard.toLowerCase(), "\nset-cookie")
        }
      }
      assert.deepStrictEqual(fakes.calls, [])
    }).pipe(Effect.scoped)
  )

  it.live("answers others while 500 connections say nothing, and hangs up on those in time", () =>
    Effect.gen(function* () {
      const { port, url } = yield* serve(makeFakes(), { headersTimeout: 1_000, requestTimeout: 1_000 })
      const silent = yield* Effect.all(Array.from({ length: 500 }, () => raw(port)))
      for (const [i, client] of silent.entries()) {
        if (i % 3 === 1) client.write("GET /campaigns HTTP/1.1\r\nhost: a\r\nx-slow: ")
        if (i % 3 === 2) client.write(`${post(body.length)}{`)
      }
      for (let i = 0; i < 5; i++) {
        assert.strictEqual((yield* send(`${url}/health/live`)).status, 200)
        assert.strictEqual((yield* send(`${url}/campaigns/sale/tickets/t.sale.u1`)).status, 200)
      }
      assert.isTrue(silent.every((client) => !client.isClosed))
      const heard = yield* Effect.promise(() => Promise.all(silent.map((client) => client.closed())))
      assert.deepStrictEqual([...new Set(heard.flatMap(answers))], ["408 request_timeout"])
    }).pipe(Effect.scoped)
  )

  it.live("tells who sends half a body and no more, on either way, that it took too long", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(makeFakes(), { headersTimeout: "200 millis", requestTimeout: "200 millis" })
      const admin = `authorization: ${asAdmin.authorization}`
      for (const text of [post(50), post(50, admin).replace("/campaigns/sale/tickets", "/crowds")]) {
        const client = yield* raw(port)
        client.write(`${text}{`)
        assert.deepStrictEqual(answers(yield* Effect.promise(() => client.closed())), ["408 request_timeout"])
      }
    }).pipe(Effect.scoped)
  )

  it.live("never takes what is broken behind a request for its answer", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const { promise, resolve } = Promise.withResolvers<void>()
      fakes.hold = promise
      const { port } = yield* serve(fakes)
      const client = yield* raw(port)
      client.write(look)
      while (fakes.unsafe < 1) yield* turn
      client.write("nonsense\r\n\r\n")
      const heard = yield* Effect.promise(() => client.closed())
      resolve()
      assert.deepStrictEqual(answers(heard), [])
    }).pipe(Effect.scoped)
  )

  it.live("takes no more connections than it may", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(makeFakes(), { maxConnections: 2 })
      const first = yield* raw(port)
      const second = yield* raw(port)
      for (const client of [first, second]) {
        client.write(look)
        yield* Effect.promise(() => client.until((heard) => heard.includes("waiting"), "no answer"))
      }
      const third = yield* raw(port)
      assert.strictEqual(yield* Effect.promise(() => third.closed()), "")
      first.write(look)
      yield* Effect.promise(() => first.until((heard) => answers(heard).length === 2, "no second answer"))
    }).pipe(Effect.scoped)
  )
})
