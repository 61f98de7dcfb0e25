import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Logger, Scope } from "effect"
import { HttpAddress, layer, layerOperations } from "../src/http/Server.ts"
import { layerFakes, makeFakes, post, raw, send, serve, testOptions } from "./http-testing.ts"

const turn = Effect.promise(() => new Promise((next) => setImmediate(next)))

describe("operations", () => {
  it.live("say live and ready, with each engine", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const { url } = yield* serve(fakes)
      const live = yield* send(`${url}/health/live`)
      assert.deepStrictEqual([live.status, live.json], [200, { status: "live" }])
      const ready = yield* send(`${url}/health/ready`)
      assert.deepStrictEqual(
        [ready.status, ready.json],
        [200, { status: "ready", engines: [{ engine: "fake", ok: true, milliseconds: 1 }] }]
      )
      fakes.engines.push({ engine: "redis", ok: false, detail: "no answer in 2 s", milliseconds: 2000 })
      const down = yield* send(`${url}/health/ready`)
      assert.strictEqual(down.status, 503)
      assert.deepStrictEqual(down.json, { status: "not_ready", engines: fakes.engines })
      assert.strictEqual((yield* send(`${url}/health/live`)).status, 200)
    }).pipe(Effect.scoped)
  )

  it.live("count and time requests by route and status, whichever way they took", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(makeFakes())
      yield* post(`${url}/campaigns/sale/tickets`, { userId: "u1" })
      yield* post(`${url}/campaigns/sale/tickets?long=way`, { userId: "u1" })
      yield* post(`${url}/campaigns/sale/tickets`, {})
      yield* send(`${url}/campaigns/a-secret-name`)
      yield* send(`${url}/a-secret-path`)
      yield* send(`${url}/campaigns`, { method: "PUT" })
      const { headers, text } = yield* send(`${url}/metrics`)
      assert.strictEqual(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
      const join = 'method="POST",route="/campaigns/:id/tickets"'
      for (const line of [
        `sluice_http_requests_total{${join},status="202"} 2`,
        `sluice_http_requests_total{${join},status="400"} 1`,
        `sluice_http_request_duration_seconds_count{${join},status="202"} 2`,
        `sluice_http_request_duration_seconds_bucket{${join},status="202",le="+Inf"} 2`,
        'sluice_http_requests_total{method="GET",route="/campaigns/:id",status="200"} 1',
        'sluice_http_requests_total{method="other",route="none",status="404"} 1',
        'sluice_http_requests_total{method="other",route="none",status="405"} 1',
        "sluice_http_requests_in_flight 1"
      ]) {
        assert.include(text, `\n${line}\n`)
      }
      for (const name of ["process_cpu_seconds_total", "process_resident_memory_bytes", "nodejs_eventloop_lag_p99_seconds"]) {
        assert.match(text, new RegExp(`\\n${name} [0-9.e-]+\\n`))
      }
      assert.notInclude(text, "secret")
    }).pipe(Effect.scoped)
  )

  it.live("take the metrics of a server away with it", () =>
    Effect.gen(function* () {
      yield* Effect.scoped(
        Effect.flatMap(serve(makeFakes()), ({ url }) => post(`${url}/campaigns/sale/tickets`, { userId: "u1" }))
      )
      const { url } = yield* serve(makeFakes())
      assert.notInclude((yield* send(`${url}/metrics`)).text, "/campaigns/:id/tickets")
    }).pipe(Effect.scoped)
  )

  it.live("are all that a process without a gateway serves", () =>
    Effect.gen(function* () {
      const context = yield* Layer.build(
        layerOperations({ ...testOptions, adminKey: undefined }).pipe(Layer.provide(layerFakes(makeFakes())))
      )
      const { url } = Effect.runSync(Effect.provideContext(HttpAddress, context))
      for (const path of ["/health/live", "/health/ready", "/metrics"]) assert.strictEqual((yield* send(url + path)).status, 200)
      for (const path of ["/", "/campaigns", "/openapi.json", "/docs", "/users/u1/coupons"]) {
        assert.strictEqual((yield* send(url + path)).json.code, "not_found")
      }
      assert.strictEqual((yield* post(`${url}/campaigns/sale/tickets`, { userId: "u1" })).status, 404)
    }).pipe(Effect.scoped)
  )

  it.live("log a defect with its cause, and tell nobody else", () =>
    Effect.gen(function* () {
      const logs: Array<string> = []
      const logger = Logger.layer([
        Logger.make(({ cause, message }) =>
          logs.push(`${message} ${String(cause.reasons.map((reason) => reason._tag === "Die" && reason.defect))}`)
        )
      ])
      const { url } = yield* Effect.provide(serve(makeFakes()), logger)
      for (const path of ["/campaigns/defect", "/campaigns/defect/tickets/t.defect.u1"]) {
        const answer = yield* send(url + path)
        assert.deepStrictEqual([answer.status, answer.json.code], [500, "internal"])
        assert.notInclude(answer.text, "secret-internals")
      }
      assert.strictEqual(logs.length, 2)
      for (const log of logs) assert.match(log, /^A request failed unexpectedly Error: secret-internals$/)
    }).pipe(Effect.scoped)
  )
})

