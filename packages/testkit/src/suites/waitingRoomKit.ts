/**
 * What the rules of the waiting room are written with: a room of its own for each rule, whose counters are held against each other after
 * every call.
 */

import { assert, type Vitest } from "@effect/vitest"
import type { Campaign, CampaignCounters } from "@sluice/domain"
import { type Place, type Standing, WaitingRoom, type Win } from "@sluice/waiting-room"
import { Effect } from "effect"

export interface Engine<R> {
  /** Lets the engine's clock go on. */
  readonly elapse: (ms: number) => Effect.Effect<void>
  /** Whether that takes no time: rules with long waits are only held against such an engine. */
  readonly isVirtual: boolean
  /** Makes the engine forget all it knows about a campaign. */
  readonly lose: (campaignId: string) => Effect.Effect<void, unknown, R>
}

export type It<R> = Vitest.MethodsNonLive<WaitingRoom | R>

/** Passes as fast as the engine allows: for rules that are not about the rate. */
export const fastest = 1_000_000

export const assertIdentity = (counters: CampaignCounters) => {
  const { dead, issued, issuing, remaining, stock, waiting } = counters
  assert.strictEqual(
    remaining + issuing + issued + dead,
    stock,
    `stock = remaining + issuing + issued + dead: ${JSON.stringify(counters)}`
  )
  for (const count of [dead, issued, issuing, remaining, waiting]) assert.isAtLeast(count, 0)
}

/** What may pass at once: a tenth of a second's worth. */
export const tickOf = (rate: number) => Math.max(1, Math.floor(rate / 10))

export interface Passed {
  readonly nowMs: number
  readonly count: number
}

/** In no stretch of time more than the rate gives in it, and what may pass at once. */
export const assertRate = (passed: ReadonlyArray<Passed>, rate: number) => {
  const inOrder = passed.filter(({ count }) => count > 0).toSorted((a, b) => a.nowMs - b.nowMs)
  for (const [i, first] of inOrder.entries()) {
    let sum = 0
    for (const { count, nowMs } of inOrder.slice(i)) {
      sum += count
      // Times come in whole milliseconds: a stretch may be one longer than it looks.
      const most = Math.max(1, rate / 10) + (rate * (nowMs - first.nowMs + 1)) / 1_000
      assert.isAtMost(sum, most, `passed from ${first.nowMs} to ${nowMs} at ${rate} a second`)
    }
  }
}

export const names = (count: number, prefix = "u") => Array.from({ length: count }, (_, i) => `${prefix}${i + 1}`)

export const waitingAt = (position: number, seq: number, isNew = false): Standing => ({ state: "waiting", seq, position, isNew })

export const campaignOf = (id: string, overrides: Partial<Campaign>): Campaign => ({
  id,
  name: "A sale",
  stock: 100,
  ratePerSecond: fastest,
  opensAtMs: null,
  closesAtMs: null,
  paused: false,
  maxWaiting: null,
  createdAtMs: 0,
  ticketsExpireAtMs: 4_102_444_800_000,
  revision: 1,
  generation: 1,
  ...overrides
})

/** The times that a rule starts from, by the engine's clock. */
export const engineNow = Effect.gen(function* () {
  const { room, id } = yield* sale()
  return (yield* room.counters(id)).nowMs
})

/** An open room of a new campaign, and the calls on it. */
export const sale = Effect.fnUntraced(function* (overrides: Partial<Campaign> = {}) {
  const room = yield* WaitingRoom
  const id = `c-${crypto.randomUUID()}`
  const campaign = campaignOf(id, overrides)
  const owner = "first"
  assert.isTrue(yield* room.begin(id, owner, 10_000))
  yield* room.finish(campaign, owner, 0)

  const counters = Effect.tap(room.counters(id), (c) => Effect.sync(() => assertIdentity(c)))
  const checked = <A, E>(call: Effect.Effect<A, E>) => Effect.tap(call, () => counters)

  const join = (...users: ReadonlyArray<string>) => checked(Effect.map(room.join(id, users), ({ standings }) => standings))

  return {
    room,
    id,
    campaign,
    counters,
    checked,
    join,
    /** Joins and gives the places, which each of them must have got. */
    places: (...users: ReadonlyArray<string>) =>
      Effect.map(join(...users), (standings) =>
        standings.map((standing, i): Place => {
          if (standing.state !== "waiting") assert.fail(`${users[i]} got no place: ${standing.state}`)
          return { userId: users[i]!, seq: standing.seq }
        })
      ),
    look: (...tickets: ReadonlyArray<Place>) => checked(Effect.map(room.look(id, tickets), ({ standings }) => standings)),
    leave: (...tickets: ReadonlyArray<Place>) => checked(room.leave(id, tickets)),
    admit: (limit = 1_000) => checked(room.admit(id, limit)),
    settle: (settlement: { readonly issued?: ReadonlyArray<Win>; readonly dead?: ReadonlyArray<Win> }) =>
      checked(room.settle(id, settlement)),
    configure: (change: Partial<Campaign>) => checked(room.configure({ ...campaign, revision: 2, ...change })),
    /** A new generation of the room, from what is issued. */
    rebuild: Effect.fnUntraced(function* (
      change: Partial<Campaign>,
      issued: ReadonlyArray<Win>,
      free: ReadonlyArray<number>,
      holdMs = 0
    ) {
      assert.isTrue(yield* room.begin(id, "rebuilder", 10_000))
      yield* room.load(id, "rebuilder", { issued, free })
      yield* checked(room.finish({ ...campaign, generation: 2, revision: 2, ...change }, "rebuilder", holdMs))
    })
  }
})

export type Sale = Effect.Success<ReturnType<typeof sale>>

/** Admits until `count` have passed, or nobody did for a while. */
export const drain = (engine: Pick<Engine<unknown>, "elapse">, on: Sale, count = Number.POSITIVE_INFINITY) =>
  Effect.gen(function* () {
    const wins: Array<Win> = []
    for (let idle = 0; idle < 5 && wins.length < count; ) {
      yield* engine.elapse(2)
      const admitted = yield* on.admit(Math.min(1_000, count - wins.length))
      wins.push(...admitted.wins)
      idle = admitted.wins.length === 0 ? idle + 1 : 0
    }
    return wins
  })
