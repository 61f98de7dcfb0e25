import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, References, Tracer } from "effect"
import { readSettings } from "../src/Settings.ts"
import { headersOf, withTrace } from "../src/Tracing.ts"
import { tracesUrl } from "../src/TracingOtlp.ts"
import { asAdmin, post, send } from "./http-testing.ts"
import { type Collector, collector, newTrace, wayTo } from "./operations-collector.ts"
import { serveAll, until } from "./operations-kit.ts"

const settled = (holds: () => boolean) => until(Effect.sync(holds), (answer) => answer)

const start = Effect.fnUntraced(function* (env: Record<string, string> = {}) {
  const sent = yield* collector
  const sluice = yield* serveAll({ SLUICE_OTLP_URL: sent.url, SLUICE_TRACE_RATIO: "0", ...env })
  const admin = (method: string, path: string, body: unknown) =>
    send(`${sluice.url}${path}`, {
      method,
      body: JSON.stringify(body),
      headers: { ...asAdmin, "content-type": "application/json" }
    })
  yield* admin("POST", "/campaigns", { id: "sale", name: "Sale", stock: 5, ratePerSecond: 100 })
  return { ...sluice, admin, sent }
})

/** Joins and waits for the coupon. */
const win = Effect.fnUntraced(function* (url: string, userId: string, headers: Record<string, string>) {
  const joined = yield* post(`${url}/campaigns/sale/tickets`, { userId }, headers)
  const { ticket } = joined.json
  yield* until(send(`${url}/campaigns/sale/tickets/${ticket}`), (answer) => answer.json.state === "issued")
  return { ...joined, ticket: ticket as string }
})

const statusOf = (sent: Collector, traceId: string) =>
  sent
    .of(traceId)
    .find(({ kind }) => kind === 2)
    ?.attributes.find(({ key }) => key === "http.response.status_code")?.value.intValue

