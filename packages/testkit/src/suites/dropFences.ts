/** Wins that are on their way while their waiting room is lost: issued where the log has them in time, else fenced, and never both. */

import { assert, describe, it } from "@effect/vitest"
import { Campaigns, Drop, Issuances, Issuer, Recovery } from "@sluice/coupons"
import { type CouponWon, CouponWonJson, winsTopic } from "@sluice/domain"
import { EventLog } from "@sluice/engines"
import { Effect, Layer, Option, Schema } from "effect"
import { type Engines, eventually, joinAll, type Lose, open, roles, servicesOf, users, winOf } from "./dropKit.ts"

const publish = (wins: ReadonlyArray<CouponWon>) =>
  EventLog.use((log) =>
    log.publish(
      winsTopic,
      wins.map((win) => ({ key: win.userId, value: Schema.encodeSync(CouponWonJson)(win) }))
    )
  )

export const dropFencesSuite = (name: string, engines: Layer.Layer<Engines, unknown>, lose: Lose) => {
  const servicesOn = (drain: "2 seconds" | "1 minute") => servicesOf(drain).pipe(Layer.provideMerge(engines), Layer.orDie)

  describe(`wins whose room was lost, on ${name}`, () => {
    it.live("of a generation that was fenced are not issued", () =>
      Effect.gen(function* () {
        const issuances = yield* Issuances.Issuances
        const id = yield* open(5, { paused: true })
        assert.strictEqual(Option.getOrThrow(yield* (yield* Campaigns.Campaigns).fence(id)).generation, 2)
        assert.deepStrictEqual(yield* issuances.issue([winOf(id, 1), { ...winOf(id, 2), generation: 2 }]), [
          { _tag: "Fenced", campaignId: id, place: { userId: "u1", seq: 2 ** 32 + 1 } },
          { _tag: "Issued", campaignId: id, win: { userId: "u2", seq: 2 ** 32 + 2, serial: 2 } }
        ])
        assert.strictEqual(yield* issuances.count(id), 1)
      }).pipe(Effect.provide(servicesOn("2 seconds")))
    )

    it.live("that come after the rebuild leave their users at their old places", () =>
      Effect.gen(function* () {
        const drop = yield* Drop
        const id = yield* open(5, { paused: true })
        const [first] = yield* joinAll(drop, id, users(3))
        yield* lose(id)
        const stranger = Effect.map(drop.join(id, "stranger"), ({ view }) => view.position)
        yield* eventually("the room answers again", Effect.option(stranger), (answer) => answer._tag === "Some")
        yield* publish([winOf(id, 1)])
        yield* eventually("its user is before the stranger", stranger, (position) => position === 2)
        assert.deepInclude(yield* drop.look(id, first!.view.ticket!), { state: "waiting", position: 1 })
        assert.strictEqual(yield* (yield* Issuances.Issuances).count(id), 0)
      }).pipe(Effect.provide(roles.pipe(Layer.provideMerge(servicesOn("2 seconds")))))
    )

    it.live("that the log holds already are issued before the fence", () =>
      Effect.gen(function* () {
        const [drop, recovery] = [yield* Drop, yield* Recovery]
        const id = yield* open(5, { paused: true })
        yield* joinAll(drop, id, users(3))
        yield* publish([winOf(id, 1), winOf(id, 2)])
        yield* lose(id)
        assert.strictEqual((yield* Effect.flip(recovery.ensure(id)))._tag, "Unavailable")
        yield* Effect.forkScoped(Issuer.run)
        yield* eventually("the room is whole", Effect.option(recovery.ensure(id)), ({ _tag }) => _tag === "Some")
        const told = yield* joinAll(drop, id, users(3))
        assert.deepStrictEqual(
          told.map(({ view }) => `${view.state} ${view.serial ?? view.position}`),
          ["issued 1", "issued 2", "waiting 1"]
        )
      }).pipe(Effect.scoped, Effect.provide(servicesOn("1 minute")))
    )
  })
}
