import { assert, describe, it } from "@effect/vitest"
import { MariaDb } from "@sluice/engines"
import { freshDatabase } from "@sluice/testkit/database"
import { liveUrl, whenLive } from "@sluice/testkit/live"
import { Effect, Redacted } from "effect"
import { halfDone } from "./migrationsKit.ts"

await whenLive(() => {
  describe("Migrations on MariaDB, which commits at each statement", () => {
    it.live("one whose process died between its statements is run again, whole", () =>
      Effect.gen(function* () {
        const { url } = yield* Effect.acquireRelease(
          Effect.promise(() => freshDatabase(liveUrl("SLUICE_MARIADB_URL"))),
          ({ drop }) => Effect.promise(drop)
        )
        const { left, tables } = yield* Effect.provide(halfDone, MariaDb.layer({ url: Redacted.make(url) }))
        assert.deepStrictEqual(left, ["half", "whole"])
        assert.deepStrictEqual(tables, ["half", "other", "whole"])
      }).pipe(Effect.scoped)
    )
  })
})
