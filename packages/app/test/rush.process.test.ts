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

it.live("a rush that may open few files says how many had to wait for one", () =>
  Effect.scoped(
    Effect.gen(function* () {
      const { url } = yield* drop({
        stock: 1,
        perSecond: 1,
        campaignId: "c",
        closedAt: "2026-11-24T12:00:00.000Z",
        before: (req, res) => {
          if (req.method !== "POST") return false
          setTimeout(() => {
            res.writeHead(200, { "content-type": "application/json" })
            res.end(JSON.stringify({ ticket: null, state: "sold_out", position: null, etaSeconds: null, pollAfterMs: null }))
          }, 1500)
          return true
        }
      })
      const command = `ulimit -n 700; exec "$0" "$1" rush --url ${url} --campaign c --users 1000 --rate 1000 --json`
      const rush = spawn("sh", ["-c", command, process.execPath, program], { stdio: ["ignore", "pipe", "ignore"] })
      let out = ""
      rush.stdout.on("data", (chunk) => {
        out += chunk
      })
      yield* Effect.promise(() => once(rush, "close"))
      const { arrivalsHeld, errors, progress } = JSON.parse(out)
      assert.deepStrictEqual([errors, progress.soldOut], [{}, 1000])
      assert.isAbove(arrivalsHeld, 300)
    })
  )
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
