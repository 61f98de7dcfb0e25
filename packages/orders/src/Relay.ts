/**
 * Publishes the outbox to the event log: every event at least once, those of one order in their order, however many relays there are.
 *
 * A shard has one relay at a time, which publishes a batch whole before it looks for the next; nothing is locked meanwhile. What is
 * published is marked after it: dying in between publishes the same again, which versions make harmless. A publish is given no longer
 * than the lease lasts, so who comes next is not overtaken; only a process that is stopped between its look at the clock and the sending
 * can be late, and then again the version decides. While the log or the database is away, the events wait in the outbox.
 */
import { randomUUID } from "node:crypto"
import { ordersTopic } from "@sluice/domain"
import { crashPoint, EventLog, EventLogError, Tracing } from "@sluice/engines"
import { Clock, Duration, Effect, Metric } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { type Held, makeLeases, nothingHeld } from "./Leases.ts"
import { sweepKeys } from "./OrderKeys.ts"
import { Outbox } from "./Outbox.ts"

export interface Options {
  /** The same after a restart only where no second process can be: it takes its own leases again at once. */
  readonly owner?: string
  readonly lease?: Duration.Input
  readonly maxBatch?: number
  /** How long published events stay in the outbox; none: they are deleted at once. */
  readonly retention?: Duration.Input
}

const published = Metric.counter("sluice_relay_events_total", {
  description: "Events of the outbox that the event log has acknowledged.",
  incremental: true
})
const size = Metric.gauge("sluice_outbox_events", { description: "Events written and not yet published." })
const age = Metric.gauge("sluice_outbox_age_seconds", { description: "Age of the oldest event that is not yet published." })

/** Commits of other processes are found by looking: soon after the last one, more seldom when it has been quiet. */
const [soon, seldom] = [20, 500]
/** While events come all the time, a batch begins this long after the one before: fewer and larger ones cost everybody less. */
const restMs = 10
const [firstPause, longestPause] = [50, 2000]
const leftToOthers = 5000

export const run = (options: Options = {}) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const outbox = yield* Outbox
    const log = yield* EventLog
    const maxBatch = options.maxBatch ?? 1000
    const retentionMs = Duration.toMillis(Duration.fromInputUnsafe(options.retention ?? 0))
    const leases = makeLeases(sql, options.owner ?? randomUUID(), options.lease ?? "6 seconds")
    let held: Held = nothingHeld
    yield* Metric.value(published)
    yield* Effect.addFinalizer(() => Effect.ignore(leases.release))

    /** Gives how many were published. */
    const step = Effect.gen(function* () {
      if (performance.now() >= held.renewAt) held = yield* leases.renew
      outbox.attend()
      const rows = yield* outbox.next(held.shards, maxBatch)
      if (rows.length === 0) return 0
      yield* crashPoint("relay.leased")
      const left = held.until - performance.now()
      if (left <= 0) {
        held = nothingHeld
        return rows.length
      }
      const publish = (sentOn: ReadonlyArray<string | null | undefined>) =>
        log.publish(
          ordersTopic,
          rows.map(({ event_key, id, payload }, i) => ({
            key: event_key,
            value: payload,
            headers: { id: String(id), ...(sentOn[i] ? { [Tracing.traceHeader]: sentOn[i] } : {}) }
          }))
        )
      const traces = rows.map(({ trace }) => trace)
      yield* Tracing.forEachTrace("Relay.publish", "producer", traces, publish).pipe(
        Effect.timeoutOrElse({
          duration: left,
          orElse: () => Effect.fail(new EventLogError({ cause: new Error("not acknowledged while the lease lasted") }))
        })
      )
      yield* crashPoint("relay.published")
      yield* outbox.published(
        rows.map(({ id }) => id),
        retentionMs > 0
      )
      yield* crashPoint("relay.marked")
      yield* Metric.update(published, rows.length)
      return rows.length
    })

    let failures = 0
    /** Others may reach the log where this relay does not: they are given its shards meanwhile. */
    const wait = Effect.fnUntraced(function* (error: EventLogError | SqlError.SqlError) {
      const isOfLog = error._tag === "EventLogError"
      if (failures++ === 0) {
        yield* Effect.logWarning("the outbox can't be published; its events wait").pipe(
          Effect.annotateLogs({ engine: isOfLog ? "event log" : "sql", error: String(error.cause ?? error.message) })
        )
      }
      held = nothingHeld
      const others = isOfLog ? yield* Effect.catch(leases.release, () => Effect.succeed(0)) : 0
      yield* Effect.sleep(others > 0 ? leftToOthers : Math.min(longestPause, firstPause * 2 ** Math.min(failures, 10)))
    })

    const loop = Effect.gen(function* () {
      let idle = soon
      while (true) {
        const startedAt = performance.now()
        const done = yield* Effect.catch(step, (error) => Effect.as(wait(error), undefined))
        if (done === undefined) continue
        if (failures > 0) yield* Effect.logInfo("the outbox is being published again")
        failures = 0
        idle = done > 0 ? soon : Math.min(seldom, idle * 2)
        const rest = startedAt + restMs - performance.now()
        if (done > 0 && done < maxBatch && rest > 0) yield* Effect.sleep(rest)
        if (done === 0) yield* outbox.awaitNews(Math.max(1, Math.min(idle, held.renewAt - performance.now())))
      }
    })

    const observe = Effect.gen(function* () {
      const backlog = yield* outbox.backlog
      yield* Metric.update(size, backlog.events)
      yield* Metric.update(age, backlog.milliseconds / 1000)
    }).pipe(Effect.ignore, Effect.andThen(Effect.sleep("2 seconds")), Effect.forever)

    const sweep = Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const swept = (yield* outbox.sweep(now - retentionMs)) + (yield* sweepKeys(sql, now))
      if (swept === 0) yield* Effect.sleep("5 seconds")
    }).pipe(
      Effect.catch(() => Effect.sleep("5 seconds")),
      Effect.andThen(Effect.sleep("20 millis")),
      Effect.forever
    )

    return yield* Effect.all([loop, observe, sweep], { concurrency: "unbounded", discard: true })
  }).pipe(Effect.scoped)
