import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { asAdmin, makeFakes, raw, send, serve } from "./http-testing.ts"

const watch = (path: string, more = "") =>
  `GET ${path} HTTP/1.1\r\nhost: a\r\nauthorization: ${asAdmin.authorization}\r\naccept: text/event-stream\r\n${more}\r\n`

const events = (heard: string) =>
  heard
    .split("\n")
    .filter((line) => line.startsWith("data: "))
    .map((line) => JSON.parse(line.slice(6)))

describe("the overview over HTTP", () => {
  it.live("answers once, and goes on as a stream", () =>
    Effect.gen(function* () {
      const { port, url } = yield* serve(makeFakes())
      const { json, status } = yield* send(`${url}/overview`, { headers: asAdmin })
      assert.strictEqual(status, 200)
      const names = ["at", "engines", "lag", "outbox", "orders", "admitted", "process"]
      assert.sameMembers(Object.keys(json), names)
      const client = yield* raw(port)
      client.write(watch("/overview/events"))
      const heard = yield* Effect.promise(() => client.until((text) => events(text).length >= 3, "fewer than three events"))
      assert.match(heard, /^HTTP\/1\.1 200 [\s\S]*content-type: text\/event-stream/i)
      assert.include(heard, "retry: 2000\n\n")
      const seen = events(heard)
      for (const sample of seen) assert.sameMembers(Object.keys(sample), names)
      assert.isAbove(Date.parse(seen[2].at), Date.parse(seen[0].at))
    }).pipe(Effect.scoped)
  )

  it.live("is the admin's alone, whatever else is sent", () =>
    Effect.gen(function* () {
      const { port, url } = yield* serve(makeFakes())
      for (const path of ["/overview", "/overview/events"]) {
        const refused = yield* send(url + path)
        assert.deepStrictEqual([refused.status, refused.json.code], [401, "unauthorized"])
        assert.strictEqual((yield* send(url + path, { method: "POST", headers: asAdmin })).status, 405)
      }
      for (const more of [
        "last-event-id: 5\r\n",
        `last-event-id: ${"x".repeat(4000)}\r\n`,
        "last-event-id: \x01\xff\r\n",
        "range: bytes=0-1\r\n"
      ]) {
        const client = yield* raw(port)
        client.write(watch("/overview/events?since=1", more))
        const heard = yield* Effect.promise(() => client.until((text) => text.includes("\r\n\r\n"), "no answer"))
        assert.match(heard, /^HTTP\/1\.1 (200|400) /, more)
      }
    }).pipe(Effect.scoped)
  )

  it.live("counts among the streams that there may be, and ends whole with the process", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { port, url } = yield* Effect.provideService(serve(makeFakes(), { maxStreams: 1 }), Scope.Scope, scope)
      const client = yield* raw(port)
      client.write(watch("/overview/events"))
      yield* Effect.promise(() => client.until((text) => text.includes("data: "), "no event"))
      const full = yield* send(`${url}/overview/events`, { headers: asAdmin })
      assert.deepStrictEqual([full.status, full.json.code], [503, "overloaded"])
      assert.strictEqual((yield* send(`${url}/overview`, { headers: asAdmin })).status, 200)
      yield* Scope.close(scope, Exit.void)
      assert.isTrue((yield* Effect.promise(() => client.closed())).endsWith("\r\n0\r\n\r\n"))
    }).pipe(Effect.scoped)
  )
})
