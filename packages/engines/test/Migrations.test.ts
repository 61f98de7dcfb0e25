import { assert, describe, it } from "@effect/vitest"
import { Sqlite } from "@sluice/engines"
import { Effect } from "effect"
import { halfDone } from "./migrationsKit.ts"

describe("Migrations on SQLite", () => {
  it.effect("one whose process died between its statements is run again, whole", () =>
    halfDone.pipe(
      Effect.tap(({ tables }) => Effect.sync(() => assert.deepStrictEqual(tables, ["half", "other", "whole"]))),
      Effect.provide(Sqlite.layer({ filename: ":memory:" }))
    )
  )
})
