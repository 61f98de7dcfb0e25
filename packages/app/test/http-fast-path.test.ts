import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, Redacted } from "effect"
import { SignJWT } from "jose"
import type { HttpOptions } from "../src/http/Options.ts"
import { badJoins } from "./http-requests.ts"
import { type Answer, type Init, makeFakes, raw, send, serve } from "./http-testing.ts"

const json = { "content-type": "application/json" }
const secret = "0123456789abcdef0123456789abcdef"
const token = (sub: string) =>
  new SignJWT({ sub }).setProtectedHeader({ alg: "HS256" }).setExpirationTime("1h").sign(Buffer.from(secret))

interface Row extends Init {
  readonly name: string
  readonly path: string
  readonly status: number
  /** Whether the plain server must have taken the short way. */
  readonly isFast?: boolean
}

const join = (name: string, id: string, status: number, body = '{"userId":"u1"}', more: Partial<Row> = {}): Row => ({
  name,
  path: `/campaigns/${id}/tickets`,
  method: "POST",
  headers: json,
  body,
  status,
  ...more
})
const look = (name: string, id: string, ticket: string, status: number, more: Partial<Row> = {}): Row => ({
  name,
  path: `/campaigns/${id}/tickets/${ticket}`,
  status,
  ...more
})

const fast = { isFast: true }

const rows: ReadonlyArray<Row> = [
  join("a new user", "sale", 202, undefined, fast),
  join("a user again", "sale", 200, '{"userId":"again"}', fast),
  join("the longest ids", "c".repeat(64), 202, `{"userId":"${"u".repeat(64)}"}`, fast),
  join("every character of an id", "A_.-~@:+=9", 202, '{"userId":"_.-~@:+=9Z"}', fast),
  join("a key that is escaped", "sale", 202, '{"user\\u0049d":"u1"}', fast),
  join("white space around", "sale", 202, ' \n{ "userId" : "u1" }\t', fast),
  join("the same key twice", "sale", 202, '{"userId":"u0","userId":"u1"}', fast),
  join("a charset", "sale", 202, undefined, { headers: { "content-type": "application/json; charset=utf-8" }, ...fast }),
  join("a sold-out campaign", "sold", 200, undefined, fast),
  join("an unknown campaign", "unknown", 404, undefined, fast),
  join("a campaign that is not open", "not_open", 409, undefined, fast),
  join("a closed campaign", "closed", 409, undefined, fast),
  join("a full waiting room", "full", 409, undefined, fast),
  join("an engine that is down", "down", 503, undefined, fast),
  join("a defect", "defect", 500, undefined, fast),
  join("an escaped id", "s%61le", 202),
  join("a query", "sale", 202, undefined, { path: "/campaigns/sale/tickets?a=b" }),
  join("a bad id", "a%00b", 400),
  join("text", "sale", 415, undefined, { headers: { "content-type": "text/plain" } }),
  join("a large body", "sale", 413, `{"userId":"${"u".repeat(20_000)}"}`),
  join("another method", "sale", 405, undefined, { method: "PUT" }),
  ...badJoins.map(([name, body]) => join(name, "sale", 400, body)),
  look("a ticket that waits", "sale", "t.sale.u1", 200, fast),
  look("a ticket that won", "sale", "t.sale.winner", 200, fast),
  look("a ticket of another campaign", "sale", "t.other.u1", 401),
  look("a forged ticket", "sale", "forged", 401),
  look("a ticket of 2048 characters", "sale", `t.sale.${"a".repeat(2041)}`, 200, fast),
  look("a ticket that is too long", "sale", `t.sale.${"a".repeat(2042)}`, 401),
  look("a ticket with other characters", "sale", "t.sale.u1%00", 401),
  look("an escaped ticket", "sale", "t.sale%2Eu1", 200),
  look("a ticket of an unknown campaign", "unknown", "t.unknown.u1", 404, fast),
  look("a ticket while an engine is down", "down", "t.down.u1", 503, fast),
  look("a ticket and a defect", "defect", "t.defect.u1", 500, fast),
  look("a query", "sale", "t.sale.u1?a=b", 200),
  look("no ticket", "sale", "", 404),
  look("a bad id", "a%2Fb", "t.sale.u1", 400),
  look("only the head", "sale", "t.sale.u1", 200, { method: "HEAD" })
]

