import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { Agenda } from "../src/rush/Agenda.ts"
import { retryAfterMs } from "../src/rush/Client.ts"
import { isBroken, type Report, spread } from "../src/rush/Report.ts"
import * as Rush from "../src/rush/Rush.ts"
import { type DropOptions, drop, type View } from "./rushServer.ts"

const crowd = { campaignId: "c", users: 200, perSecond: 2000, seed: 42 }

const rush = (options: Partial<DropOptions> = {}, more: Partial<Rush.RushOptions> = {}) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { requests, url } = yield* drop({ stock: 50, perSecond: 500, campaignId: "c", ...options })
      return { report: yield* Rush.run({ ...crowd, url, ...more }), requests }
    })
  )

const failed = ({ verdicts }: Report) => verdicts.filter(({ outcome }) => outcome === "fail").map(({ promise }) => promise)

const when =
  (isLie: (view: View, userId: string) => boolean, change: (view: View) => Partial<View>) => (view: View, userId: string) =>
    isLie(view, userId) ? { ...view, ...change(view) } : view

describe("rush", () => {
  it.live("finds an honest drop honest", () =>
    Effect.gen(function* () {
      const { report, requests } = yield* rush()
      assert.deepStrictEqual(
        report.verdicts.map(({ outcome }) => outcome),
        ["pass", "pass", "pass", "pass"]
      )
      assert.isTrue(report.complete)
      assert.isFalse(isBroken(report))
      const { issued, joined, soldOut } = report.progress
      assert.deepStrictEqual({ issued, joined, soldOut }, { issued: 50, joined: 200, soldOut: 150 })
      assert.strictEqual(report.requests.joins, 200)
      assert.strictEqual(requests.filter((line) => line.startsWith("GET /users/")).length, 50)
      assert.deepStrictEqual(report.errors, {})
    })
  )

  it.live("listens as well as asks", () =>
    Effect.gen(function* () {
      const { report } = yield* rush({}, { listenShare: 1 })
      assert.strictEqual(report.requests.looks, 0)
      assert.isAbove(report.requests.streams, 0)
      assert.deepStrictEqual(failed(report), [])
      assert.strictEqual(report.progress.issued, 50)
    })
  )

  it.live("finds out a serial given twice", () =>
    Effect.gen(function* () {
      const { report } = yield* rush({
        lie: when(
          (view) => view.serial === 7,
          () => ({ serial: 6 })
        )
      })
      assert.deepStrictEqual(failed(report), [1, 2])
    })
  )

  it.live("finds out a user told issued without a coupon", () =>
    Effect.gen(function* () {
      const lie = when(
        (view, userId) => view.state === "sold_out" && userId.endsWith("-200"),
        () => ({ state: "issued", serial: 50, code: "C50" })
      )
      const { report } = yield* rush({ lie })
      assert.includeMembers(failed(report), [1, 2])
    })
  )

  it.live("finds out that somebody was passed", () =>
    Effect.gen(function* () {
      const { report } = yield* rush({
        lie: when(
          (view) => view.serial === 7,
          () => ({ state: "sold_out" })
        )
      })
      assert.deepStrictEqual(failed(report), [5])
    })
  )

  it.live("finds out that somebody is kept waiting for ever", () =>
    Effect.gen(function* () {
      const lie = when(
        (view) => view.serial === 7,
        () => ({ state: "waiting", pollAfterMs: 100 })
      )
      const { report } = yield* rush({ lie }, { timeoutMs: 1500 })
      assert.isFalse(report.complete)
      assert.deepStrictEqual(failed(report), [5])
    })
  )

  it.live("comes back when Retry-After says so, and not before", () =>
    Effect.gen(function* () {
      const refusedAt = new Map<string, number>()
      const early: Array<number> = []
      const { report } = yield* rush(
        {
          before: (req, res) => {
            if (req.method !== "POST") return false
            const client = req.socket.remotePort!.toString()
            const since = refusedAt.get(client)
            if (since === undefined) {
              refusedAt.set(client, performance.now())
              res.writeHead(503, { "retry-after": "1", "content-type": "application/problem+json" })
              res.end(JSON.stringify({ code: "overloaded" }))
              return true
            }
            if (performance.now() - since < 950) early.push(since)
            return false
          }
        },
        { users: 1, connections: 1 }
      )
      assert.deepStrictEqual(report.retried, { "503 overloaded": 1 })
      assert.deepStrictEqual(early, [])
      assert.strictEqual(report.progress.issued, 1)
      assert.isAbove(report.joinMs.p50!, 1000)
    })
  )

  it.live("goes on after lost connections, and says how many there were", () =>
    Effect.gen(function* () {
      let cuts = 0
      const { report } = yield* rush({
        before: (req) => {
          if (req.method !== "POST" || cuts >= 5) return false
          cuts++
          req.socket.destroy()
          return true
        }
      })
      assert.strictEqual(
        Object.values(report.errors).reduce((sum, n) => sum + n, 0),
        5
      )
      assert.isTrue(report.complete)
      assert.deepStrictEqual(failed(report), [])
    })
  )

  it.live("takes the time of a join from when it was meant to start", () =>
    Effect.gen(function* () {
      // One socket and 10 ms a join: the 40th user waits for 39 others, and that is the server's doing.
      const { report } = yield* rush(
        {
          before: (req, res) => {
            if (req.method !== "POST") return false
            setTimeout(() => {
              res.writeHead(200, { "content-type": "application/json" })
              res.end(JSON.stringify({ ticket: null, state: "sold_out", position: null, etaSeconds: null, pollAfterMs: null }))
            }, 10)
            return true
          }
        },
        { users: 40, perSecond: 10_000, connections: 1 }
      )
      assert.isAbove(report.joinMs.p50!, 150)
      assert.isAbove(report.joinMs.max!, 350)
      assert.isAtLeast(report.arrivalsHeld, 35)
    })
  )

  it.live("keeps its rate against a slow server: nobody waits for a socket", () =>
    Effect.gen(function* () {
      let atOnce = 0
      let most = 0
      const { report } = yield* rush(
        {
          before: (req, res) => {
            if (req.method !== "POST") return false
            most = Math.max(most, ++atOnce)
            setTimeout(() => {
              atOnce--
              res.writeHead(200, { "content-type": "application/json" })
              res.end(JSON.stringify({ ticket: null, state: "sold_out", position: null, etaSeconds: null, pollAfterMs: null }))
            }, 1500)
            return true
          }
        },
        { users: 500, perSecond: 1000 }
      )
      assert.isAbove(most, 400)
      assert.strictEqual(report.arrivalsHeld, 0)
    })
  )

  it.live("judges what was seen so far, with no further request", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { requests, url } = yield* drop({ stock: 50, perSecond: 500, campaignId: "c" })
        const running = yield* Rush.start({ ...crowd, users: 100_000, url })
        const someJoined = Effect.repeat(
          Effect.sync(() => running.progress().joined),
          { until: (joined) => joined > 0, schedule: Schedule.spaced("5 millis") }
        )
        yield* someJoined
        const report = yield* running.soFar
        assert.isFalse(report.complete)
        assert.strictEqual(report.verdicts.find(({ promise }) => promise === 3)!.outcome, "not_applicable")
        assert.isFalse(requests.some((line) => line.startsWith("GET /users/")))
      })
    )
  )

  it.live("says that nobody answers, and that there is no such campaign", () =>
    Effect.gen(function* () {
      const nobody = yield* Effect.flip(Rush.run({ ...crowd, url: "http://127.0.0.1:1" }))
      assert.strictEqual(nobody.reason, "no_answer")
      const unknown = yield* Effect.flip(rush({}, { campaignId: "other" }))
      assert.strictEqual(unknown.reason, "no_campaign")
    })
  )
})

