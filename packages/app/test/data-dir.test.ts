import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { adminKey, lock } from "../src/DataDir.ts"

describe("the data folder", () => {
  it.effect("is made with those above it, and keeps its key", () =>
    Effect.gen(function* () {
      const above = mkdtempSync(join(tmpdir(), "sluice-dir-"))
      const dataDir = join(above, "a/b/c")
      const key = Redacted.value(yield* adminKey(dataDir))
      assert.match(key, /^[0-9a-f]{48}$/)
      assert.strictEqual(Redacted.value(yield* adminKey(dataDir)), key)
      rmSync(above, { recursive: true })
    })
  )

  it.effect("that can't be made is an error that names it, at once", () =>
    Effect.gen(function* () {
      const ofKey = yield* Effect.flip(adminKey("/proc/nope/data"))
      const ofLock = yield* Effect.scoped(Effect.flip(lock("/proc/nope/data")))
      for (const { message } of [ofKey, ofLock]) assert.include(message, "/proc/nope/data")
    })
  )
})
