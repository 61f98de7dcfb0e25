/**
 * How the whole system does, sampled once a second for everybody who looks, and not at all while nobody does.
 *
 * Every part is asked on its own and for a bounded time: one that does not answer is null and keeps no other waiting.
 */
import { Drop } from "@sluice/coupons"
import { Orders } from "@sluice/orders"
import { Clock, Deferred, Duration, Effect, Metric, Schedule, Stream } from "effect"
import version from "../../package.json" with { type: "json" }
import { Health } from "../http/Health.ts"
import { Lag } from "../Lag.ts"

export interface Overview {
  readonly at: string
  readonly engines: ReadonlyArray<{
    readonly name: string
    readonly state: "up" | "down"
    readonly required: boolean
    readonly detail?: string
    readonly milliseconds: number
  }> | null
  readonly lag: ReadonlyArray<{ readonly consumer: string; readonly events: number; readonly milliseconds: number }> | null
  readonly outbox: { readonly events: number; readonly oldestMs: number } | null
  readonly orders: { readonly placed: number; readonly placedPerSecond: number | null }
  readonly admitted: ReadonlyArray<{
    readonly campaignId: string
    /** Over all processes; null in the first sample. */
    readonly perSecond: number | null
    readonly ratePerSecond: number
  }> | null
  readonly process: { readonly uptimeSeconds: number; readonly rssBytes: number; readonly version: string }
}

const patience = "2 seconds"
/** Those in which most happens. */
const maxCampaigns = 100
/** How long the first sample waits for its parts. */
const firstWithin = "2500 millis"
/** So that who asks every few seconds gets rates as well. */
const stays = "5 seconds"

/** What rises, as a number a second between two readings. */
class Rate {
  #last: { readonly atMs: number; readonly value: number; readonly perSecond: number | null } | undefined

  at(nowMs: number, value: number): number | null {
    const last = this.#last
    if (last === undefined) this.#last = { atMs: nowMs, value, perSecond: null }
    else if (nowMs > last.atMs) {
      const perSecond = Math.max(0, Math.round(((value - last.value) * 10_000) / (nowMs - last.atMs)) / 10)
      this.#last = { atMs: nowMs, value, perSecond }
    }
    return this.#last?.perSecond ?? null
  }
}

const bounded = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A | null> =>
  effect.pipe(
    Effect.timeout(patience),
    Effect.catchCause(() => Effect.succeed(null))
  )

const secondly = () => 1000

/** A thousand campaigns do not keep the engines busy for somebody who looks at them. */
const leisurely = (tookMs: number) => Math.min(5000, Math.max(1000, 9 * tookMs))

export const make = Effect.gen(function* () {
  const drop = yield* Drop
  const health = yield* Health
  const lag = yield* Lag

  const engines = Effect.map(health.check, (all) =>
    all.map(({ detail, engine, milliseconds, ok, required }) => ({
      name: engine,
      state: ok ? ("up" as const) : ("down" as const),
      required: required !== false,
      ...(detail === undefined ? {} : { detail }),
      milliseconds
    }))
  )

  const sampled = Effect.gen(function* () {
    const now: { -readonly [K in "engines" | "lag" | "outbox" | "admitted"]: Overview[K] } = {
      engines: null,
      lag: null,
      outbox: null,
      admitted: null
    }
    const rates = new Map<string, Rate>()
    const admitted = Effect.gen(function* () {
      const campaigns = yield* drop.campaigns
      const atMs = yield* Clock.currentTimeMillis
      const known = new Set(campaigns.map(({ id }) => id))
      for (const id of rates.keys()) if (!known.has(id)) rates.delete(id)
      const busy = campaigns.flatMap(({ id, ratePerSecond, remaining, state, stock }) => {
        const rate = rates.get(id) ?? new Rate()
        rates.set(id, rate)
        const perSecond = rate.at(atMs, stock - remaining)
        const isOfInterest = state === "open" || state === "paused" || (perSecond ?? 0) > 0
        return isOfInterest ? [{ campaignId: id, perSecond, ratePerSecond }] : []
      })
      return busy.sort((a, b) => (b.perSecond ?? 0) - (a.perSecond ?? 0)).slice(0, maxCampaigns)
    })
    /** Asks again and again; gives what waits for the first answer. */
    const keep = Effect.fnUntraced(function* <A>(
      ask: Effect.Effect<A, unknown>,
      set: (value: A | null) => void,
      rest: (tookMs: number) => number
    ) {
      const first = yield* Deferred.make<void>()
      const asked = Effect.gen(function* () {
        const [took, value] = yield* Effect.timed(bounded(ask))
        set(value)
        yield* Deferred.succeed(first, undefined)
        yield* Effect.sleep(rest(Duration.toMillis(took)))
      })
      yield* Effect.forkScoped(Effect.forever(asked))
      return Deferred.await(first)
    })
    const firsts = [
      yield* keep(engines, (value) => (now.engines = value), secondly),
      yield* keep(admitted, (value) => (now.admitted = value), leisurely),
      yield* keep(
        lag.report,
        (report) => {
          now.lag = report && Object.entries(report).map(([consumer, behind]) => ({ consumer, ...behind }))
          now.outbox = report && { events: report.relay.events, oldestMs: report.relay.milliseconds }
        },
        secondly
      )
    ]
    const orders = new Rate()
    const sample = Effect.gen(function* () {
      const atMs = yield* Clock.currentTimeMillis
      const placed = (yield* Metric.value(Orders.placedTotal)).count
      const overview: Overview = {
        at: new Date(atMs).toISOString(),
        ...now,
        orders: { placed, placedPerSecond: orders.at(atMs, placed) },
        process: {
          uptimeSeconds: Math.round(process.uptime()),
          rssBytes: process.memoryUsage.rss(),
          version: version.version
        }
      }
      return overview
    })
    yield* Effect.timeoutOption(Effect.all(firsts, { concurrency: "unbounded", discard: true }), firstWithin)
    return Stream.fromEffectSchedule(sample, Schedule.spaced("1 second"))
  })

  return yield* Stream.share(Stream.unwrap(sampled), { capacity: 2, strategy: "sliding", replay: 1, idleTimeToLive: stays })
})
