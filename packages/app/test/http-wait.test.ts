import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { languageOf } from "../src/http/WaitPage.ts"
import { type Init, makeFakes, send, serve } from "./http-testing.ts"

const form = (userId: string): Init => ({
  method: "POST",
  body: new URLSearchParams({ userId }).toString(),
  headers: { "content-type": "application/x-www-form-urlencoded" }
})

const cookieOf = (header: string | undefined) => header!.split(";")[0]!

describe("the waiting page", () => {
  it.live("asks who one is, joins, remembers the ticket in a cookie and shows the place", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const { url } = yield* serve(fakes)
      const asking = yield* send(`${url}/campaigns/sale/wait`)
      assert.strictEqual(asking.status, 200)
      assert.include(asking.text, '<form method="post" action="/campaigns/sale/wait">')
      const joined = yield* send(`${url}/campaigns/sale/wait`, form("u1"))
      assert.strictEqual(joined.status, 303)
      assert.strictEqual(joined.headers.location, "/campaigns/sale/wait")
      const cookie = joined.headers["set-cookie"]!
      assert.match(cookie, /^sluice-wait=3\.t\.sale\.u1; Path=\/campaigns\/sale\/wait; HttpOnly; SameSite=Lax/)
      const shown = yield* send(`${url}/campaigns/sale/wait`, { headers: { cookie: cookieOf(cookie) } })
      assert.include(shown.text, '<strong id="position">3</strong>')
      assert.include(shown.text, '<meta http-equiv="refresh"')
      assert.include(shown.headers["content-security-policy"], "frame-ancestors 'none'")
      assert.notInclude(shown.text, "<form")
    })
  )

  it.live("shows the code at the end, and stops asking", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(makeFakes())
      const { text } = yield* send(`${url}/campaigns/sale/wait`, { headers: { cookie: "sluice-wait=9.t.sale.winner" } })
      assert.include(text, "<code>CODE-7</code>")
      assert.notInclude(text, "http-equiv")
    })
  )

  it.live("speaks Korean to whom it should", () =>
    Effect.gen(function* () {
      assert.strictEqual(languageOf("fr, ko;q=0.9, en;q=0.8"), "ko")
      assert.strictEqual(languageOf("en, ko"), "en")
      assert.strictEqual(languageOf(undefined), "en")
      const { url } = yield* serve(makeFakes())
      const { text } = yield* send(`${url}/campaigns/sale/wait`, { headers: { "accept-language": "ko-KR" } })
      assert.include(text, '<html lang="ko">')
      assert.include(text, "참여하기")
    })
  )

  it.live("says why nobody can join, and who can't be a user", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(makeFakes())
      for (const [id, notice] of [
        ["not_open", "Not open yet"],
        ["closed", "This campaign is closed"],
        ["full", "The waiting room is full"]
      ] as const) {
        assert.include((yield* send(`${url}/campaigns/${id}/wait`, form("u1"))).text, notice)
      }
      assert.include((yield* send(`${url}/campaigns/sold/wait`, form("u1"))).text, "Sold out")
      const odd = yield* send(`${url}/campaigns/sale/wait`, form('"><script>alert(1)</script>'))
      assert.include(odd.text, "Letters, digits")
      assert.notInclude(odd.text, "alert(1)")
    })
  )

  it.live("takes no form from another site, which would put its own ticket into the place of the one that is kept", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const { url } = yield* serve(fakes)
      const from = (site: string) => {
        const { headers, ...init } = form("u1")
        return send(`${url}/campaigns/sale/wait`, { ...init, headers: { ...headers, "sec-fetch-site": site } })
      }
      assert.deepStrictEqual([(yield* from("cross-site")).status, fakes.calls], [403, []])
      for (const site of ["same-origin", "same-site", "none"]) assert.strictEqual((yield* from(site)).status, 303)
    })
  )

  it.live("refuses what it can't read, and asks again where the ticket is not valid", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const { url } = yield* serve(fakes)
      const page = `${url}/campaigns/sale/wait`
      assert.strictEqual((yield* send(`${url}/campaigns/unknown/wait`)).status, 404)
      assert.strictEqual((yield* send(`${url}/campaigns/a%20b/wait`)).status, 404)
      assert.strictEqual((yield* send(`${url}/campaigns/down/wait`)).status, 503)
      assert.strictEqual((yield* send(page, { ...form("u1"), headers: { "content-type": "text/plain" } })).status, 415)
      assert.strictEqual((yield* send(page, { ...form("u1"), body: "x".repeat(20_000) })).status, 413)
      assert.include((yield* send(page, { headers: { cookie: "sluice-wait=1.forged" } })).text, "<form")
      assert.include((yield* send(page, { headers: { cookie: "sluice-wait=x" } })).text, "<form")
    })
  )

  it.live("may be framed by the sites that are named, with a cookie that works there", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(makeFakes(), { frameAncestors: ["https://shop.example"] })
      const asking = yield* send(`${url}/campaigns/sale/wait`)
      assert.include(asking.headers["content-security-policy"], "frame-ancestors 'self' https://shop.example")
      const joined = yield* send(`${url}/campaigns/sale/wait`, form("u1"))
      assert.include(joined.headers["set-cookie"], "SameSite=None; Secure; Partitioned")
      assert.include((yield* send(`${url}/campaigns`)).headers["content-security-policy"], "frame-ancestors 'none'")
    })
  )

  it.live("gives nobody a place who has to prove who they are", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const { url } = yield* serve(fakes, { userSecret: Redacted.make("s".repeat(32)) })
      assert.strictEqual((yield* send(`${url}/campaigns/sale/wait`, form("u1"))).status, 401)
      assert.notInclude(fakes.calls.join(), "join")
    })
  )

  it.live("weighs less than 15 KB in all", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(makeFakes())
      let bytes = 0
      for (const path of ["/campaigns/sale/wait", "/wait.js", "/wait.css"]) {
        bytes += Buffer.byteLength((yield* send(url + path)).text)
      }
      assert.isBelow(bytes, 15_000)
    })
  )
})
