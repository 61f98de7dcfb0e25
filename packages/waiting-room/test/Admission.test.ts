import { assert, describe, it } from "@effect/vitest"
import type { Campaign } from "@sluice/domain"
import { EventLog } from "@sluice/engines"
import { Admission, WaitingRoom } from "@sluice/waiting-room"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"

const sale: Campaign = {
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

/** How often rooms were asked that let nobody pass. */
const start = Effect.fnUntraced(function* (...campaigns: Array<Campaign>) {
  const state = { campaigns, remaining: 10, asked: new Map<string, number>() }
  const room = Layer.mock(WaitingRoom)({
    ping: Effect.void,
    admit: (id) =>
      Effect.map(
        Effect.clockWith((clock) => clock.currentTimeMillis),
        (nowMs) => {
          state.asked.set(id, (state.asked.get(id) ?? 0) + 1)
          return { wins: [], generation: 1, nowMs, waiting: 0, remaining: state.remaining, active: false }
        }
      )
  })
  yield* Admission.run({ campaigns: Effect.sync(() => state.campaigns), rebuild: () => Effect.void }).pipe(
    Effect.provide(Layer.mergeAll(room, Layer.mock(EventLog)({}))),
    Effect.forkScoped
  )
  const askedWithin = (id: string, ms: number) =>
    Effect.gen(function* () {
      const before = state.asked.get(id) ?? 0
      yield* TestClock.adjust(ms)
      return (state.asked.get(id) ?? 0) - before
    })
  return { state, askedWithin }
})

describe("admission", () => {
  it.effect("asks an idle room four times a second", () =>
    Effect.gen(function* () {
      const { askedWithin } = yield* start(sale)
      assert.strictEqual(yield* askedWithin("sale", 4_000), 16)
    })
  )

  for (const [what, change, remaining] of [
    ["paused", { paused: true }, 10],
    ["sold out", {}, 0],
    ["over", { closesAtMs: 1 }, 10]
  ] as const) {
    it.effect(`asks a room that is ${what} each two seconds, and at once when its definition changes`, () =>
      Effect.gen(function* () {
        const { askedWithin, state } = yield* start({ ...sale, ...change })
        state.remaining = remaining
        assert.strictEqual(yield* askedWithin("sale", 8_000), 4)
        yield* TestClock.adjust(500)
        state.campaigns = [{ ...sale, revision: 2 }]
        state.remaining = 10
        assert.strictEqual(yield* askedWithin("sale", 50), 1)
        assert.strictEqual(yield* askedWithin("sale", 4_000), 16)
      })
    )
  }

  it.effect("asks a room that is to open as often as an open one", () =>
    Effect.gen(function* () {
      const { askedWithin } = yield* start({ ...sale, opensAtMs: 3_600_000 })
      assert.strictEqual(yield* askedWithin("sale", 4_000), 16)
    })
  )
})
