/** A rush that is stopped shows what it saw, and its exit code says so. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type DropOptions, drop } from "./rushServer.ts"

const program = fileURLToPath(new URL("../bin/sluice.mjs", import.meta.url))

const stopped = (signal: NodeJS.Signals, lie?: DropOptions["lie"]) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { places, url } = yield* drop({ stock: 500, perSecond: 1000, campaignId: "c", ...(lie && { lie }) })
      return yield* Effect.promise(async () => {
        const args = ["rush", "--url", url, "--campaign", "c", "--users", "100000", "--rate", "500"]
        const rush = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "ignore"] })
        const ended = once(rush, "exit")
        let out = ""
        rush.stdout.on("data", (chunk) => {
          out += chunk
        })
        while (places.size < 100) await new Promise((resolve) => setTimeout(resolve, 20))
        rush.kill(signal)
        const [code] = await ended
        return { code, out }
      })
    })
  )

describe("a rush that is stopped", () => {
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143]
  ] as const) {
    it.live(`by ${signal} exits with ${code}`, () =>
      Effect.gen(function* () {
        const end = yield* stopped(signal)
        assert.strictEqual(end.code, code)
        assert.include(end.out, "PASS  promise 1")
      })
    )
  }

  it.live("having seen a broken promise exits with 1", () =>
    Effect.gen(function* () {
      const end = yield* stopped("SIGINT", (view) => (view.serial === undefined ? view : { ...view, serial: 1 }))
      assert.strictEqual(end.code, 1)
      assert.include(end.out, "FAIL  promise 1")
    })
  )
})