describe("a trace", () => {
  it.live("runs from the join over the event log to the issuance, and tells no ticket", () =>
    Effect.gen(function* () {
      const { sent, url } = yield* start()
      const { spanId, traceId, traceparent } = newTrace()
      const quiet = yield* win(url, "u0", {})
      assert.isUndefined(quiet.headers.traceresponse)
      const joined = yield* win(url, "u1", { traceparent })
      assert.match(String(joined.headers.traceresponse), new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`))
      yield* settled(() => wayTo("Issuer.issue", spanId, sent.of(traceId)) !== undefined)
      assert.deepStrictEqual(wayTo("Issuer.issue", spanId, sent.of(traceId)), [
        "POST /campaigns/:id/tickets",
        "Admission.publish",
        "Issuer.issue"
      ])
      const engine = sent.of(traceId).filter(({ name }) => name.startsWith("sql."))
      assert.isNotEmpty(engine, "no span of the engine")
      assert.strictEqual(Number(statusOf(sent, traceId)), 202)
      assert.deepStrictEqual([...new Set(sent.spans.map((span) => span.traceId))], [traceId], "somebody else was traced")

      const look = newTrace()
      yield* send(`${url}/campaigns/sale/tickets/${joined.ticket}`, { headers: { traceparent: look.traceparent } })
      yield* settled(() => sent.of(look.traceId).some(({ kind }) => kind === 2))
      assert.strictEqual(sent.of(look.traceId).find(({ kind }) => kind === 2)!.name, "GET /campaigns/:id/tickets/:ticket")
      for (const text of sent.texts) assert.notInclude(text, joined.ticket.slice(-20))
    }).pipe(Effect.scoped)
  )

  it.live("runs from the order over the outbox and the event log to the view", () =>
    Effect.gen(function* () {
      const { admin, sent, url } = yield* start()
      yield* admin("PUT", "/customers/c1", {
        name: "Ann",
        level: "gold",
        address: { street: "Road 1", city: "Town", zipcode: "12345" }
      })
      yield* admin("PUT", "/products/p1", { name: "Pot", category: "Kitchen", price: 100 })
      const order = { customerId: "c1", lines: [{ productId: "p1", quantity: 1 }] }
      const [one, two] = [newTrace(), newTrace()]
      const [placed] = yield* Effect.all(
        [one, two].map(({ traceparent }) => post(`${url}/orders`, order, { traceparent })),
        { concurrency: 2 }
      )
      for (const { spanId, traceId } of [one, two]) {
        yield* settled(() => wayTo("Projector.apply", spanId, sent.of(traceId)) !== undefined)
        assert.deepStrictEqual(wayTo("Projector.apply", spanId, sent.of(traceId)), [
          "POST /orders",
          "Orders.place",
          "Relay.publish",
          "Projector.apply"
        ])
      }
      const paid = newTrace()
      yield* send(`${url}/orders/${placed!.json.orderId}/pay`, { method: "POST", headers: { traceparent: paid.traceparent } })
      yield* settled(() => wayTo("Projector.apply", paid.spanId, sent.of(paid.traceId)) !== undefined)
      assert.strictEqual(wayTo("Projector.apply", paid.spanId, sent.of(paid.traceId))![0], "POST /orders/:id/pay")
    }).pipe(Effect.scoped)
  )

  it.live("is begun for a share of the requests, and never against the wish of who sent one", () =>
    Effect.gen(function* () {
      const { sent, url } = yield* start({ SLUICE_TRACE_RATIO: "1", SLUICE_OTLP_HEADERS: "x-who=me%20too" })
      const unwanted = newTrace("00")
      yield* win(url, "u1", { traceparent: unwanted.traceparent })
      yield* win(url, "u2", { traceparent: "nonsense" })
      yield* settled(() => sent.spans.some(({ name }) => name === "Issuer.issue"))
      assert.isEmpty(sent.of(unwanted.traceId))
      const root = sent.spans.find(({ name }) => name === "POST /campaigns/:id/tickets")!
      assert.isUndefined(root.parentSpanId)
      assert.isDefined(wayTo("Issuer.issue", root.spanId, sent.of(root.traceId)))
      for (const headers of sent.headers) assert.strictEqual(headers["x-who"], "me too")
      assert.notInclude(
        sent.spans.map(({ name }) => name),
        "GET /metrics"
      )
    }).pipe(Effect.scoped)
  )
})

describe("without an address", () => {
  it.live("nothing is traced, whatever a client sends", () =>
    Effect.gen(function* () {
      const { url } = yield* serveAll()
      const { traceparent } = newTrace()
      const answer = yield* send(`${url}/campaigns`, { headers: { traceparent } })
      assert.isUndefined(answer.headers.traceresponse)
    }).pipe(Effect.scoped)
  )
})

describe("log lines", () => {
  const lines = Effect.fnUntraced(function* (format: Logger.Logger<unknown, string>, isJson: boolean) {
    const written: Array<string> = []
    const logger = Logger.make((options) => written.push(withTrace(format, isJson).log(options)))
    const span = Tracer.externalSpan({ traceId: "a".repeat(32), spanId: "b".repeat(16) })
    yield* Effect.log("quiet").pipe(Effect.andThen(Effect.log("in a trace").pipe(Effect.withParentSpan(span))), (effect) =>
      Effect.provideService(effect, References.CurrentLoggers, new Set([logger]))
    )
    return written
  })

  it.effect("name the trace in which they were written", () =>
    Effect.gen(function* () {
      const json = (yield* lines(Logger.formatJson, true)).map((line) => JSON.parse(line))
      assert.isUndefined(json[0].traceId)
      assert.deepInclude(json[1], { message: "in a trace", traceId: "a".repeat(32), spanId: "b".repeat(16) })
      const [quiet, traced] = yield* lines(Logger.formatLogFmt, false)
      assert.notInclude(quiet!, "traceId")
      assert.isTrue(traced!.endsWith(` traceId=${"a".repeat(32)} spanId=${"b".repeat(16)}`))
    })
  )
})

describe("settings of traces", () => {
  it.effect("are refused where they can't be meant, without their secrets", () =>
    Effect.gen(function* () {
      const bad = {
        SLUICE_OTLP_URL: "collector:4318",
        SLUICE_OTLP_HEADERS: "a secret without a name",
        SLUICE_TRACE_RATIO: "2"
      }
      const error = yield* Effect.flip(readSettings(bad))
      assert.lengthOf(error.problems, 3)
      assert.notInclude(error.message, "a secret")
    })
  )

  it("take an address with or without the path of traces", () => {
    assert.strictEqual(tracesUrl("http://c:4318"), "http://c:4318/v1/traces")
    assert.strictEqual(tracesUrl("http://c:4318/otlp/"), "http://c:4318/otlp/v1/traces")
    assert.strictEqual(tracesUrl("https://c/v1/traces"), "https://c/v1/traces")
    assert.deepStrictEqual(headersOf("Authorization=Bearer%20x,a=b=c"), { authorization: "Bearer x", a: "b=c" })
  })
})
