/**
 * What nobody counts by doing it and has to be looked at, as gauges on `/metrics`: engines, crowds, lags, what was set aside.
 *
 * Each process looks at what its own roles stand on, every few seconds and never because it is scraped, so a scrape costs nothing and
 * hangs on no engine. A gauge that could not be read now is not served at all: no figure is older than one look. Figures of the whole
 * system are the same in every process that serves them, so they are read by `max`, not by `sum`.
 */
import { deadLetterGroup, Issuer, OnSale } from "@sluice/coupons"
import { type CampaignId, ordersTopic, stateOf, winsTopic } from "@sluice/domain"
import { deadLetterTopic, EventLog } from "@sluice/engines"
import { Projector } from "@sluice/orders"
import { WaitingRoom } from "@sluice/waiting-room"
import { Clock, type Duration, Effect, Layer, Metric } from "effect"
import pkg from "../package.json" with { type: "json" }
import { Health } from "./http/Health.ts"
import type { Settings } from "./Settings.ts"

/** Every gauge with its HELP. */
const help = {
  sluice_process_info: "1, with the version and the version of Node in its labels.",
  sluice_process_role: "1 for each role of this process.",
  sluice_engine_up: "1 when the engine answered the last look, else 0.",
  sluice_engine_check_seconds: "How long the engine took to answer it.",
  sluice_campaign_open: "1 while users of the campaign can be admitted, else 0.",
  sluice_campaign_waiting_users: "Users in the waiting room.",
  sluice_campaign_stock_coupons: "The stock of the campaign.",
  sluice_campaign_coupons: "Coupons by what became of them; all states together are the stock.",
  sluice_campaign_rate_limit_per_second: "Admissions a second that the campaign allows, over all processes together.",
  sluice_campaign_pending_wins_seconds: "How long wins have been waiting for the database without one getting there.",
  sluice_consumer_lag_events: "Events in the log that the consumer has yet to commit.",
  sluice_consumer_lag_seconds: "Age of the oldest of them.",
  sluice_dead_letters_events: "Events set aside and not yet replayed."
} as const

export interface Reading {
  readonly name: keyof typeof help
  readonly labels?: Readonly<Record<string, string>>
  readonly value: number
}

/** Replaces all that it served before by what it is given. */
const makeBoard = Effect.gen(function* () {
  const context = yield* Effect.context<never>()
  const served = new Map<string, { value: number; readonly registration: Metric.Registration }>()
  const show = (readings: ReadonlyArray<Reading>) => {
    const current = new Set<string>()
    for (const { labels = {}, name, value } of readings) {
      const key = JSON.stringify([name, labels])
      current.add(key)
      const known = served.get(key)
      if (known !== undefined) {
        known.value = value
        continue
      }
      const series = { value }
      const gauge = Metric.gauge(name, { description: help[name], attributes: labels })
      const hooks = { get: () => ({ value: series.value }), update: () => {}, modify: () => {} }
      served.set(key, Object.assign(series, { registration: Metric.registerUnsafe(gauge, context, hooks) }))
    }
    for (const [key, { registration }] of served) {
      if (current.has(key)) continue
      registration.remove()
      served.delete(key)
    }
  }
  yield* Effect.addFinalizer(() => Effect.sync(() => show([])))
  return show
})

/** Since when wins of a campaign have been waiting with none of them settled. */
const makePending = () => {
  const seen = new Map<CampaignId, { readonly settled: number; readonly sinceMs: number }>()
  return (id: CampaignId, issuing: number, settled: number, nowMs: number): number => {
    const before = seen.get(id)
    if (issuing === 0) seen.delete(id)
    else if (before?.settled !== settled) seen.set(id, { settled, sinceMs: nowMs })
    return issuing === 0 || before?.settled !== settled ? 0 : (nowMs - before.sinceMs) / 1000
  }
}

const nothing: ReadonlyArray<Reading> = []

