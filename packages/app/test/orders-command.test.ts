import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Cause, ConfigProvider, Console, Effect, Exit as Result } from "effect"
import { Command } from "effect/cli"
import { TestConsole } from "effect/testing"
import { orders } from "../src/commands/orders.ts"
import { Exit, run } from "../src/commands/run.ts"
import { adminKey, makeFakes, send, serve } from "./http-testing.ts"

const root = Command.make("sluice").pipe(Command.withSubcommands([orders]))

const sluice = (url: string, ...argv: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const console = yield* TestConsole.make
    const env = { SLUICE_ADMIN_KEY: adminKey, SLUICE_URL: url }
    const result = yield* run(root, { version: "1" })(argv).pipe(
      Effect.provideService(Console.Console, console),
      Effect.provide([NodeServices.layer, ConfigProvider.layer(ConfigProvider.fromEnv({ env }))]),
      Effect.exit
    )
    const error = Result.isSuccess(result) ? undefined : Cause.squash(result.cause)
    return { code: error instanceof Exit ? error.code : error, out: (yield* console.logLines).join("\n") }
  })

describe("sluice orders verify", () => {
  it.live("prints each difference and ends with 3", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(makeFakes())
      const { code, out } = yield* sluice(url, "orders", "verify")
      assert.strictEqual(code, 3)
      assert.match(out, /total +1 +2/)
      assert.match(out, /10 orders compared, 2 differ$/m)
      const json = yield* sluice(url, "orders", "verify", "--repair", "--sample", "5", "--json")
      assert.strictEqual(json.code, 3)
      assert.strictEqual(JSON.parse(json.out).repaired, 1)
      assert.strictEqual((yield* sluice(url, "orders", "verify", "--sample", "0")).code, 2)
      assert.strictEqual((yield* send(`${url}/admin/orders/verify`, { method: "POST" })).status, 401)
    })
  )
})

describe("sluice orders rebuild", () => {
  it.live("waits for the end, says what readers see, goes back, and drops", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(makeFakes())
      assert.strictEqual((yield* sluice(url, "orders", "rebuild", "--back")).code, 1)
      const { code, out } = yield* sluice(url, "orders", "rebuild")
      assert.isUndefined(code)
      assert.match(out, /^10 orders are equal to what was written, after 2\.0 s\nreaders see generation 1\ngeneration 0 is kept/)
      const back = yield* sluice(url, "orders", "rebuild", "--back", "--json")
      assert.deepInclude(JSON.parse(back.out), { live: 0, former: 1, building: null })
      assert.match(
        (yield* sluice(url, "orders", "rebuild", "--status")).out,
        /^readers see generation 0\n.*\nthe last rebuild: done/
      )
      assert.strictEqual((yield* sluice(url, "orders", "rebuild", "--drop")).out, "readers see generation 0")
    })
  )

  it.live("one at a time", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(makeFakes())
      const authorization = { authorization: `Bearer ${adminKey}` }
      const rebuild = () => send(`${url}/admin/orders/rebuild`, { method: "POST", headers: authorization })
      assert.strictEqual((yield* rebuild()).status, 202)
      const refused = yield* rebuild()
      assert.strictEqual(refused.status, 409)
      assert.include(refused.text, "rebuild_running")
      assert.strictEqual((yield* send(`${url}/admin/orders/generations`, {})).status, 401)
      assert.strictEqual((yield* sluice(url, "orders", "rebuild", "--back", "--drop")).code, 2)
    })
  )
})
