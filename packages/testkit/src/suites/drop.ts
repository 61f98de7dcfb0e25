/**
 * The drop from the join to the coupon, on whole engines: the promises as a user of the services would see them broken.
 */

import { randomUUID } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import {
  CampaignAdmin,
  Campaigns,
  Drop,
  type Drop as DropService,
  Issuances,
  Issuer,
  OnSale,
  Recovery,
  RoomKeeper
} from "@sluice/coupons"
import { type CampaignId, CouponWonJson, type NewCampaign, type TicketView, winsTopic } from "@sluice/domain"
import { deadLetterTopic, EventLog } from "@sluice/engines"
import { Admission, Tickets, type WaitingRoom } from "@sluice/waiting-room"
import { Effect, Layer, Redacted, Schedule, Schema } from "effect"
import type { SqlClient } from "effect/sql"

export type Engines = SqlClient.SqlClient | WaitingRoom | EventLog

const services = CampaignAdmin.layer.pipe(
  Layer.provideMerge(Drop.layer),
  Layer.provideMerge(Layer.mergeAll(Recovery.layer({ hold: "1 second", drain: "2 seconds" }), OnSale.layer)),
  Layer.provideMerge(
    Layer.mergeAll(
      Campaigns.layer,
      Issuances.layer,
      Tickets.layer([{ kid: "t", secret: Redacted.make("a secret of at least 32 characters") }])
    )
  )
)

const roles = Layer.effectDiscard(
  Effect.gen(function* () {
    const onSale = yield* OnSale
    const recovery = yield* Recovery
    yield* Effect.forkScoped(Admission.run({ campaigns: onSale.campaigns, rebuild: (id) => Effect.ignore(recovery.ensure(id)) }))
    yield* Effect.forkScoped(RoomKeeper.run)
    yield* Effect.forkScoped(Issuer.run)
  })
)

const eventually = <A, E, R>(what: string, ask: Effect.Effect<A, E, R>, holds: (a: A) => boolean) =>
  ask.pipe(
    Effect.filterOrFail(holds, (a) => new Error(`${what}: still ${JSON.stringify(a).slice(0, 300)}`)),
    Effect.retry(Schedule.spaced("25 millis").pipe(Schedule.upTo({ times: 600 })))
  )

const users = (n: number) => Array.from({ length: n }, (_, i) => `u${i + 1}`)

/** `lose` takes the room's state of one campaign away, as a flush would. */
export const dropSuite = (
  name: string,
  engines: Layer.Layer<Engines, unknown>,
  lose: (campaignId: CampaignId) => Effect.Effect<void, unknown, Engines>
) => {
  const all = roles.pipe(Layer.provideMerge(services), Layer.provideMerge(engines), Layer.orDie)

  const open = (stock: number, more: Partial<NewCampaign> = {}) =>
    Effect.gen(function* () {
      const admin = yield* CampaignAdmin
      const id = `drop-${randomUUID().slice(0, 13)}`
      yield* admin.create({ id, name: "a sale", stock, ratePerSecond: 5000, ...more })
      return id
    })
  const joinAll = (drop: DropService["Service"], id: CampaignId, ids: ReadonlyArray<string>) =>
    Effect.forEach(ids, (userId) => drop.join(id, userId), { concurrency: "unbounded" })
  const lookAll = (drop: DropService["Service"], id: CampaignId, tickets: ReadonlyArray<string>) =>
    Effect.forEach(tickets, (ticket) => drop.look(id, ticket), { concurrency: "unbounded" })
  const settled = (views: ReadonlyArray<TicketView>) => views.every(({ state }) => state === "issued" || state === "sold_out")
  const balanced = Effect.fnUntraced(function* (id: CampaignId) {
    const view = yield* (yield* Drop).campaign(id)
    assert.strictEqual(view.stock, view.remaining + view.issuing + view.issued + view.dead)
    return view
  })

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
          value: encode({
            type: "CouponWon",
            version: 1,
            campaignId: id,
            generation: 1,
            serial: i + 1,
            userId,
            seq: 2 ** 32 + i + 1,
            wonAtMs: Date.now()
          })
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
        const win = {
          type: "CouponWon",
          version: 1,
          campaignId: id,
          generation: 1,
          serial: 1,
          userId: "good",
          seq: 2 ** 32 + 1,
          wonAtMs: 1
        }
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
        yield* issuances.issue(
          [3, 1].map((serial) => ({
            type: "CouponWon" as const,
            version: 1 as const,
            campaignId: id,
            generation: 1,
            serial,
            userId: `u${serial}`,
            seq: 2 ** 32 + serial,
            wonAtMs: 1
          }))
        )
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
}
