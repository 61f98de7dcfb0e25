import { assert, describe, it } from "@effect/vitest"
import { Unavailable } from "@sluice/domain"
import { Sqlite } from "@sluice/engines"
import { Tickets, WaitingRoom, WaitingRoomError } from "@sluice/waiting-room"
import { Effect, Layer, Redacted } from "effect"
import { CampaignAdmin, Campaigns, Drop, Issuances, OnSale, Recovery } from "../src/index.ts"

const away = Effect.fail(new WaitingRoomError({ cause: "away" }))

const unavailable = new Unavailable({ engine: "waiting-room", retryAfterSeconds: 1 })

const roomAway = CampaignAdmin.layer.pipe(
  Layer.provideMerge(Drop.layer),
  Layer.provideMerge(Layer.mergeAll(OnSale.layer, Tickets.layer([{ kid: "t", secret: Redacted.make("x".repeat(32)) }]))),
  Layer.provideMerge(Layer.mock(WaitingRoom)({ ping: away, counters: () => away, configure: () => away })),
  Layer.provideMerge(Layer.mock(Recovery)({ answered: (_, ask) => Effect.catch(ask, () => Effect.fail(unavailable)) })),
  Layer.provideMerge(Layer.mergeAll(Campaigns.layer, Issuances.layer)),
  Layer.provideMerge(Layer.effectDiscard(Campaigns.campaignsMigration)),
  Layer.provideMerge(Sqlite.layer({ filename: ":memory:" }))
)

describe("an operator's change while the waiting room is away", () => {
  it.effect("makes a campaign all the same, and answers what nobody can have changed", () =>
    Effect.gen(function* () {
      const admin = yield* CampaignAdmin
      const campaign = { id: "sale", name: "A sale", stock: 10, ratePerSecond: 5, paused: true }
      const counters = { stock: 10, remaining: 10, waiting: 0, issuing: 0, issued: 0, dead: 0 }
      assert.deepInclude(yield* admin.create(campaign), { id: "sale", state: "paused", ...counters })
      assert.strictEqual((yield* Effect.flip(admin.create(campaign)))._tag, "CampaignExists")
      assert.deepInclude((yield* (yield* OnSale).campaigns)[0], { id: "sale" })
    }).pipe(Effect.provide(Layer.fresh(roomAway)))
  )

  it.effect("is made once and may be asked for again", () =>
    Effect.gen(function* () {
      const admin = yield* CampaignAdmin
      yield* admin.create({ id: "sale", name: "A sale", stock: 10, ratePerSecond: 5, paused: true })
      for (let again = 0; again < 2; again++) {
        assert.strictEqual((yield* Effect.flip(admin.change("sale", { stock: 20, paused: false })))._tag, "Unavailable")
        assert.deepInclude((yield* (yield* OnSale).campaigns)[0], { stock: 20, paused: false })
      }
    }).pipe(Effect.provide(Layer.fresh(roomAway)))
  )
})
