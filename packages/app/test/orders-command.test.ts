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
      assert.match(out, /5 orders compared, 1 differ$/m)
      const json = yield* sluice(url, "orders", "verify", "--repair", "--sample", "5", "--json")
      assert.strictEqual(json.code, 3)
      assert.strictEqual(JSON.parse(json.out).repaired, 1)
      assert.strictEqual((yield* sluice(url, "orders", "verify", "--sample", "0")).code, 2)
      assert.strictEqual((yield* send(`${url}/admin/orders/verify`, { method: "POST" })).status, 401)
    })
  )
})
