import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Limiter } from "../src/http/Limits.ts"
import { makeFakes, post, send, serve } from "./http-testing.ts"

describe("Limiter", () => {
  it("lets a burst through, then the rate", () => {
    const limiter = new Limiter("user", { perSecond: 20, burst: 100 })
    const taken = (at: number, times: number) =>
      Array.from({ length: times }, () => limiter.take("u1", at)).filter((refusal) => refusal === undefined).length
    assert.strictEqual(taken(1_000, 150), 100)
    assert.strictEqual(taken(1_049, 10), 0)
    assert.strictEqual(taken(1_050, 10), 1)
    assert.strictEqual(taken(2_050, 50), 20)
    assert.strictEqual(taken(60_000, 150), 100)
  })

  it("counts each key for itself", () => {
    const limiter = new Limiter("user", { perSecond: 1, burst: 1 })
    assert.isUndefined(limiter.take("u1", 0))
    assert.isUndefined(limiter.take("u2", 0))
    assert.isDefined(limiter.take("u1", 0))
  })

  it("never gives more than burst and rate over any time, whenever generations change", () => {
    const limiter = new Limiter("user", { perSecond: 10, burst: 5 })
    let taken = 0
    for (let at = 0; at <= 60_000; at += 7) if (limiter.take("u1", at) === undefined) taken++
    assert.isAtMost(taken, 5 + 600)
    assert.isAtLeast(taken, 600)
  })

  it("tells when to come back", () => {
    const limiter = new Limiter("user", { perSecond: 0.1, burst: 2 })
    limiter.take("u1", 0)
    limiter.take("u1", 0)
    assert.deepStrictEqual(limiter.take("u1", 1_000)?.headers, {
      "ratelimit-policy": '"user";q=2;w=20',
      ratelimit: '"user";r=0;t=9',
      "retry-after": "9"
    })
    assert.isUndefined(limiter.take("u1", 10_000))
  })

  it("forgets nobody, however many come", () => {
    const limiter = new Limiter("user", { perSecond: 0.001, burst: 1 })
    limiter.take("somebody", 1)
    for (let i = 0; i < 500_000; i++) limiter.take(`u${i}`, 1)
    assert.isDefined(limiter.take("somebody", 1))
  })

  it("refuses next to nobody for what others ask", () => {
    const limiter = new Limiter("user", { perSecond: 0.001, burst: 100 })
    for (let i = 0; i < 1_000; i++) for (let n = 0; n < 100; n++) limiter.take(`greedy-${i}`, 1)
    for (let i = 0; i < 1_000; i++) assert.isDefined(limiter.take(`greedy-${i}`, 1))
    const refused = Array.from({ length: 100_000 }, (_, i) => limiter.take(`u${i}`, 1)).filter((refusal) => refusal !== undefined)
    assert.isBelow(refused.length, 60)
  })

  it("takes from a bucket at hand as from one of its own", () => {
    const limiter = new Limiter("user", { perSecond: 10, burst: 5 })
    const bucket = { fullAtMs: 0 }
    for (let at = 1_000; at <= 20_000; at += 7) {
      assert.strictEqual(limiter.takeFrom(bucket, at) === undefined, limiter.take("u1", at) === undefined, `at ${at}`)
    }
  })
})

describe("limits", () => {
  it.live("stop one user and not the others, over all that a user may ask", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const { url } = yield* serve(fakes, { userLimit: { perSecond: 0.001, burst: 2 } })
      const join = (userId: string) => post(`${url}/campaigns/sale/tickets`, { userId })
      assert.strictEqual((yield* join("u1")).status, 202)
      assert.strictEqual((yield* send(`${url}/users/u1/coupons`)).status, 200)
      const refused = yield* join("u1")
      assert.deepStrictEqual([refused.status, refused.json.code], [429, "too_many_requests"])
      assert.isAbove(Number(refused.headers["retry-after"]), 0)
      assert.match(refused.headers.ratelimit!, /^"user";r=0;t=\d+$/)
      assert.strictEqual(refused.headers["ratelimit-policy"], '"user";q=2;w=2000')
      assert.strictEqual((yield* send(`${url}/users/u1/coupons`)).status, 429)
      assert.strictEqual((yield* join("u2")).status, 202)
      const look = send(`${url}/campaigns/sale/tickets/t.sale.u1`)
      assert.deepStrictEqual([(yield* look).status, (yield* look).status, (yield* look).status], [200, 200, 429])
      assert.strictEqual((yield* send(`${url}/campaigns/sale/tickets/t.sale.u1`, { method: "DELETE" })).status, 429)
      assert.deepStrictEqual(
        fakes.calls.filter((call) => call.startsWith("join")),
        ["join sale u1", "join sale u2"]
      )
    }).pipe(Effect.scoped)
  )

  it.live("by address are off unless set, and never stop health and metrics", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(makeFakes(), { addressLimit: { perSecond: 0.001, burst: 3 } })
      const statuses = []
      for (let i = 0; i < 4; i++) statuses.push((yield* send(`${url}/campaigns/sale`)).status)
      assert.deepStrictEqual(statuses, [200, 200, 200, 429])
      assert.strictEqual((yield* send(`${url}/nothing`)).status, 429)
      for (const path of ["/health/live", "/health/ready", "/metrics"]) assert.strictEqual((yield* send(url + path)).status, 200)
    }).pipe(Effect.scoped)
  )

  const forwarded: ReadonlyArray<
    readonly [name: string, trusted: ReadonlyArray<string>, headers: ReadonlyArray<string>, statuses: ReadonlyArray<number>]
  > = [
    ["is not believed from just anybody", [], ["1.1.1.1", "2.2.2.2"], [200, 429]],
    ["is not believed from another proxy", ["10.0.0.0/8"], ["1.1.1.1", "2.2.2.2"], [200, 429]],
    ["tells clients apart behind a trusted proxy", ["127.0.0.1"], ["1.1.1.1", "2.2.2.2", "1.1.1.1"], [200, 200, 429]],
    [
      "counts from the right: what a client adds is not believed",
      ["127.0.0.0/8"],
      ["1.1.1.1, 3.3.3.3", "2.2.2.2, 3.3.3.3"],
      [200, 429]
    ],
    ["passes over every trusted hop", ["127.0.0.1", "10.0.0.0/8"], ["1.1.1.1, 10.1.1.1", "2.2.2.2, 10.1.1.1"], [200, 200]],
    ["is ignored where it is no address", ["127.0.0.1"], ["unknown", "nonsense"], [200, 429]]
  ]
  for (const [name, trustedProxies, headers, statuses] of forwarded) {
    it.live(`X-Forwarded-For ${name}`, () =>
      Effect.gen(function* () {
        const { url } = yield* serve(makeFakes(), { addressLimit: { perSecond: 0.001, burst: 1 }, trustedProxies })
        const seen = []
        for (const header of headers)
          seen.push((yield* send(`${url}/campaigns/sale`, { headers: { "x-forwarded-for": header } })).status)
        assert.deepStrictEqual(seen, statuses)
      }).pipe(Effect.scoped)
    )
  }

  it.live("refuse options that make no sense", () =>
    Effect.gen(function* () {
      for (const options of [
        { userLimit: { perSecond: 0, burst: 1 } },
        { addressLimit: { perSecond: 1, burst: 0 } },
        { trustedProxies: ["nonsense"] },
        { trustedProxies: ["10.0.0.0/99"] }
      ]) {
        const error = yield* Effect.flip(serve(makeFakes(), options))
        assert.strictEqual(error._tag, "HttpOptionsError")
      }
    }).pipe(Effect.scoped)
  )
})