const make = Effect.fnUntraced(function* ({ roles }: Pick<Settings, "roles">, every: Duration.Input) {
  const health = yield* Health
  const log = yield* EventLog
  const room = yield* WaitingRoom
  const onSale = yield* OnSale
  const show = yield* makeBoard
  const pendingSeconds = makePending()

  const fixed: ReadonlyArray<Reading> = [
    { name: "sluice_process_info", labels: { version: pkg.version, node: process.version }, value: 1 },
    ...roles.map((role): Reading => ({ name: "sluice_process_role", labels: { role }, value: 1 }))
  ]

  const engines = Effect.map(health.check, (all) =>
    all.flatMap(
      ({ engine, milliseconds, ok }): ReadonlyArray<Reading> => [
        { name: "sluice_engine_up", labels: { engine }, value: ok ? 1 : 0 },
        { name: "sluice_engine_check_seconds", labels: { engine }, value: milliseconds / 1000 }
      ]
    )
  )

  const campaigns = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const each = yield* Effect.forEach(
      yield* onSale.campaigns,
      (campaign) => {
        const labels = { campaign: campaign.id }
        return room.counters(campaign.id).pipe(
          Effect.map(({ dead, issued, issuing, nowMs, remaining, stock, waiting }): ReadonlyArray<Reading> => {
            const coupons = Object.entries({ remaining, issuing, issued, dead })
            return [
              { name: "sluice_campaign_open", labels, value: stateOf(campaign, remaining, nowMs) === "open" ? 1 : 0 },
              { name: "sluice_campaign_waiting_users", labels, value: waiting },
              { name: "sluice_campaign_stock_coupons", labels, value: stock },
              ...coupons.map(
                ([state, value]): Reading => ({
                  name: "sluice_campaign_coupons",
                  labels: { ...labels, state },
                  value
                })
              ),
              { name: "sluice_campaign_rate_limit_per_second", labels, value: campaign.ratePerSecond },
              {
                name: "sluice_campaign_pending_wins_seconds",
                labels,
                value: pendingSeconds(campaign.id, issuing, issued + dead, now)
              }
            ]
          }),
          Effect.orElseSucceed(() => nothing)
        )
      },
      { concurrency: 8 }
    )
    return each.flat()
  })

  const lagOf = (consumer: string, topic: string, group: string) =>
    log.lag(topic, group).pipe(
      Effect.map(
        ({ events, milliseconds }): ReadonlyArray<Reading> => [
          { name: "sluice_consumer_lag_events", labels: { consumer }, value: events },
          { name: "sluice_consumer_lag_seconds", labels: { consumer }, value: milliseconds / 1000 }
        ]
      ),
      Effect.orElseSucceed(() => nothing)
    )

  const deadOf = (topic: string) =>
    log.lag(deadLetterTopic(topic), deadLetterGroup).pipe(
      Effect.map(
        ({ events }): ReadonlyArray<Reading> => [{ name: "sluice_dead_letters_events", labels: { topic }, value: events }]
      ),
      Effect.orElseSucceed(() => nothing)
    )

  const has = (...any: Settings["roles"]) => any.some((role) => roles.includes(role))
  /** A consumer is looked at by those before it too: its lag is still told when it is gone. */
  const looks = [
    engines,
    ...(has("admission") ? [campaigns] : []),
    ...(has("admission", "issuer") ? [lagOf("issuer", winsTopic, Issuer.issuerGroup), deadOf(winsTopic)] : []),
    ...(has("relay", "projector") ? [lagOf("projector", ordersTopic, Projector.projectorGroup), deadOf(ordersTopic)] : [])
  ]
  /** A look that takes longer than the time to the next has no answer. */
  const look = Effect.forEach(
    looks,
    (one) => Effect.timeoutOrElse(one, { duration: every, orElse: () => Effect.succeed(nothing) }),
    { concurrency: "unbounded" }
  ).pipe(Effect.map((all) => show([...fixed, ...all.flat()])))

  show(fixed)
  yield* look.pipe(Effect.andThen(Effect.sleep(every)), Effect.forever, Effect.forkScoped)
})

export const layer = (settings: Pick<Settings, "roles">, every: Duration.Input = "5 seconds") =>
  Layer.effectDiscard(make(settings, every))
