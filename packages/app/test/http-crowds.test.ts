import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Redacted, Scope } from "effect"
import type { CrowdView } from "../src/crowd/Crowds.ts"
import { HttpAddress } from "../src/http/Server.ts"
import * as Serving from "../src/Serving.ts"
import { readSettings } from "../src/Settings.ts"
import { adminKey, asAdmin, makeFakes, post, raw, send, serve } from "./http-testing.ts"

const ask = (url: string, path: string, method = "GET") => send(url + path, { method, headers: asAdmin })
const start = (url: string, body: unknown) => post(`${url}/crowds`, body, asAdmin)

/** Everything in this process, on the embedded engines. */
const embedded = Effect.gen(function* () {
  const dir = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "sluice-crowds-"))),
    (made) => Effect.sync(() => rmSync(made, { recursive: true }))
  )
  const settings = yield* readSettings({
    SLUICE_DATA_DIR: dir,
    SLUICE_PORT: "0",
    SLUICE_ADMIN_KEY: adminKey,
    SLUICE_LOG_LEVEL: "None"
  })
  const context = yield* Layer.build(Serving.layer(settings))
  return Effect.runSync(Effect.provideContext(HttpAddress, context))
})

const views = (text: string): ReadonlyArray<CrowdView> =>
  text
    .split("\n")
    .filter((line) => line.startsWith("data: "))
    .map((line) => JSON.parse(line.slice(6)))

