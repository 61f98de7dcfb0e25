/**
 * The drop from the join to the coupon, on whole engines: the promises as a user of the services would see them broken.
 */

import { randomUUID } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { CampaignAdmin, Drop, type Drop as DropService, Issuances, Issuer } from "@sluice/coupons"
import { type CampaignId, CouponWonJson, type TicketView, winsTopic } from "@sluice/domain"
import { deadLetterTopic, EventLog } from "@sluice/engines"
import { Effect, Layer, Schema } from "effect"
import { dropFencesSuite } from "./dropFences.ts"
import { balanced, type Engines, eventually, joinAll, type Lose, open, roles, servicesOf, users, winOf } from "./dropKit.ts"
import { reconciliationSuite } from "./reconciliation.ts"

export const dropSuite = (name: string, engines: Layer.Layer<Engines, unknown>, lose: Lose) => {
  const all = roles.pipe(Layer.provideMerge(servicesOf("2 seconds")), Layer.provideMerge(engines), Layer.orDie)

  const lookAll = (drop: DropService["Service"], id: CampaignId, tickets: ReadonlyArray<string>) =>
    Effect.forEach(tickets, (ticket) => drop.look(id, ticket), { concurrency: "unbounded" })
  const settled = (views: ReadonlyArray<TicketView>) => views.every(({ state }) => state === "issued" || state === "sold_out")

  describe(`the drop on ${name}`, () => {
    it.live(
      "the first N of a crowd get the serials 1 to N in the order of their places, all others learn that it is sold out",
      () =>
        Effect.gen(function* () {
          const drop = yield* Drop
          const id = yield* open(60, { paused: true })
          const joined = yield* joinAll(drop, id, users(400))
          assert.deepStrictEqual(
            joined.map(({ view }) => view.position),
            users(400).map((_, i) => i + 1)
          )
          assert.isTrue(joined.every(({ isNew, view }) => isNew && view.state === "waiting" && view.etaSeconds === null))
          const again = yield* joinAll(drop, id, users(400))
          assert.deepStrictEqual(
            again.map(({ view }) => [view.ticket, view.position]),
            joined.map(({ view }) => [view.ticket, view.position])
          )
          assert.isFalse(again.some(({ isNew }) => isNew))

          yield* (yield* CampaignAdmin).change(id, { paused: false })
          const tickets = joined.map(({ view }) => view.ticket!)
          const final = yield* eventually(
            "every ticket is final",
            Effect.tap(lookAll(drop, id, tickets), () => balanced(id)),
            settled
          )
          assert.deepStrictEqual(
            final.slice(0, 60).map(({ serial, state }) => `${state} ${serial}`),
            users(60).map((_, i) => `issued ${i + 1}`)
          )
          assert.isTrue(final.slice(60).every(({ state }) => state === "sold_out"))
          assert.strictEqual(new Set(final.slice(0, 60).map(({ code }) => code)).size, 60)
          assert.deepStrictEqual(
            (yield* drop.coupons("u7")).filter(({ campaignId }) => campaignId === id)[0]?.code,
            final[6]?.code
          )
          const view = yield* eventually("the counters", balanced(id), ({ issued }) => issued === 60)
          assert.strictEqual(view.state, "sold_out")
          const late = yield* drop.join(id, "late")
          assert.deepStrictEqual([late.isNew, late.view.state, late.view.ticket], [false, "sold_out", null])
          const winner = yield* drop.join(id, "u1")
          assert.deepStrictEqual([winner.view.state, winner.view.serial, winner.view.ticket], ["issued", 1, tickets[0]])
        }).pipe(Effect.provide(all))
    )

    it.live("wins that arrive doubled and in any order are issued once", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const issuances = yield* Issuances.Issuances
        const id = yield* open(50, { paused: true })
        const encode = Schema.encodeSync(CouponWonJson)
        const wins = users(50).map((userId, i) => ({
          key: userId,
          value: encode({ ...winOf(id, i + 1), wonAtMs: Date.now() })
        }))
        yield* log.publish(winsTopic, [...wins, ...wins.toReversed(), ...wins])
        yield* eventually("issued", issuances.count(id), (n) => n === 50)
        yield* eventually("consumed", log.lag(winsTopic, Issuer.issuerGroup), ({ events }) => events === 0)
        assert.strictEqual(yield* issuances.count(id), 50)
        const view = yield* eventually("the room knows", balanced(id), ({ issued }) => issued === 50)
        assert.strictEqual(view.remaining, 0)
      }).pipe(Effect.provide(all))
    )

    it.live("what can't be issued goes to the dead letters with its reason, and holds nobody up", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const issuances = yield* Issuances.Issuances
        const id = yield* open(5, { paused: true })
        const win = { ...winOf(id, 1), userId: "good" }
        const marker = randomUUID()
        yield* log.publish(winsTopic, [
          { key: marker, value: "{ not json" },
          { key: marker, value: JSON.stringify({ ...win, version: 99 }) },
          { key: marker, value: JSON.stringify({ ...win, campaignId: "nowhere" }) },
          { key: marker, value: JSON.stringify({ ...win, serial: 6 }) },
          { key: marker, value: JSON.stringify({ ...win, generation: 7 }) },
          { key: marker, value: JSON.stringify(win) },
          { key: marker, value: JSON.stringify({ ...win, userId: "other" }) },
          { key: marker, value: JSON.stringify({ ...win, serial: 2 }) }
        ])
        yield* eventually("the good one is issued", issuances.count(id), (n) => n === 1)
        const dead = yield* eventually(
          "dead letters",
          Effect.map(log.peek({ topic: deadLetterTopic(winsTopic), group: "sluice.test", limit: 10_000 }), (events) =>
            events.filter(({ key }) => key === marker).map(({ headers }) => headers.reason)
          ),
          (reasons) => reasons.length >= 7
        )
        assert.deepStrictEqual(dead.toSorted(), [
          "generation that never began",
          "not a CouponWon of version 1",
          "not a CouponWon of version 1",
          "serial above the stock of 5",
          "the serial is another user's",
          "the user has another serial of this campaign",
          "unknown campaign"
        ])
      }).pipe(Effect.provide(all))
    )

    it.live(
      "a room that lost everything comes back: old tickets get the old places, newcomers come after them, coupons stay",
      () =>
        Effect.gen(function* () {
          const drop = yield* Drop
          const admin = yield* CampaignAdmin
          const id = yield* open(40, { paused: true })
          const joined = yield* joinAll(drop, id, users(100))
          const tickets = joined.map(({ view }) => view.ticket!)
          yield* admin.change(id, { paused: false, ratePerSecond: 100 })
          yield* eventually("some are issued", drop.campaign(id), ({ issued }) => issued >= 10)
          yield* lose(id)
          const stranger = yield* eventually(
            "the room answers again",
            drop.join(id, "stranger").pipe(Effect.catch((error) => Effect.succeed(error._tag))),
            (answer) => answer !== "Unavailable"
          )
          assert.isObject(stranger)
          yield* eventually(
            "tickets are known again",
            lookAll(drop, id, tickets).pipe(Effect.option),
            ({ _tag }) => _tag === "Some"
          )
          const final = yield* eventually("every ticket is final", lookAll(drop, id, tickets), settled)
          assert.deepStrictEqual(
            final.map(({ state }) => state),
            users(100).map((_, i) => (i < 40 ? "issued" : "sold_out"))
          )
          assert.deepStrictEqual(
            final
              .slice(0, 40)
              .map(({ serial }) => serial!)
              .toSorted((a, b) => a - b),
            users(40).map((_, i) => i + 1)
          )
          const view = yield* eventually("the counters", balanced(id), ({ issued }) => issued === 40)
          assert.strictEqual(view.issuing + view.remaining + view.dead, 0)
        }).pipe(Effect.provide(all))
    )

    it.live("reconciling tells the room what it has missed", () =>
      Effect.gen(function* () {
        const issuances = yield* Issuances.Issuances
        const admin = yield* CampaignAdmin
        const id = yield* open(10, { paused: true })
        yield* issuances.issue([winOf(id, 3), winOf(id, 1)])
        assert.strictEqual((yield* balanced(id)).issued, 0)
        const report = yield* admin.reconcile(id)
        assert.deepStrictEqual(report, {
          campaignId: id,
          stock: 10,
          issued: 2,
          issuing: 0,
          remaining: 8,
          dead: 0,
          driftFound: 2,
          driftMended: 2
        })
        assert.deepInclude(yield* admin.reconcile(id), { driftFound: 0, driftMended: 0, issued: 2 })
        const drop = yield* Drop
        assert.strictEqual((yield* drop.join(id, "u3")).view.state, "issued")
        yield* joinAll(drop, id, users(12))
        yield* admin.change(id, { paused: false })
        const view = yield* eventually("sold out", balanced(id), ({ issued }) => issued === 10)
        assert.strictEqual(view.remaining, 0)
      }).pipe(Effect.provide(all))
    )

    it.live("a campaign takes joins only when it should, and changes only as it may", () =>
      Effect.gen(function* () {
        const drop = yield* Drop
        const admin = yield* CampaignAdmin
        const soon = new Date(Date.now() + 3600_000).toISOString()
        const scheduled = yield* open(5, { opensAt: soon })
        assert.deepInclude(yield* Effect.flip(drop.join(scheduled, "u1")), { _tag: "JoinRefused", reason: "not_open" })
        assert.strictEqual((yield* drop.campaign(scheduled)).state, "scheduled")
        assert.strictEqual((yield* Effect.flip(drop.join("nowhere", "u1")))._tag, "CampaignNotFound")

        const small = yield* open(5, { paused: true, maxWaiting: 2 })
        yield* drop.join(small, "u1")
        yield* drop.join(small, "u2")
        assert.deepInclude(yield* Effect.flip(drop.join(small, "u3")), { _tag: "JoinRefused", reason: "full" })
        assert.isFalse((yield* drop.join(small, "u2")).isNew)
        const leaving = (yield* drop.join(small, "u1")).view.ticket!
        yield* drop.leave(small, leaving)
        assert.strictEqual((yield* drop.look(small, leaving)).state, "left")
        assert.strictEqual((yield* drop.join(small, "u1")).view.position, 2)

        assert.strictEqual((yield* Effect.flip(admin.change(small, { stock: 4 })))._tag, "ChangeRefused")
        assert.strictEqual((yield* admin.change(small, { stock: 7, ratePerSecond: 9 })).remaining, 7)
        assert.strictEqual(
          (yield* Effect.flip(admin.create({ id: small, name: "x", stock: 1, ratePerSecond: 1 })))._tag,
          "CampaignExists"
        )
        const closed = yield* admin.change(small, { closesAt: new Date(Date.now() - 1000).toISOString() })
        assert.strictEqual(closed.state, "closed")
        assert.deepInclude(yield* Effect.flip(drop.join(small, "u9")), { _tag: "JoinRefused", reason: "closed" })
      }).pipe(Effect.provide(all))
    )
  })

  dropFencesSuite(name, engines, lose)
  reconciliationSuite(name, engines)
}
