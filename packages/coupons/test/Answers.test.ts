import { assert, describe, it } from "@effect/vitest"
import { Campaigns, Drop, Issuances, OnSale, Recovery } from "@sluice/coupons"
import type { Campaign, Issuance, TicketView } from "@sluice/domain"
import { type Standing, Tickets, WaitingRoom } from "@sluice/waiting-room"
import { Effect, Exit, Layer, Redacted } from "effect"

const campaign: Campaign = {
  id: "sale",
  name: "a sale",
  stock: 1000,
  ratePerSecond: 400,
  opensAtMs: null,
  closesAtMs: null,
  paused: false,
  maxWaiting: null,
  createdAtMs: 0,
  ticketsExpireAtMs: 4_102_444_800_000,
  revision: 1,
  generation: 1
}

interface Fakes {
  /** Admissions a second as the room has measured them. */
  readonly pace: number | null
  readonly standingOf: (userId: string, index: number) => Standing
  readonly issued?: ReadonlyArray<Issuance>
}

/** The drop over a room that says what it is told to. */
const using = ({ issued = [], pace, standingOf }: Fakes) => {
  const joins: Array<number> = []
  const room = Layer.mock(WaitingRoom)({
    ping: Effect.void,
    join: (_, users) =>
      Effect.sync(() => {
        joins.push(users.length)
        return { pace: { nowMs: 0, remaining: 1000, ratePerSecond: pace }, standings: users.map(standingOf) }
      })
  })
  const layer = Drop.layer.pipe(
    Layer.provide([
      room,
      Layer.mock(Campaigns.Campaigns)({ list: Effect.succeed([campaign]) }),
      Layer.mock(Issuances.Issuances)({ bySerial: () => Effect.succeed(issued) }),
      Layer.mock(Recovery)({ answered: (_, ask) => Effect.orDie(ask) }),
      Layer.succeed(OnSale, { campaigns: Effect.succeed([campaign]), refresh: Effect.void }),
      Tickets.layer([{ kid: "t", secret: Redacted.make("a secret of at least 32 characters") }])
    ])
  )
  return { layer, joins }
}

const at = (position: number): Standing => ({ state: "waiting", seq: position, position, isNew: true })

/** What a user at this place is told. */
const told = (pace: number | null, position: number) =>
  Effect.map(
    Effect.provide(
      Drop.use((drop) => drop.join("sale", "u")),
      using({ pace, standingOf: () => at(position) }).layer
    ),
    (joined) => joined.view
  )

const distances = [1, 5, 20, 80, 300, 2000, 9000, 1_000_000]

describe("what a user is told", () => {
  it.effect("the time is reckoned from the pace as it is, not from the rate as it was set", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* told(8, 80)).etaSeconds, 10)
      assert.strictEqual((yield* told(400, 80)).etaSeconds, 0.2)
      assert.strictEqual((yield* told(null, 80)).etaSeconds, null)
    })
  )

  for (const [pace, first, middle] of [
    [8, 300, 2500],
    [null, 1002, 1160]
  ] as const) {
    it.effect(`who is farther away is to ask less often, and at least each 10 seconds, at a pace of ${pace}`, () =>
      Effect.gen(function* () {
        const waits = yield* Effect.forEach(distances, (position) =>
          Effect.map(told(pace, position), (view) => view.pollAfterMs!)
        )
        assert.deepStrictEqual(
          waits,
          waits.toSorted((a, b) => a - b)
        )
        assert.deepStrictEqual([waits[0], waits[distances.indexOf(80)], waits.at(-1)], [first, middle, 10_000])
      })
    )
  }

  it.effect("a serial that the database has for another user is nobody's coupon here", () =>
    Effect.gen(function* () {
      const won = (userId: string): Standing => ({ state: "won", seq: 1, serial: userId === "u1" ? 1 : 2 })
      const row = (serial: number, userId: string) => ({
        campaignId: "sale",
        serial,
        userId,
        seq: 1,
        code: `C${serial}`,
        issuedAtMs: 0
      })
      const { layer } = using({ pace: 8, standingOf: won, issued: [row(1, "another"), row(2, "u2")] })
      const drop = yield* Effect.provide(Drop, layer)
      const [one, two] = [(yield* drop.join("sale", "u1")).view, (yield* drop.join("sale", "u2")).view]
      assert.deepInclude(one, { state: "issuing", pollAfterMs: 250 })
      assert.notProperty(one, "code")
      assert.deepInclude(two, { state: "issued", serial: 2, code: "C2" })
    })
  )

  it.effect("joins of one turn travel in one call, and each is given its own answer", () =>
    Effect.gen(function* () {
      const { joins, layer } = using({ pace: 8, standingOf: (_, i) => at(i + 1) })
      const drop = yield* Effect.provide(Drop, layer)
      const views = yield* Effect.callback<ReadonlyArray<TicketView>>((resume) => {
        const answers: Array<TicketView> = []
        for (let i = 0; i < 100; i++) {
          drop.joinUnsafe("sale", `u${i}`, (exit) => {
            if (Exit.isFailure(exit)) return resume(Effect.die(exit.cause))
            answers[i] = exit.value.view
            if (Object.keys(answers).length === 100) resume(Effect.succeed(answers))
          })
        }
      })
      assert.deepStrictEqual(joins, [100])
      assert.deepStrictEqual(
        views.map(({ position }) => position),
        Array.from({ length: 100 }, (_, i) => i + 1)
      )
    })
  )
})
