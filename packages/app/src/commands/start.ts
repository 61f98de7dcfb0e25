/** What `npm start` runs: everything on this machine, with something to look at. */
import { CampaignAdmin } from "@sluice/coupons"
import { Console, Effect, Redacted } from "effect"
import { Command } from "effect/cli"
import { adminKey } from "../DataDir.ts"
import { HttpAddress } from "../http/Server.ts"
import * as Serving from "../Serving.ts"
import { settingsFlags, settingsOf } from "./serve.ts"

const sample = { id: "demo", name: "Demo: the first 100 get a coupon", stock: 100, ratePerSecond: 50 }

export const start = Command.make("start", settingsFlags, (flags) =>
  Effect.gen(function* () {
    const settings = yield* settingsOf(flags)
    yield* Effect.gen(function* () {
      const { url } = yield* HttpAddress
      const admin = yield* CampaignAdmin
      yield* admin.create(sample).pipe(Effect.catchTag("CampaignExists", () => Effect.void))
      const key =
        settings.adminKey === undefined ? Redacted.value(yield* adminKey(settings.dataDir)) : "as set in SLUICE_ADMIN_KEY"
      yield* Console.log(
        [
          "",
          `  Console     ${url}/`,
          `  API         ${url}/docs`,
          `  Admin key   ${key}`,
          `  Data        ${settings.dataDir}`,
          "",
          "  Try:",
          `    curl -s ${url}/campaigns/${sample.id}/tickets -H 'content-type: application/json' -d '{"userId":"me"}'`,
          `    npx sluice rush --url ${url} --users 2000`,
          "",
          "  Ctrl-C stops it; nothing that was promised is lost.",
          ""
        ].join("\n")
      )
      yield* Effect.never
    }).pipe(Effect.provide(Serving.layer(settings)))
  })
).pipe(
  Command.withDescription("Serve everything on this machine, with a sample campaign to try"),
  Command.withExamples([
    { command: "sluice start", description: "What `npm start` does, once everything is installed" },
    { command: "sluice start --port 0 --data-dir /tmp/try", description: "On a free port, with data elsewhere" }
  ])
)
