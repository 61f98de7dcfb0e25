import { assert, describe, it } from "@effect/vitest"
import { Campaigns, Issuances } from "@sluice/coupons"
import { MariaDb, Migrations } from "@sluice/engines"
import { freshDatabase } from "@sluice/testkit/database"
import { liveUrl, whenLive } from "@sluice/testkit/live"
import { winOf } from "@sluice/testkit/suites/dropKit"
import { Effect, Layer, Option, Redacted } from "effect"
import { SqlClient } from "effect/sql"

const id = "sale"
const campaign = { id, name: "a sale", stock: 5, ratePerSecond: 1, opensAtMs: null, closesAtMs: null, paused: false }
const stored = { maxWaiting: null, createdAtMs: 0, ticketsExpireAtMs: 0, revision: 1, generation: 1 }

const migrated = Layer.effectDiscard(
  Migrations.run({ "0001_campaigns": Campaigns.campaignsMigration, "0002_issuances": Issuances.issuancesMigration })
)

await whenLive(() => {
  describe("Issuances on MariaDB", () => {
    it.live("a fence waits for the issuing that is under way, and sees what it has written", () =>
      Effect.gen(function* () {
        const database = yield* Effect.acquireRelease(
          Effect.promise(() => freshDatabase(liveUrl("SLUICE_MARIADB_URL"))),
          ({ drop }) => Effect.promise(drop)
        )
        const server = (maxConnections: number) => MariaDb.layer({ url: Redacted.make(database.url), maxConnections })
        const issuing = yield* Layer.build(
          Layer.mergeAll(Campaigns.layer, Issuances.layer).pipe(Layer.provideMerge(migrated), Layer.provideMerge(server(2)))
        )
        const fencing = yield* Layer.build(Campaigns.layer.pipe(Layer.provideMerge(server(1))))
        const fence = Campaigns.Campaigns.use((campaigns) => campaigns.fence(id)).pipe(Effect.provide(fencing))

        yield* Effect.gen(function* () {
          const [sql, campaigns, issuances] = [yield* SqlClient.SqlClient, yield* Campaigns.Campaigns, yield* Issuances.Issuances]
          yield* campaigns.insert({ ...campaign, ...stored })
          // Its one connection is told at once where it would have to wait.
          yield* SqlClient.SqlClient.use((other) => other`SET SESSION innodb_lock_wait_timeout = 0`).pipe(Effect.provide(fencing))
          const refused = yield* sql.withTransaction(Effect.andThen(issuances.issue([winOf(id, 1)]), Effect.flip(fence)))
          assert.strictEqual(refused.reason._tag, "LockTimeoutError")
          assert.strictEqual(Option.getOrThrow(yield* fence).generation, 2)
          assert.strictEqual(yield* issuances.count(id), 1)
          assert.deepInclude((yield* issuances.issue([winOf(id, 2)]))[0], { _tag: "Fenced" })
        }).pipe(Effect.provide(issuing))
      }).pipe(Effect.scoped)
    )
  })
})
