/**
 * Which requests are traced, and the span of each that is.
 *
 * One that comes with W3C's `traceparent` goes on in that trace if it is sampled; of the others a share begins one. Above a bounded
 * number a second nobody is traced, whatever clients send. A traced request takes the long way through the router, which gives the same
 * answers; all others take the way they would take without tracing, and make no span. A span names the route and never the path, since
 * a path may hold a ticket. The answer names the trace in `traceresponse`.
 */
import type { IncomingMessage } from "node:http"
import { Tracing } from "@sluice/engines"
import { Effect, type Tracer } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import type { FastPath } from "./FastPath.ts"
import { Limiter } from "./Limits.ts"

/** Of one process. */
const perSecond = 100

const decided = Symbol("sluice.trace")

interface Traced extends IncomingMessage {
  [decided]?: { readonly parent: Tracer.AnySpan | undefined; route: string }
}

/** Tells the span of a traced request which route it takes. */
export const nameRoute = (req: Traced, route: string): void => {
  const trace = req[decided]
  if (trace !== undefined) trace.route = route
}

const isOperation = (url: string) => url === "/metrics" || url.startsWith("/health/")

export const makeServerSpans = (ratio: number) => {
  const limit = new Limiter("trace", { perSecond, burst: perSecond })
  const bucket = { fullAtMs: 0 }

  const isTraced = (req: Traced): boolean => {
    const header = req.headers[Tracing.traceHeader]
    const parent = typeof header === "string" ? Tracing.spanOf(header) : undefined
    const isLeftOut = typeof header === "string" && header.endsWith("-00")
    if (parent === undefined && (isLeftOut || Math.random() >= ratio)) return false
    if (isOperation(req.url!) || limit.takeFrom(bucket, performance.now()) !== undefined) return false
    req[decided] = { parent, route: "none" }
    return true
  }

  const around = <E, R>(app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
      const req = request.source as Traced
      const trace = req[decided]
      if (trace === undefined) return app
      return Effect.useSpan(
        `${req.method} ${trace.route}`,
        {
          kind: "server",
          sampled: true,
          ...(trace.parent === undefined ? { root: true } : { parent: trace.parent }),
          attributes: { "http.request.method": req.method, "http.route": trace.route, "url.scheme": "http" }
        },
        (span) =>
          Effect.map(Tracing.within(span)(app), (response) => {
            span.attribute("http.response.status_code", response.status)
            if (response.status >= 500) span.attribute("error.type", String(response.status))
            return HttpServerResponse.setHeader(response, "traceresponse", Tracing.traceparentOf(span))
          })
      )
    })

  const beside =
    (fast: FastPath): FastPath =>
    (req, res) =>
      isTraced(req) ? undefined : fast(req, res)

  return { around, beside }
}