/** All that a client can see, but the time. */
const seen = ({ headers: { date, ...headers }, status, text }: Answer) => {
  assert.isString(date)
  return { status, headers, text }
}

const both = (row: Row, options: HttpOptions = {}, times = 1) =>
  Effect.gen(function* () {
    const fakes = makeFakes()
    const short = yield* serve(fakes, options)
    const long = yield* serve(makeFakes(), { ...options, fastPath: false })
    for (let i = 1; i < times; i++) {
      yield* send(short.url + row.path, row)
      yield* send(long.url + row.path, row)
    }
    const answers = [yield* send(short.url + row.path, row), yield* send(long.url + row.path, row)] as const
    return { short: answers[0], long: answers[1], unsafe: fakes.unsafe }
  }).pipe(Effect.provide(Logger.layer([])))

describe("the fast path and the API", () => {
  for (const row of rows) {
    it.live(`answer the same: ${row.method ?? "GET"} ${row.name}`, () =>
      Effect.gen(function* () {
        const { long, short, unsafe } = yield* both(row)
        assert.strictEqual(short.status, row.status, short.text)
        assert.deepStrictEqual(seen(short), seen(long))
        if (row.isFast) assert.strictEqual(unsafe, 1)
      }).pipe(Effect.scoped)
    )
  }

  for (const row of [join("join", "sale", 429), look("look", "sale", "t.sale.u1", 429)]) {
    it.live(`refuse the same above the limit: ${row.name}`, () =>
      Effect.gen(function* () {
        const { long, short, unsafe } = yield* both(row, { userLimit: { perSecond: 0.001, burst: 2 } }, 3)
        assert.strictEqual(short.status, 429)
        assert.deepStrictEqual(seen(short), seen(long))
        assert.strictEqual(unsafe, 2)
      }).pipe(Effect.scoped)
    )
  }

  const identified: ReadonlyArray<readonly [name: string, status: number, body: string, user: string | undefined]> = [
    ["no token", 401, '{"userId":"u1"}', undefined],
    ["the token of the user", 202, '{"userId":"u1"}', "u1"],
    ["the token alone", 202, "{}", "u1"],
    ["the token of another user", 403, '{"userId":"u2"}', "u1"],
    ["a bad body and no token", 400, '{"userId":5}', undefined]
  ]
  for (const [name, status, body, user] of identified) {
    it.live(`know a user the same: ${name}`, () =>
      Effect.gen(function* () {
        const authorization = user === undefined ? {} : { authorization: `Bearer ${yield* Effect.promise(() => token(user))}` }
        const row = join(name, "sale", status, body, { headers: { ...json, ...authorization } })
        const { long, short } = yield* both(row, { userSecret: Redacted.make(secret) })
        assert.strictEqual(short.status, status, short.text)
        assert.deepStrictEqual(seen(short), seen(long))
      }).pipe(Effect.scoped)
    )
  }

  it.live("turns away what is above maxInFlight at once", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const { promise, resolve } = Promise.withResolvers<void>()
      fakes.hold = promise
      const { port, url } = yield* serve(fakes, { maxInFlight: 2 })
      const first = yield* raw(port)
      const second = yield* raw(port)
      for (const client of [first, second]) client.write("GET /campaigns/sale/tickets/t.sale.u1 HTTP/1.1\r\nhost: a\r\n\r\n")
      while (fakes.unsafe < 2) yield* Effect.promise(() => new Promise((next) => setImmediate(next)))
      for (const row of [join("", "sale", 503), look("", "sale", "t.sale.u1", 503)]) {
        const answer = yield* send(url + row.path, row)
        assert.strictEqual(answer.status, 503)
        assert.strictEqual(answer.json.code, "overloaded")
        assert.strictEqual(answer.headers["retry-after"], "1")
      }
      assert.strictEqual(fakes.unsafe, 2)
      resolve()
      for (const client of [first, second])
        yield* Effect.promise(() => client.until((heard) => heard.includes("waiting"), "no answer"))
      assert.strictEqual((yield* send(`${url}/campaigns/sale/tickets/t.sale.u1`)).status, 200)
    }).pipe(Effect.scoped)
  )
})
