/**
 * Applies what happened to orders and customers to the view, in batches, and commits its position in the log after the write.
 *
 * Batches of several partitions that wait together are applied together, and the next ones while those are being committed. Dying in
 * between repeats them, which changes nothing. While the view is away nothing is given up: the batch is tried until it is
 * back. What can't be read, and what the view refuses for its own sake, goes to the dead-letter topic with the reason. Later events of the
 * same order go on: each carries the whole order, so it makes up for the one before, and a replay of that one changes nothing newer.
 */
import { type OrderEvent, OrderEventJson, ordersTopic } from "@sluice/domain"
import {
  type Batch,
  countDeadLetters,
  crashPoint,
  EventLog,
  type EventLogError,
  type LoggedEvent,
  patiently,
  Signals,
  setAside,
  Tracing
} from "@sluice/engines"
import { Effect, Exit, Metric, Schema, Stream } from "effect"
import { Arrivals, arrivalsChannel } from "./Arrivals.ts"
import { type OrderViewError, OrderViews } from "./OrderViews.ts"
import { keyOf } from "./Outbox.ts"

export const projectorGroup = "sluice.projector"

const maxBatch = 500
const together = 16
/** Of an event that the view refuses for its own sake. */
const attempts = 3

const latency = Metric.histogram("sluice_projection_seconds", {
  description: "From the commit of a change to its being visible in the order view.",
  boundaries: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
})

interface Received {
  readonly event: LoggedEvent
  readonly change: OrderEvent
}

const decode = Schema.decodeUnknownExit(OrderEventJson)

const isRefusal = ({ refused }: OrderViewError) => refused

export const run = Effect.gen(function* () {
  const log = yield* EventLog
  const views = yield* OrderViews
  const arrivals = yield* Arrivals
  const signals = yield* Signals.Signals
  yield* countDeadLetters(ordersTopic)
  yield* Metric.value(latency)

  const bury = (event: LoggedEvent, reason: string, attempts = 1) => setAside(log, event, { reason, attempts })

  /** Halves a batch that the view refuses until what it refuses stands alone. Gives what was applied. */
  const apply = (batch: ReadonlyArray<Received>): Effect.Effect<ReadonlyArray<Received>, OrderViewError | EventLogError> =>
    views.apply(batch.map(({ change }) => change)).pipe(
      Effect.retry({ while: isRefusal, times: batch.length === 1 ? attempts - 1 : 0 }),
      Effect.as(batch),
      Effect.catchIf(isRefusal, ({ cause }): Effect.Effect<ReadonlyArray<Received>, OrderViewError | EventLogError> => {
        if (batch.length === 1) return Effect.as(bury(batch[0]!.event, `refused by the view: ${String(cause)}`, attempts), [])
        const half = Math.ceil(batch.length / 2)
        return Effect.zipWith(apply(batch.slice(0, half)), apply(batch.slice(half)), (a, b) => [...a, ...b])
      }),
      Effect.tapError(() => Effect.logWarning("the order view is away; the changes wait")),
      Effect.retry(patiently)
    )

  const handle = Effect.fnUntraced(function* (batches: ReadonlyArray<Batch>) {
    yield* crashPoint("projector.received")
    const received: Array<Received> = []
    for (const event of batches.flatMap(({ events }) => events)) {
      const change = decode(event.value)
      if (Exit.isSuccess(change)) received.push({ event, change: change.value })
      else yield* bury(event, "not an event of orders of version 1")
    }
    const traces = received.map(({ event }) => event.headers[Tracing.traceHeader])
    const applied =
      received.length === 0 ? [] : yield* Tracing.forEachTrace("Projector.apply", "consumer", traces, () => apply(received))
    const ids = applied.map(({ change }) => keyOf(change))
    arrivals.announce(ids)
    if (ids.length > 0) signals.send(arrivalsChannel, ids)
    yield* crashPoint("projector.applied")
    const now = Date.now()
    for (const { change } of applied) yield* Metric.update(latency, Math.max(0, now - change.committedAtMs) / 1000)
    return batches
  })

  const commit = (batches: ReadonlyArray<Batch>) =>
    Effect.forEach(batches, (batch) => batch.commit, { concurrency: "unbounded", discard: true }).pipe(
      Effect.andThen(crashPoint("projector.committed"))
    )

  yield* log
    .batches({ topic: ordersTopic, group: projectorGroup, maxBatch })
    .pipe(
      Stream.buffer({ capacity: together }),
      Stream.chunks,
      Stream.mapEffect(handle),
      Stream.mapEffect(commit, { concurrency: together, unordered: true }),
      Stream.runDrain,
      Effect.retry(patiently)
    )
})
