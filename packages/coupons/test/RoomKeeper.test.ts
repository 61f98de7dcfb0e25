import { assert, describe, it } from "@effect/vitest"
import { Issuances, OnSale, Recovery, RoomKeeper } from "@sluice/coupons"
import type { Campaign } from "@sluice/domain"
import { EventLog } from "@sluice/engines"
import { WaitingRoom } from "@sluice/waiting-room"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"

const campaign: Campaign = {
  id: "sale",
  name: "a sale",
  stock: 10,
  ratePerSecond: 5,
  opensAtMs: null,
  closesAtMs: null,
  paused: false,
  maxWaiting: null,
  createdAtMs: 0,
  ticketsExpireAtMs: 4_102_444_800_000,
  revision: 1,
  generation: 1
}

describe("keeping rooms in step", () => {
  it.effect("looks for wins of a room that has unsettled ones twice a second, and of any other each two seconds", () =>
    Effect.gen(function* () {
      const state = { unsettled: 0, asked: 0, configured: 0 }
      const layer = Layer.mergeAll(
        Layer.mock(WaitingRoom)({
          ping: Effect.void,
          configure: () => Effect.sync(() => void state.configured++),
          overdue: () =>
            Effect.sync(() => {
              state.asked++
              return { generation: 1, nowMs: 0, unsettled: state.unsettled, wins: [] }
            }),
          settle: () => Effect.succeed(0)
        }),
        Layer.mock(Issuances.Issuances)({}),
        Layer.mock(Recovery)({}),
        Layer.mock(EventLog)({}),
        Layer.succeed(OnSale, { campaigns: Effect.succeed([campaign]), refresh: Effect.void })
      )
      yield* Effect.forkScoped(Effect.provide(RoomKeeper.run, layer))
      yield* TestClock.adjust(10_000)
      assert.deepStrictEqual(state, { unsettled: 0, asked: 5, configured: 1 })
      state.unsettled = 3
      yield* TestClock.adjust(2_000)
      state.asked = 0
      yield* TestClock.adjust(10_000)
      assert.strictEqual(state.asked, 20)
    })
  )
})