describe("a crowd", () => {
  it.live("is watched to its end, and judged like a rush", () =>
    Effect.gen(function* () {
      const { url } = yield* embedded
      yield* post(`${url}/campaigns`, { id: "sale", name: "Sale", stock: 30, ratePerSecond: 1000 }, asAdmin)
      const { json, status } = yield* start(url, { campaignId: "sale", users: 100, seconds: 1 })
      assert.strictEqual(status, 202)
      const seen = views((yield* ask(url, `/crowds/${json.crowd}/events`)).text)
      assert.isAtLeast(seen.length, 2)
      assert.deepInclude(seen[0], {
        crowd: json.crowd,
        campaignId: "sale",
        state: "running",
        users: 100,
        verdicts: [],
        endedAt: null
      })
      const last = seen.at(-1)!
      assert.deepInclude(last, {
        state: "done",
        users: 100,
        joined: 100,
        waiting: 0,
        issued: 30,
        soldOut: 70,
        others: 0,
        errors: 0,
        problems: []
      })
      assert.deepStrictEqual(
        last.verdicts.map(({ outcome, promise }) => [promise, outcome]),
        [1, 2, 3, 5].map((promise) => [promise, "pass"])
      )
      assert.isAbove(last.joinsPerSecond, 0)
      assert.isAtLeast(last.p99Ms!, last.p50Ms!)
      assert.isNotNull(last.endedAt)
      assert.deepStrictEqual((yield* ask(url, `/crowds/${json.crowd}`)).json, last)
      assert.deepStrictEqual(views((yield* ask(url, `/crowds/${json.crowd}/events`)).text), [last])
      assert.strictEqual((yield* ask(url, `/crowds/${json.crowd}`, "DELETE")).status, 204)
      assert.deepStrictEqual((yield* ask(url, "/crowds")).json, [last])
      const { entries } = (yield* ask(url, "/audit")).json
      assert.deepStrictEqual(
        entries.map(({ action, target }: { action: string; target: string }) => [action, target]),
        [
          ["crowd.stop", json.crowd],
          ["crowd.start", "sale"],
          ["campaign.create", "sale"]
        ]
      )
    }).pipe(Effect.scoped)
  )

  it.live("that can't join has failed, and says why", () =>
    Effect.gen(function* () {
      const { url } = yield* embedded
      const later = { id: "later", name: "Later", stock: 30, ratePerSecond: 10, opensAt: "2036-11-24T12:00:00Z" }
      yield* post(`${url}/campaigns`, later, asAdmin)
      const { json } = yield* start(url, { campaignId: "later", users: 3, seconds: 1 })
      const last = views((yield* ask(url, `/crowds/${json.crowd}/events`)).text).at(-1)!
      assert.deepInclude(last, { state: "failed", joined: 0, others: 3, errors: 3 })
      assert.deepStrictEqual(last.problems, ["Nobody could join: 3 x 409 not_open."])
    }).pipe(Effect.scoped)
  )

  it.live("is alone, can be stopped, and makes room for the next", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(makeFakes())
      const { crowd } = (yield* start(url, { campaignId: "sale", users: 2000, seconds: 1 })).json
      yield* ask(url, `/crowds/${crowd}`).pipe(Effect.repeat({ until: ({ json }) => json.joined > 0 && json.waiting > 0 }))
      const other = yield* start(url, { campaignId: "sale", users: 1 })
      assert.deepStrictEqual([other.status, other.json.code], [409, "crowd_running"])
      assert.include(other.json.detail, crowd)
      assert.strictEqual((yield* ask(url, `/crowds/${crowd}`, "DELETE")).status, 204)
      const stopped = (yield* ask(url, `/crowds/${crowd}`)).json
      assert.deepInclude(stopped, { state: "stopped", problems: [] })
      assert.isAbove(stopped.joined, 0)
      assert.strictEqual((yield* ask(url, `/crowds/${crowd}`, "DELETE")).status, 204)
      assert.strictEqual((yield* start(url, { campaignId: "sale", users: 1 })).status, 202)
    }).pipe(Effect.scoped)
  )

  it.live("of many that start at the same moment only one does", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(makeFakes())
      const answers = yield* Effect.all(
        Array.from({ length: 10 }, () => start(url, { campaignId: "sale", users: 10, seconds: 1 })),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(answers.map(({ status }) => status).sort(), [202, ...Array.from({ length: 9 }, () => 409)])
    }).pipe(Effect.scoped)
  )

  it.live("is remembered with the nineteen before it", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(makeFakes())
      const ids: Array<string> = []
      for (let i = 0; i < 22; i++) {
        const { crowd } = (yield* start(url, { campaignId: "sale", users: 1, seconds: 1 })).json
        yield* ask(url, `/crowds/${crowd}`, "DELETE")
        ids.unshift(crowd)
      }
      const listed = (yield* ask(url, "/crowds")).json
      assert.deepStrictEqual(
        listed.map(({ crowd }: { crowd: string }) => crowd),
        ids.slice(0, 20)
      )
      const gone = yield* ask(url, `/crowds/${ids[21]}`)
      assert.deepStrictEqual([gone.status, gone.json.code], [404, "crowd_not_found"])
    }).pipe(Effect.scoped)
  )

  it.live("ends with its server, and its watchers are told", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const scope = yield* Scope.make()
      const { port, url } = yield* Effect.provideService(serve(fakes), Scope.Scope, scope)
      const { crowd } = (yield* start(url, { campaignId: "sale", users: 500, seconds: 1 })).json
      const watcher = yield* raw(port)
      watcher.write(`GET /crowds/${crowd}/events HTTP/1.1\r\nhost: a\r\nauthorization: ${asAdmin.authorization}\r\n\r\n`)
      yield* Effect.promise(() => watcher.until((heard) => /"joined":[1-9]/.test(heard), "nobody joined"))
      const startedAt = performance.now()
      yield* Scope.close(scope, Exit.void)
      assert.isBelow(performance.now() - startedAt, 5_000)
      assert.isTrue((yield* Effect.promise(() => watcher.closed())).endsWith("\r\n0\r\n\r\n"))
    }).pipe(Effect.scoped)
  )

  it.live("is refused where it makes no sense, before anything is sent", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const { url } = yield* serve(fakes)
      const bad: ReadonlyArray<readonly [body: unknown, paths: ReadonlyArray<string>]> = [
        [{}, ["campaignId", "users"]],
        [{ campaignId: "a b", users: 1 }, ["campaignId"]],
        [{ campaignId: "sale", users: 0 }, ["users"]],
        [{ campaignId: "sale", users: 20_001 }, ["users"]],
        [{ campaignId: "sale", users: 1.5 }, ["users"]],
        [{ campaignId: "sale", users: "5" }, ["users"]],
        [{ campaignId: "sale", users: 5, seconds: 0 }, ["seconds"]],
        [{ campaignId: "sale", users: 5, seconds: 601 }, ["seconds"]],
        [{ campaignId: "sale", users: 5, seconds: null }, ["seconds"]],
        [{ campaignId: "sale", users: 20_000, seconds: 9 }, ["seconds"]],
        [{ campaignId: "sale", users: 5, url: "http://elsewhere" }, ["url"]]
      ]
      for (const [body, paths] of bad) {
        const { json, status } = yield* start(url, body)
        assert.deepStrictEqual(
          [status, json.errors.map(({ path }: { path: string }) => path)],
          [400, paths],
          JSON.stringify(body)
        )
      }
      for (const [campaignId, status, code] of [
        ["unknown", 404, "campaign_not_found"],
        ["down", 503, "unavailable"]
      ] as const) {
        const answer = yield* start(url, { campaignId, users: 1 })
        assert.deepStrictEqual([answer.status, answer.json.code], [status, code])
      }
      for (const id of ["0123456789abcde", "0123456789ABCDEF", "..%2f..%2f", "%00", "__proto__"]) {
        for (const [path, method] of [
          ["", "GET"],
          ["/events", "GET"],
          ["", "DELETE"]
        ] as const) {
          const answer = yield* ask(url, `/crowds/${id}${path}`, method)
          assert.deepStrictEqual([answer.status, answer.json.code], [400, "bad_request"], id)
        }
      }
      assert.strictEqual((yield* ask(url, "/crowds/0123456789abcdef/events")).json.code, "crowd_not_found")
      assert.strictEqual((yield* post(`${url}/crowds`, { campaignId: "sale", users: 1 })).status, 401)
      for (const path of ["/crowds", "/crowds/0123456789abcdef", "/crowds/0123456789abcdef/events"]) {
        assert.strictEqual((yield* send(url + path)).status, 401)
      }
      assert.deepStrictEqual((yield* ask(url, "/crowds")).json, [])
      assert.isFalse(fakes.calls.some((call) => call.startsWith("join")))
    }).pipe(Effect.scoped)
  )

  it.live("is refused where users have to prove who they are", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(makeFakes(), { userSecret: Redacted.make("a-secret-of-32-bytes-or-more-....") })
      const { json, status } = yield* start(url, { campaignId: "sale", users: 1 })
      assert.deepStrictEqual([status, json.code], [409, "crowd_refused"])
    }).pipe(Effect.scoped)
  )
})
