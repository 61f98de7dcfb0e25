import { assert, describe, it } from "@effect/vitest"
import type { Campaign, Issuance } from "@sluice/domain"
import { settleLeaseMs, WaitingRoom, type Win } from "@sluice/waiting-room"
import { Effect, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Campaigns, Issuances, Recovery } from "../src/index.ts"
import * as Reconciliation from "../src/Reconciliation.ts"

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
  generation: 3
}

const issuedAt = (serial: number, issuedAtMs: number): Issuance => ({
  campaignId: "sale",
  serial,
  userId: `u${serial}`,
  seq: serial,
  code: `code-${serial}`,
  issuedAtMs
})

/** A room with these wins pending, and a count of issued ones that is off by `off` until it is built anew. */
const using = (written: ReadonlyArray<Issuance>, { off = 0 } = {}) => {
  const state = { off, pending: new Set(written.map(({ serial }) => serial)), renewed: [] as Array<number> }
  const win = (serial: number): Win => ({ serial, seq: serial, userId: `u${serial}` })
  const room = Layer.mock(WaitingRoom)({
    ping: Effect.void,
    unsettled: () => Effect.sync(() => [...state.pending].map(win)),
    settle: (_, { issued = [] }) =>
      Effect.sync(() => {
        for (const { serial } of issued) state.pending.delete(serial)
        return 0
      }),
    counters: () =>
      Effect.sync(() => {
        const issued = written.length - state.pending.size
        const remaining = campaign.stock - written.length - state.off
        return { stock: 10, remaining, waiting: 0, issuing: state.pending.size, issued, dead: 0, nowMs: 0, revision: 1 }
      })
  })
  const layer = Layer.mergeAll(
    room,
    Layer.mock(Campaigns.Campaigns)({ list: Effect.succeed([campaign]), find: () => Effect.succeedSome(campaign) }),
    Layer.mock(Issuances.Issuances)({ all: () => Stream.fromIterable(written), count: () => Effect.succeed(written.length) }),
    Layer.mock(Recovery)({
      answered: (_, ask) => Effect.orDie(ask),
      renew: (_, generation) =>
        Effect.sync(() => {
          state.renewed.push(generation)
          state.off = 0
        })
    })
  )
  const reconcile = Effect.flatMap(Reconciliation.make, (reconciliation) => reconciliation.reconcile("sale"))
  return { state, report: Effect.provide(reconcile, layer) }
}

describe("reconciling", () => {
  it.effect("takes an issuance that the room has yet to hear of for drift only when it should have heard long ago", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(10 * settleLeaseMs)
      const now = 10 * settleLeaseMs
      const { report, state } = using([issuedAt(1, now - 3 * settleLeaseMs), issuedAt(2, now - settleLeaseMs), issuedAt(3, now)])
      assert.deepInclude(yield* report, { issued: 3, issuing: 0, driftFound: 1, driftMended: 1 })
      assert.isEmpty(state.renewed)
    })
  )

  it.effect("builds a room anew whose counters do not add up", () =>
    Effect.gen(function* () {
      const { report, state } = using([issuedAt(1, 0)], { off: 2 })
      assert.deepInclude(yield* report, { stock: 10, issued: 1, remaining: 9, driftFound: 2, driftMended: 2 })
      assert.deepStrictEqual(state.renewed, [campaign.generation])
    })
  )
})
