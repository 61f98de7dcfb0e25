import { assert, describe, it } from "@effect/vitest"
import type { Campaign } from "@sluice/domain"
import { Sqlite } from "@sluice/engines"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { Campaigns, OnSale } from "../src/index.ts"

const dayMs = 24 * 3600_000

const campaignOf = (id: string, overrides: Partial<Campaign> = {}): Campaign => ({
  id,
  name: "A sale",
  stock: 10,
  ratePerSecond: 5,
  opensAtMs: null,
  closesAtMs: null,
  paused: false,
  maxWaiting: null,
  createdAtMs: 0,
  ticketsExpireAtMs: 4_102_444_800_000,
  revision: 1,
  generation: 0,
  ...overrides
})

const store = Campaigns.layer.pipe(
  Layer.provideMerge(Layer.effectDiscard(Campaigns.campaignsMigration)),
  Layer.provideMerge(Sqlite.layer({ filename: ":memory:" }))
)
const onSale = OnSale.layer.pipe(Layer.provideMerge(store))

const ids = (campaigns: ReadonlyArray<Campaign>) => campaigns.map(({ id }) => id)

describe("what is on sale", () => {
  it.effect("is every campaign that is not over, however many were made since", () =>
    Effect.gen(function* () {
      const campaigns = yield* Campaigns.Campaigns
      const newer = Array.from({ length: Campaigns.listedAtMost + 1 }, (_, i) => campaignOf(`newer-${i}`, { createdAtMs: i + 1 }))
      yield* SqlClient.SqlClient.use((sql) =>
        sql.withTransaction(Effect.forEach([campaignOf("oldest"), ...newer], campaigns.insert, { discard: true }))
      )
      const now = yield* OnSale
      yield* now.refresh
      assert.include(ids(yield* now.campaigns), "oldest")
      assert.strictEqual((yield* now.campaigns).length, newer.length + 1)

      const listed = ids(yield* campaigns.list)
      assert.strictEqual(listed.length, Campaigns.listedAtMost)
      assert.strictEqual(listed[0], newer.at(-1)!.id)
    }).pipe(Effect.provide(Layer.fresh(onSale)))
  )

  it.effect("is a campaign for a day after it has closed, and not longer", () =>
    Effect.gen(function* () {
      const campaigns = yield* Campaigns.Campaigns
      yield* campaigns.insert(campaignOf("over", { closesAtMs: 4 * dayMs - 1 }))
      yield* campaigns.insert(campaignOf("just-closed", { closesAtMs: 4 * dayMs + 1_000 }))
      const now = yield* OnSale
      yield* now.refresh
      assert.deepStrictEqual(ids(yield* now.campaigns), ["just-closed"])
      yield* TestClock.adjust(2_000)
      assert.isEmpty(yield* now.campaigns)
    }).pipe(Effect.provide(Layer.fresh(onSale)), (rule) => Effect.andThen(TestClock.setTime(5 * dayMs), rule))
  )
})
