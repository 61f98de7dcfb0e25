import { assert, describe, it } from "@effect/vitest"
import type { CampaignView, TicketView } from "@sluice/domain"
import { Effect, Logger, Queue, Stream } from "effect"
import { asAdmin, campaign, type Fakes, issued, makeFakes, raw, send, serve, waiting } from "./http-testing.ts"

const get = (path: string, method = "GET") => `${method} ${path} HTTP/1.1\r\nhost: a\r\naccept: text/event-stream\r\n\r\n`

const ticket = "t.sale.u1"
const path = `/campaigns/sale/tickets/${ticket}/events`

const event = (data: unknown) => `data: ${JSON.stringify(data)}\n\n`

/** The text of a chunked answer so far, and whether its end was said. */
const read = (heard: string) => {
  let rest = heard.slice(heard.indexOf("\r\n\r\n") + 4)
  let text = ""
  for (;;) {
    const line = rest.indexOf("\r\n")
    if (line === -1) return { text, isWhole: false }
    const length = Number.parseInt(rest.slice(0, line), 16)
    if (length === 0) return { text, isWhole: true }
    text += rest.slice(line + 2, line + 2 + length)
    rest = rest.slice(line + 4 + length)
  }
}

const noWatchers = (fakes: Fakes) =>
  Effect.repeat(Effect.sync(() => fakes.watchers).pipe(Effect.tap(Effect.yieldNow)), { until: (n) => n === 0 })

describe("event streams", () => {
  it.live("tell what changes, and end with a final state", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const queue = yield* Queue.unbounded<TicketView>()
      fakes.ticketEvents = () => Stream.fromQueue(queue)
      const { port } = yield* serve(fakes)
      const client = yield* raw(port)
      client.write(get(path))
      yield* Queue.offer(queue, waiting(ticket))
      const first = yield* Effect.promise(() => client.until((heard) => read(heard).text !== "", "no first event"))
      assert.match(first, /^HTTP\/1\.1 200 OK\r\n/)
      for (const header of [
        "content-type: text/event-stream",
        "x-accel-buffering: no",
        "cache-control: no-store",
        "x-content-type-options: nosniff"
      ]) {
        assert.include(first.toLowerCase(), `\r\n${header}\r\n`)
      }
      assert.strictEqual(read(first).text, `retry: 2000\n\n${event(waiting(ticket))}`)
      yield* Queue.offerAll(queue, [{ ...waiting(ticket), position: 2 }, issued(ticket), waiting(ticket)])
      const whole = read(yield* Effect.promise(() => client.until((heard) => read(heard).isWhole, "no end")))
      assert.strictEqual(
        whole.text,
        `retry: 2000\n\n${[waiting(ticket), { ...waiting(ticket), position: 2 }, issued(ticket)].map(event).join("")}`
      )
      yield* noWatchers(fakes)
    }).pipe(Effect.scoped)
  )

  it.live("of a campaign go on until the client leaves", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const queue = yield* Queue.unbounded<CampaignView>()
      fakes.campaignEvents = () => Stream.fromQueue(queue)
      const { port } = yield* serve(fakes)
      const client = yield* raw(port)
      client.write(get("/campaigns/sale/events"))
      for (const remaining of [6, 5, 0]) {
        const view = { ...campaign("sale"), remaining }
        yield* Queue.offer(queue, view)
        yield* Effect.promise(() => client.until((heard) => read(heard).text.endsWith(event(view)), "no event"))
      }
      assert.strictEqual(fakes.watchers, 1)
      client.socket.destroy()
      yield* noWatchers(fakes)
    }).pipe(Effect.scoped)
  )

  const refused: ReadonlyArray<readonly [path: string, status: number, code: string]> = [
    ["/campaigns/sale/tickets/forged/events", 401, "ticket_invalid"],
    ["/campaigns/sale/tickets/a%00b/events", 401, "ticket_invalid"],
    ["/campaigns/unknown/tickets/t.unknown.u1/events", 404, "campaign_not_found"],
    ["/campaigns/down/tickets/t.down.u1/events", 503, "unavailable"],
    ["/campaigns/defect/tickets/t.defect.u1/events", 500, "internal"],
    ["/campaigns/a%20b/events", 400, "bad_request"],
    ["/campaigns/unknown/events", 404, "campaign_not_found"],
    ["/campaigns/down/events", 503, "unavailable"]
  ]
  for (const [path, status, code] of refused) {
    it.live(`that can't begin are an ordinary ${status}: ${path}`, () =>
      Effect.gen(function* () {
        const { url } = yield* serve(makeFakes())
        const answer = yield* send(url + path)
        assert.deepStrictEqual(
          [answer.status, answer.json.code, answer.headers["content-type"]],
          [status, code, "application/problem+json"]
        )
      }).pipe(Effect.provide(Logger.layer([])), Effect.scoped)
    )
  }

  it.live("carry a comment while nothing happens", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(makeFakes(), { heartbeat: "20 millis" })
      const client = yield* raw(port)
      client.write(get("/campaigns/sale/events"))
      const heard = yield* Effect.promise(() =>
        client.until((heard) => read(heard).text.endsWith("\n\n:\n\n:\n\n:\n\n"), "no comments")
      )
      assert.strictEqual(read(heard).text.replaceAll(":\n\n", ""), `retry: 2000\n\n${event(campaign("sale"))}`)
    }).pipe(Effect.scoped)
  )

  it.live("are no more than there may be, and make room when they end", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const { port, url } = yield* serve(fakes, { maxStreams: 2 })
      const clients = [yield* raw(port), yield* raw(port)]
      for (const client of clients) {
        client.write(get("/campaigns/sale/events"))
        yield* Effect.promise(() => client.until((heard) => heard.includes("data: "), "no event"))
      }
      const full = yield* send(`${url}/campaigns/sale/events`)
      assert.deepStrictEqual([full.status, full.json.code, full.headers["retry-after"]], [503, "overloaded", "1"])
      assert.include((yield* send(`${url}/metrics`)).text, "\nsluice_http_streams_open 2\n")
      clients[0]!.socket.destroy()
      yield* Effect.repeat(send(`${url}/metrics`), { until: ({ text }) => text.includes("\nsluice_http_streams_open 1\n") })
      const next = yield* raw(port)
      next.write(get("/campaigns/sale/events"))
      assert.match(yield* Effect.promise(() => next.until((heard) => heard.includes("data: "), "no event")), / 200 OK/)
    }).pipe(Effect.scoped)
  )

  it.live("that fail on the way just end", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      fakes.ticketEvents = () => Stream.concat(Stream.make(waiting(ticket)), Stream.die(new Error("secret-internals")))
      const { url } = yield* serve(fakes)
      const answer = yield* send(url + path)
      assert.deepStrictEqual([answer.status, answer.text], [200, `retry: 2000\n\n${event(waiting(ticket))}`])
    }).pipe(Effect.provide(Logger.layer([])), Effect.scoped)
  )

  it.live("that have nothing to tell are empty", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      fakes.ticketEvents = () => Stream.empty
      const { url } = yield* serve(fakes)
      assert.strictEqual((yield* send(url + path)).text, "retry: 2000\n\n")
    }).pipe(Effect.scoped)
  )

  it.live("asked for by HEAD are only begun", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const { url } = yield* serve(fakes)
      const answer = yield* send(`${url}/campaigns/sale/events`, { method: "HEAD", headers: asAdmin })
      assert.deepStrictEqual([answer.status, answer.text, answer.headers["content-type"]], [200, "", "text/event-stream"])
      yield* noWatchers(fakes)
    }).pipe(Effect.scoped)
  )
})