describe("the port", () => {
  it.live("that is taken is an error with a way out", () =>
    Effect.gen(function* () {
      const other = createServer()
      yield* Effect.acquireRelease(
        Effect.promise(() => new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve))),
        () => Effect.sync(() => other.close())
      )
      const { port } = other.address() as AddressInfo
      const error = yield* Effect.flip(serve(makeFakes(), { port }))
      assert.strictEqual(error._tag, "ListenError")
      assert.strictEqual(
        error.message,
        `Can't listen on 127.0.0.1:${port}: another process listens there; choose another port with SLUICE_PORT, or 0 for a free one`
      )
    }).pipe(Effect.scoped)
  )

  it.live("is told, with an address that works", () =>
    Effect.gen(function* () {
      const { host, port, url } = yield* serve(makeFakes(), { host: "localhost" })
      assert.isAbove(port, 0)
      assert.strictEqual(url, `http://${host.includes(":") ? `[${host}]` : host}:${port}`)
    }).pipe(Effect.scoped)
  )
})

describe("the end", () => {
  /** A server, and what happened around it in which order. */
  const start = (options: Parameters<typeof layer>[0] = {}) =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const happened: Array<string> = []
      const scope = yield* Scope.make()
      const below = Layer.effectDiscard(
        Effect.acquireRelease(Effect.void, () => Effect.sync(() => happened.push("services released")))
      )
      const whole = layer({ ...testOptions, ...options }).pipe(Layer.provide(layerFakes(fakes).pipe(Layer.provideMerge(below))))
      const address = Effect.runSync(Effect.provideContext(HttpAddress, yield* Layer.buildWithScope(whole, scope)))
      return { ...address, fakes, happened, close: Scope.close(scope, Exit.void) }
    })

  const look = "GET /campaigns/sale/tickets/t.sale.u1 HTTP/1.1\r\nhost: a\r\n\r\n"

  it.live("lets those finish who are being answered, and only then releases what is below", () =>
    Effect.gen(function* () {
      const { close, fakes, happened, port } = yield* start()
      const { promise, resolve } = Promise.withResolvers<void>()
      fakes.hold = promise
      const [short, long] = [yield* raw(port), yield* raw(port)]
      short.write(look)
      while (fakes.unsafe < 1) yield* turn
      long.write(look.replace("t.sale.u1", "t.sale.u1?long=way"))
      const idle = yield* raw(port)
      idle.write(look.replace("/tickets/t.sale.u1", ""))
      yield* Effect.promise(() => idle.until((heard) => heard.includes('"id":"sale"'), "no answer"))
      const closing = yield* Effect.forkChild(close)
      yield* Effect.promise(() => idle.closed())
      const late = yield* raw(port)
      assert.strictEqual(yield* Effect.promise(() => late.closed()), "")
      assert.deepStrictEqual(happened, [])
      resolve()
      for (const client of [short, long]) {
        const heard = yield* Effect.promise(() => client.closed())
        assert.match(heard, /^HTTP\/1\.1 200 OK\r\n/)
        assert.isTrue(heard.endsWith('"pollAfterMs":500}'))
      }
      yield* Fiber.join(closing)
      assert.deepStrictEqual(happened, ["services released"])
    }).pipe(Effect.scoped)
  )

  it.live("is told by readiness first, while all else goes on", () =>
    Effect.gen(function* () {
      const { close, url } = yield* start({ drainGrace: "300 millis" })
      const closing = yield* Effect.forkChild(close)
      const ready = yield* Effect.repeat(send(`${url}/health/ready`), { until: ({ status }) => status === 503 })
      assert.strictEqual(ready.json.status, "draining")
      assert.strictEqual((yield* send(`${url}/health/live`)).status, 200)
      const answer = yield* post(`${url}/campaigns/sale/tickets`, { userId: "u1" }, { connection: "keep-alive" })
      assert.deepStrictEqual([answer.status, answer.headers.connection], [202, "close"])
      yield* Fiber.join(closing)
      assert.isTrue(Exit.isFailure(yield* Effect.exit(send(`${url}/health/live`))))
    }).pipe(Effect.scoped)
  )

  it.live("ends event streams whole", () =>
    Effect.gen(function* () {
      const { close, fakes, port } = yield* start()
      const client = yield* raw(port)
      client.write("GET /campaigns/sale/events HTTP/1.1\r\nhost: a\r\n\r\n")
      yield* Effect.promise(() => client.until((heard) => heard.includes("data: "), "no event"))
      yield* close
      const heard = yield* Effect.promise(() => client.closed())
      assert.isTrue(heard.endsWith("\r\n0\r\n\r\n"))
      assert.strictEqual(fakes.watchers, 0)
    }).pipe(Effect.scoped)
  )

  it.live("does not hang up on a request that was on its way when the port closed", () =>
    Effect.gen(function* () {
      const { close, port, url } = yield* start()
      const idle = yield* raw(port)
      idle.write(look.replace("/tickets/t.sale.u1", ""))
      yield* Effect.promise(() => idle.until((heard) => heard.includes('"id":"sale"'), "no answer"))
      const closing = yield* Effect.forkChild(close)
      yield* Effect.repeat(Effect.exit(send(`${url}/health/live`)), { until: Exit.isFailure })
      idle.heard = ""
      idle.write(look)
      const heard = yield* Effect.promise(() => idle.closed())
      assert.match(heard, /^HTTP\/1\.1 503 /)
      assert.match(heard, /\r\nretry-after: \d+\r\n/i)
      assert.match(heard, /\r\nconnection: close\r\n/i)
      yield* Fiber.join(closing)
    }).pipe(Effect.scoped)
  )

  it.live("turns away what comes on an old connection once it has begun", () =>
    Effect.gen(function* () {
      const { close, fakes, port } = yield* start()
      const { promise, resolve } = Promise.withResolvers<void>()
      fakes.hold = promise
      const [client, idle] = [yield* raw(port), yield* raw(port)]
      client.write(look)
      while (fakes.unsafe < 1) yield* turn
      idle.write(look.replace("/tickets/t.sale.u1", ""))
      yield* Effect.promise(() => idle.until((heard) => heard.includes('"id":"sale"'), "no answer"))
      const closing = yield* Effect.forkChild(close)
      yield* Effect.promise(() => idle.closed())
      client.write(look)
      yield* turn
      resolve()
      const heard = yield* Effect.promise(() => client.closed())
      assert.match(heard, /^HTTP\/1\.1 200 OK\r\n/)
      assert.include(heard, "\r\nConnection: close\r\n")
      assert.strictEqual(fakes.unsafe, 1)
      yield* Fiber.join(closing)
    }).pipe(Effect.scoped)
  )

  it.live("does not wait for ever", () =>
    Effect.gen(function* () {
      const { close, fakes, happened, port, url } = yield* start({ drainTimeout: "50 millis" })
      fakes.hold = new Promise(() => {})
      const [stuck, silent, slow] = [yield* raw(port), yield* raw(port), yield* raw(port)]
      stuck.write(look)
      silent.write("GET /campaigns")
      slow.write(
        "POST /campaigns/sale/tickets HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 15\r\n\r\n{"
      )
      yield* Effect.repeat(send(`${url}/metrics`), { until: ({ text }) => text.includes("\nsluice_http_requests_in_flight 3\n") })
      yield* close
      for (const client of [stuck, silent, slow]) assert.strictEqual(yield* Effect.promise(() => client.closed()), "")
      assert.deepStrictEqual(happened, ["services released"])
    }).pipe(Effect.scoped)
  )
})
