/** Servers that look well and break a promise: each is found out, by exit code 1. */
import type { ServerResponse } from "node:http"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Cause, ConfigProvider, Console, Effect, Exit as Result } from "effect"
import { Command } from "effect/cli"
import { TestConsole } from "effect/testing"
import { Exit, run } from "../src/commands/run.ts"
import { rush } from "../src/commands/rush.ts"
import { type DropOptions, drop, type View } from "./rushServer.ts"

const adminKey = "an-admin-key-of-at-least-32-characters"
const users = 60
const stock = 20

const crowd = ["--users", String(users), "--stock", String(stock), "--rate", "2000", "--timeout", "2"]

/** Rushes at a campaign of its own. */
const rushAt = (options: Partial<DropOptions>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { url } = yield* drop({ stock, perSecond: 100, adminKey, ...options })
      const console = yield* TestConsole.make
      const result = yield* run(Command.make("sluice").pipe(Command.withSubcommands([rush])), { version: "1" })([
        "rush",
        ...crowd,
        "--json"
      ]).pipe(
        Effect.provideService(Console.Console, console),
        Effect.provide([
          NodeServices.layer,
          ConfigProvider.layer(ConfigProvider.fromEnv({ env: { SLUICE_URL: url, SLUICE_ADMIN_KEY: adminKey } }))
        ]),
        Effect.exit
      )
      const error = Result.isSuccess(result) ? undefined : Cause.squash(result.cause)
      const { verdicts } = JSON.parse(String((yield* console.logLines)[0]))
      return {
        code: error === undefined ? 0 : error instanceof Exit ? error.code : error,
        broken: verdicts.filter((v: { outcome: string }) => v.outcome === "fail").map((v: { promise: number }) => v.promise)
      }
    })
  )

const changing =
  (isLie: (view: View) => boolean, change: Partial<View>) =>
  (view: View): View =>
    isLie(view) ? { ...view, ...change } : view

const noCoupon = { serial: undefined, code: undefined }
const early = ({ serial }: View) => serial !== undefined && serial <= 5

const answer = (res: ServerResponse, status: number, headers: Record<string, string> = {}) => {
  res.writeHead(status, { "content-type": "application/problem+json", ...headers })
  res.end(JSON.stringify({ title: "No", status }))
  return true
}

const lies: ReadonlyArray<readonly [what: string, options: Partial<DropOptions>, broken: ReadonlyArray<number>]> = [
  [
    "half of the stock is told to nobody",
    { lie: changing(({ serial = 0 }) => serial > 10, { state: "sold_out", ...noCoupon }) },
    [3]
  ],
  [
    "winners are told issuing for ever",
    { lie: changing(({ state }) => state === "issued", { state: "issuing", pollAfterMs: 50, ...noCoupon }) },
    [3]
  ],
  ["the first ones are told that they left", { lie: changing(early, { state: "left", ...noCoupon }) }, [3, 5]],
  [
    "the first ones are refused for good when they look",
    {
      before: (req, res) => {
        const ticket = /^\/campaigns\/[^/]+\/tickets\/[^/]+\.([^/.]+)\.s$/.exec(req.url!)
        if (ticket === null) return false
        const { seq } = JSON.parse(Buffer.from(ticket[1]!, "base64url").toString())
        return seq <= 5 && answer(res, 401)
      }
    },
    [3, 5]
  ],
  ["who comes last is served first", { placeOf: (nth) => users + 1 - nth }, [5]],
  ["nobody is shown a coupon", { before: (req, res) => req.url!.startsWith("/users/") && answer(res, 404) }, [2]]
]

describe("a rush finds out that", () => {
  for (const [what, options, broken] of lies) {
    it.live(what, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* rushAt(options), { code: 1, broken })
      })
    )
  }
})

describe("a rush finds nothing wrong where", () => {
  it.live("answers are lost and the server is away for a while", () =>
    Effect.gen(function* () {
      const asked = new Map<string, number>()
      const before: DropOptions["before"] = (req, res) => {
        const times = (asked.get(req.url!) ?? 0) + 1
        asked.set(req.url!, times)
        if (req.method === "POST" && req.url!.endsWith("/tickets") && times % 7 === 0) {
          req.socket.destroy()
          return true
        }
        if (req.url!.startsWith("/users/") && times === 1) return answer(res, 503, { "retry-after": "1" })
        return false
      }
      assert.deepStrictEqual(yield* rushAt({ before }), { code: 0, broken: [] })
    })
  )
})
