import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Option, References, Tracer } from "effect"
import * as Batcher from "../src/Batcher.ts"
import { currentSpan, forEachTrace, spanOf, traceparentOf, within } from "../src/Tracing.ts"

const traceparent = (digit: string, flags = "01") => `00-${digit.repeat(32)}-${digit.repeat(16)}-${flags}`

/** A tracer that keeps its spans. */
const kept = () => {
  const spans: Array<Tracer.Span> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  return { spans, traced: Effect.provideService(Tracer.Tracer, tracer) }
}

const parentOf = (span: Tracer.Span) => Option.getOrUndefined(span.parent)

describe("a traceparent", () => {
  it("names a span where it is whole and sampled", () => {
    assert.deepInclude(spanOf(traceparent("a")), { traceId: "a".repeat(32), spanId: "a".repeat(16) })
    assert.strictEqual(traceparentOf(spanOf(traceparent("b"))!), traceparent("b"))
    for (const not of [
      undefined,
      null,
      "",
      "nonsense",
      traceparent("a", "00"),
      traceparent("0"),
      traceparent("A"),
      `${traceparent("a")}-x`
    ]) {
      assert.isUndefined(spanOf(not), String(not))
    }
  })
})

describe("work for many", () => {
  it.effect("is a span in the trace of each that has one; what it does belongs to the first, and the others link to that", () => {
    const { spans, traced } = kept()
    return Effect.gen(function* () {
      const work = (sentOn: ReadonlyArray<string | null | undefined>) => Effect.as(Effect.withSpan(Effect.void, "inside"), sentOn)
      const sentOn = yield* forEachTrace("batch", "consumer", [undefined, traceparent("a"), "nonsense", traceparent("b")], work)
      const [first, second, inside] = spans
      assert.deepStrictEqual(
        spans.map(({ kind, name, traceId }) => [name, kind, traceId[0]]),
        [
          ["batch", "consumer", "a"],
          ["batch", "consumer", "b"],
          ["inside", "internal", "a"]
        ]
      )
      assert.strictEqual(parentOf(first!)?.spanId, "a".repeat(16))
      assert.strictEqual(parentOf(inside!), first)
      assert.deepStrictEqual(
        second!.links.map(({ span }) => span),
        [first!]
      )
      assert.deepStrictEqual(sentOn, [undefined, traceparentOf(first!), undefined, traceparentOf(second!)])
      for (const { status } of spans) assert.strictEqual(status._tag, "Ended")
    }).pipe(traced)
  })

  it.effect("ends its spans as the work ended", () => {
    const { spans, traced } = kept()
    return Effect.gen(function* () {
      yield* Effect.exit(forEachTrace("batch", "producer", [traceparent("a")], () => Effect.fail("away")))
      const { status } = spans[0]!
      assert.isTrue(status._tag === "Ended" && Exit.isFailure(status.exit))
    }).pipe(traced)
  })

  it.effect("makes no span where nobody is traced, and sends on what came where this process does not trace", () => {
    const { spans, traced } = kept()
    return Effect.gen(function* () {
      assert.deepStrictEqual(yield* forEachTrace("batch", "consumer", [null, undefined], Effect.succeed), [null, undefined])
      const came = [traceparent("a"), undefined]
      assert.deepStrictEqual(
        yield* Effect.provideService(forEachTrace("batch", "consumer", came, Effect.succeed), References.TracerEnabled, false),
        came
      )
      assert.isEmpty(spans)
    }).pipe(traced)
  })
})

describe("a batch", () => {
  it.effect("is part of the trace of the first who is traced", () =>
    Effect.gen(function* () {
      const seen: Array<string | undefined> = []
      const batcher = yield* Batcher.make({
        maxBatch: 10,
        run: (_key: string, items: ReadonlyArray<number>) =>
          Effect.map(currentSpan, (span) => {
            seen.push(span?.traceId[0])
            return items
          })
      })
      const ask = (item: number, span?: Tracer.AnySpan) => within(span)(batcher.request("k", item))
      yield* Effect.all([ask(1), ask(2, spanOf(traceparent("a"))), ask(3, spanOf(traceparent("b")))], { concurrency: 3 })
      yield* ask(4)
      assert.deepStrictEqual(seen, ["a", undefined])
    })
  )
})
