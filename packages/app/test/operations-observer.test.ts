import { assert, describe, it } from "@effect/vitest"
import { OnSale } from "@sluice/coupons"
import type { Campaign } from "@sluice/domain"
import { EventLog, EventLogError } from "@sluice/engines"
import { WaitingRoom, WaitingRoomError } from "@sluice/waiting-room"
import { Effect, Layer } from "effect"
import { PrometheusMetrics } from "effect/observability"
import { TestClock } from "effect/testing"
import { Health } from "../src/http/Health.ts"
import * as Observer from "../src/Observer.ts"
import type { Role } from "../src/Settings.ts"

const sale: Campaign = {
  id: "sale",
  name: "Sale",
  stock: 10,
  ratePerSecond: 100,
  opensAtMs: null,
  closesAtMs: null,
  paused: false,
  maxWaiting: null,
  createdAtMs: 0,
  ticketsExpireAtMs: 1,
  revision: 1,
  generation: 1
}

const start = Effect.fnUntraced(function* (roles: ReadonlyArray<Role>) {
  const state = { up: true, roomIsAway: false, logIsAway: false, logHangs: false, issuing: 0, issued: 0, paused: false }
  const health = Layer.succeed(
    Health,
    Health.of({
      check: Effect.sync(() => [{ engine: "redis", ok: state.up, milliseconds: 250 }])
    })
  )
  const room = Layer.mock(WaitingRoom, {
    counters: () =>
      Effect.suspend(() =>
        state.roomIsAway
          ? Effect.fail(new WaitingRoomError({ cause: "away" }))
          : Effect.succeed({
              stock: 10,
              remaining: 10 - state.issuing - state.issued,
              issuing: state.issuing,
              issued: state.issued,
              dead: 0,
              waiting: 7,
              nowMs: 1000,
              revision: 1
            })
      )
  })
  const log = Layer.mock(EventLog, {
    lag: (topic: string) =>
      Effect.suspend(() => {
        if (state.logHangs) return Effect.never
        if (state.logIsAway) return Effect.fail(new EventLogError({ cause: "away" }))
        return Effect.succeed({ events: topic.endsWith(".dlq") ? 1 : 3, milliseconds: 1500 })
      })
  })
  const onSale = Layer.succeed(
    OnSale,
    OnSale.of({ campaigns: Effect.sync(() => [{ ...sale, paused: state.paused }]), refresh: Effect.void })
  )
  yield* Layer.build(Observer.layer({ roles }).pipe(Layer.provide(Layer.mergeAll(health, room, log, onSale))))
  const next = Effect.andThen(TestClock.adjust("5 seconds"), PrometheusMetrics.format())
  yield* TestClock.adjust("1 millis")
  return { state, now: PrometheusMetrics.format(), next }
})

const lines = (text: string) => text.split("\n").filter((line) => line.startsWith("sluice_"))

describe("what is looked at", () => {
  it.effect("is served as it was at the last look, and not at all where it could not be read", () =>
    Effect.gen(function* () {
      const { next, now, state } = yield* start(["admission"])
      const first = lines(yield* now)
      for (const line of [
        'sluice_process_role{role="admission"} 1',
        'sluice_engine_up{engine="redis"} 1',
        'sluice_engine_check_seconds{engine="redis"} 0.25',
        'sluice_campaign_open{campaign="sale"} 1',
        'sluice_campaign_waiting_users{campaign="sale"} 7',
        'sluice_campaign_coupons{campaign="sale",state="remaining"} 10',
        'sluice_campaign_rate_limit_per_second{campaign="sale"} 100',
        'sluice_consumer_lag_events{consumer="issuer"} 3',
        'sluice_consumer_lag_seconds{consumer="issuer"} 1.5',
        'sluice_dead_letters_events{topic="sluice.wins"} 1'
      ]) {
        assert.include(first, line)
      }
      Object.assign(state, { up: false, roomIsAway: true, logIsAway: true, paused: true })
      const away = lines(yield* next)
      assert.include(away, 'sluice_engine_up{engine="redis"} 0')
      for (const line of away) assert.notMatch(line, /^sluice_(campaign|consumer|dead)/)
      Object.assign(state, { up: true, roomIsAway: false, logIsAway: false })
      assert.include(lines(yield* next), 'sluice_campaign_open{campaign="sale"} 0')
    }).pipe(Effect.scoped)
  )

  it.effect("is not held up by an engine that never answers", () =>
    Effect.gen(function* () {
      const { next, state } = yield* start(["admission"])
      state.logHangs = true
      state.issued = 4
      yield* next
      const text = lines(yield* next)
      assert.include(text, 'sluice_campaign_coupons{campaign="sale",state="issued"} 4')
      for (const line of text) assert.notMatch(line, /^sluice_consumer/)
    }).pipe(Effect.scoped)
  )

  it.effect("is told for how long wins have stood still", () =>
    Effect.gen(function* () {
      const { next, state } = yield* start(["admission"])
      const pending = Effect.map(next, (text) => Number(/^sluice_campaign_pending_wins_seconds\S* (\S+)$/m.exec(text)![1]))
      assert.strictEqual(yield* pending, 0)
      state.issuing = 3
      assert.strictEqual(yield* pending, 0)
      assert.strictEqual(yield* pending, 5)
      assert.strictEqual(yield* pending, 10)
      Object.assign(state, { issuing: 2, issued: 1 })
      assert.strictEqual(yield* pending, 0)
      assert.strictEqual(yield* pending, 5)
      Object.assign(state, { issuing: 0, issued: 3 })
      assert.strictEqual(yield* pending, 0)
      state.issuing = 1
      assert.strictEqual(yield* pending, 0)
    }).pipe(Effect.scoped)
  )

  it.effect("is what the roles of the process stand on, and goes with it", () =>
    Effect.gen(function* () {
      yield* Effect.scoped(
        Effect.gen(function* () {
          const text = lines(yield* (yield* start(["projector"])).now).join("\n")
          assert.include(text, 'consumer="projector"')
          assert.notInclude(text, 'consumer="issuer"')
          assert.notInclude(text, "sluice_campaign")
        })
      )
      assert.isEmpty(lines(yield* PrometheusMetrics.format()))
      const gateway = lines(yield* (yield* start(["gateway"])).now).join("\n")
      assert.include(gateway, "sluice_engine_up")
      assert.notMatch(gateway, /sluice_(campaign|consumer|dead)/)
    }).pipe(Effect.scoped)
  )
})
