/** Holding the room against the issuances: what is under way is no drift, and what was lost is given out again. */

import { assert, describe, it } from "@effect/vitest"
import { CampaignAdmin, Drop } from "@sluice/coupons"
import type { ReconcileReport } from "@sluice/domain"
import { Effect, Fiber, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { balanced, type Engines, eventually, joinAll, open, roles, servicesOf, users } from "./dropKit.ts"

const assertAddsUp = ({ dead, issued, issuing, remaining, stock }: ReconcileReport) =>
  assert.strictEqual(remaining + issuing + issued + dead, stock)

export const reconciliationSuite = (name: string, engines: Layer.Layer<Engines, unknown>) => {
  const all = roles.pipe(Layer.provideMerge(servicesOf("2 seconds")), Layer.provideMerge(engines), Layer.orDie)

  describe(`reconciling on ${name}`, () => {
    it.live("gives out again what the database has lost, to those who had it, and the report adds up", () =>
      Effect.gen(function* () {
        const [admin, drop, sql] = [yield* CampaignAdmin, yield* Drop, yield* SqlClient.SqlClient]
        const id = yield* open(10, { paused: true })
        const joined = yield* joinAll(drop, id, users(15))
        const states = Effect.map(
          Effect.forEach(joined, ({ view }) => drop.look(id, view.ticket!), { concurrency: "unbounded" }),
          (views) => views.map(({ position, serial, state }) => `${state} ${serial ?? position ?? ""}`.trim())
        )
        const sold = users(15).map((_, i) => (i < 10 ? `issued ${i + 1}` : "sold_out"))
        yield* admin.change(id, { paused: false })
        yield* eventually("sold out", states, (told) => told.join() === sold.join())
        yield* eventually("the room knows", balanced(id), ({ issued }) => issued === 10)
        yield* admin.change(id, { paused: true })
        yield* sql`DELETE FROM issuances WHERE campaign_id = ${id} AND serial IN (3, 7)`

        const report = { campaignId: id, stock: 10, issued: 8, issuing: 0, remaining: 2, dead: 0, driftFound: 2, driftMended: 2 }
        assert.deepStrictEqual(yield* admin.reconcile(id), report)
        assert.deepStrictEqual(yield* admin.reconcile(id), { ...report, driftFound: 0, driftMended: 0 })
        assert.deepInclude(yield* balanced(id), { issued: 8, remaining: 2, waiting: 7 })
        const back = sold.with(2, "waiting 1").with(6, "waiting 2")
        assert.deepStrictEqual(yield* states, [...back.slice(0, 10), ...[3, 4, 5, 6, 7].map((position) => `waiting ${position}`)])

        yield* admin.change(id, { paused: false })
        yield* eventually("sold out again", states, (told) => told.join() === sold.join())
        const view = yield* eventually("the room knows", balanced(id), ({ issued }) => issued === 10)
        assert.strictEqual(view.remaining, 0)
        assert.deepInclude(yield* admin.reconcile(id), { issued: 10, driftFound: 0, driftMended: 0 })
      }).pipe(Effect.provide(all))
    )

    it.live("believes the database where it names another owner of a serial", () =>
      Effect.gen(function* () {
        const [admin, drop, sql] = [yield* CampaignAdmin, yield* Drop, yield* SqlClient.SqlClient]
        const id = yield* open(4, { paused: true })
        yield* joinAll(drop, id, users(3))
        yield* admin.change(id, { paused: false })
        yield* eventually("issued", balanced(id), ({ issued }) => issued === 3)
        yield* admin.change(id, { paused: true })
        yield* sql`UPDATE issuances SET user_id = 'owner' WHERE campaign_id = ${id} AND serial = 2`
        const report = yield* admin.reconcile(id)
        assertAddsUp(report)
        assert.isAtLeast(report.driftFound, 1)
        assert.strictEqual(report.driftMended, report.driftFound)
        assert.deepInclude(yield* admin.reconcile(id), { issued: 3, remaining: 1, driftFound: 0, driftMended: 0 })
        const told = yield* joinAll(drop, id, [...users(3), "owner"])
        assert.deepStrictEqual(
          told.map(({ view }) => `${view.state} ${view.serial ?? view.position}`),
          ["issued 1", "waiting 1", "issued 3", "issued 2"]
        )
      }).pipe(Effect.provide(all))
    )

    it.live("finds no drift while a crowd is served", () =>
      Effect.gen(function* () {
        const [admin, drop] = [yield* CampaignAdmin, yield* Drop]
        const id = yield* open(400, { ratePerSecond: 400 })
        const reports: Array<ReconcileReport> = []
        const crowd = yield* Effect.forkChild(joinAll(drop, id, users(500)))
        while ((reports.at(-1)?.issued ?? 0) < 400) {
          const report = yield* admin.reconcile(id)
          assertAddsUp(report)
          assert.deepInclude(report, { driftFound: 0, driftMended: 0 })
          reports.push(report)
        }
        yield* Fiber.join(crowd)
        assert.isTrue(reports.some(({ issued, remaining }) => issued > 0 && remaining > 0))
      }).pipe(Effect.provide(all))
    )

    it.live("once by many at a time mends as much", () =>
      Effect.gen(function* () {
        const [admin, drop, sql] = [yield* CampaignAdmin, yield* Drop, yield* SqlClient.SqlClient]
        const id = yield* open(5, { paused: true })
        yield* joinAll(drop, id, users(5))
        yield* admin.change(id, { paused: false })
        yield* eventually("issued", balanced(id), ({ issued }) => issued === 5)
        yield* admin.change(id, { paused: true })
        yield* sql`DELETE FROM issuances WHERE campaign_id = ${id} AND serial = 5`
        const reports = yield* Effect.forEach([1, 2, 3], () => admin.reconcile(id), { concurrency: "unbounded" })
        for (const report of reports) {
          assertAddsUp(report)
          assert.strictEqual(report.driftMended, report.driftFound)
        }
        assert.deepInclude(yield* balanced(id), { issued: 4, remaining: 1, waiting: 1 })
      }).pipe(Effect.provide(all))
    )
  })
}
