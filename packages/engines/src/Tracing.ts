/**
 * Traces that go on where a fiber can't: through batches, the outbox and the event log, by W3C's `traceparent`.
 *
 * Only what is sampled travels. Where nothing is, these cost a look at one header an event, and make no span.
 */
import { Clock, Effect, Option, References, type Tracer } from "effect"
import * as Headers from "effect/http/Headers"
import * as HttpTraceContext from "effect/http/HttpTraceContext"

/** The header of HTTP requests and of events. */
export const traceHeader = "traceparent"

export const traceparentOf = (span: Tracer.AnySpan): string => `00-${span.traceId.padStart(32, "0")}-${span.spanId}-01`

/** The sampled span that a `traceparent` names. */
export const spanOf = (traceparent: string | null | undefined): Tracer.ExternalSpan | undefined => {
  if (!traceparent) return undefined
  const span = Option.getOrUndefined(HttpTraceContext.w3c(Headers.fromRecordUnsafe({ traceparent })))
  return span?.sampled === true ? span : undefined
}

/** The sampled span that this runs in. */
export const currentSpan: Effect.Effect<Tracer.AnySpan | undefined> = Effect.withFiber((fiber) => {
  const span = fiber.cache.span
  return Effect.succeed(span?.sampled === true ? span : undefined)
})

/** Runs `work` in a span that is somewhere else. */
export const within =
  (span: Tracer.AnySpan | undefined) =>
  <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    span === undefined ? work : (Effect.withParentSpan(work, span) as Effect.Effect<A, E, R>)

/**
 * Runs `work`, which is done for many at once, as one span in the trace of each that has one. What it does inside belongs to the first of
 * them, and the others link to that. `work` is given the `traceparent` of each span, to send on; a process that does not trace sends on
 * what came.
 */
export const forEachTrace = <A, E, R>(
  name: string,
  kind: Tracer.SpanKind,
  traceparents: ReadonlyArray<string | null | undefined>,
  work: (traceparents: ReadonlyArray<string | null | undefined>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  if (!traceparents.some((traceparent) => traceparent)) return work(traceparents)
  return Effect.gen(function* () {
    if (!(yield* References.TracerEnabled)) return yield* work(traceparents)
    const spans: Array<Tracer.Span> = []
    const sentOn: Array<string | undefined> = []
    for (const traceparent of traceparents) {
      const parent = spanOf(traceparent)
      const links = spans[0] === undefined ? [] : [{ span: spans[0], attributes: {} }]
      const span = parent && (yield* Effect.makeSpan(name, { parent, kind, links, sampled: true }))
      if (span !== undefined) spans.push(span)
      sentOn.push(span && traceparentOf(span))
    }
    return yield* Effect.onExit(within(spans[0])(work(sentOn)), (exit) =>
      Effect.map(Clock.currentTimeNanos, (now) => {
        for (const span of spans) span.end(now, exit)
      })
    )
  })
}