describe("Agenda", () => {
  it.live("wakes each once, in order, never early", () =>
    Effect.callback<void>((resume) => {
      const start = performance.now()
      const woken: Array<number> = []
      const agenda = new Agenda<number>((ms) => {
        assert.isAtLeast(performance.now() - start, ms - 1)
        woken.push(ms)
        if (ms === 20) agenda.in(40, 61)
        if (woken.length === 4) resume(Effect.sync(() => assert.deepStrictEqual(woken, [0, 20, 61, 1000])))
      })
      for (const ms of [1000, 0, 20]) agenda.in(ms, ms)
    })
  )
})

describe("figures", () => {
  it("percentiles by nearest rank", () => {
    assert.deepStrictEqual(spread([]), { p50: null, p95: null, p99: null, max: null })
    const hundred = Array.from({ length: 100 }, (_, i) => 100 - i)
    assert.deepStrictEqual(spread(hundred), { p50: 50, p95: 95, p99: 99, max: 100 })
    assert.strictEqual(spread([3]).p50, 3)
  })

  it("Retry-After as seconds and as a date", () => {
    const now = Date.parse("2026-11-24T12:00:00Z")
    assert.strictEqual(retryAfterMs("7", now), 7000)
    assert.strictEqual(retryAfterMs("Tue, 24 Nov 2026 12:00:05 GMT", now), 5000)
    assert.strictEqual(retryAfterMs("Tue, 24 Nov 2026 11:00:00 GMT", now), 0)
    assert.strictEqual(retryAfterMs("soon", now), undefined)
    assert.strictEqual(retryAfterMs(undefined, now), undefined)
  })
})
