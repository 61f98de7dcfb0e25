/** The two sides of orders, over HTTP. */
import { VerifyOrders } from "@sluice/orders"
import { Console, Effect, Option, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { count, json as printJson, table } from "./Output.ts"
import * as Remote from "./Remote.ts"
import { Exit } from "./run.ts"

/** Beside those of every command: there are differences. */
const differs = 3

const verify = Command.make(
  "verify",
  {
    url: Remote.url,
    json: Remote.json,
    sample: Flag.Int("sample").pipe(
      Flag.withDescription("About how many orders, taken by chance; without it all"),
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000_000 }))),
      Flag.optional
    ),
    repair: Flag.Boolean("repair").pipe(
      Flag.withDescription("Overwrite what differs with what was written"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function* ({ json, repair, sample, url }) {
    const query = new URLSearchParams({
      ...(Option.isSome(sample) && { sample: String(sample.value) }),
      ...(repair && { repair: "true" })
    })
    const report = yield* Remote.callAsAdmin(
      url,
      { method: "POST", path: `/admin/orders/verify?${query}` },
      VerifyOrders.VerifyReport
    )
    if (json) yield* printJson(report)
    else {
      if (report.differences.length > 0) {
        yield* Console.log(
          table(
            ["ORDER", "FIELD", "WRITTEN", "READ"],
            report.differences.map(({ orderId, path, read, written }) => [orderId, path || "(all)", written, read])
          )
        )
      }
      const { checked, differing, repaired } = report
      yield* Console.log(
        `${count(checked)} orders compared, ${count(differing)} differ${repair ? `, ${count(repaired)} repaired` : ""}`
      )
    }
    if (report.differing > 0) yield* new Exit({ code: differs })
  })
).pipe(
  Command.withDescription("Compare what readers see with what was written, field by field; exit code 3 when anything differs"),
  Command.withExamples([
    { command: "sluice orders verify", description: "All orders" },
    { command: "sluice orders verify --sample 1000 --repair", description: "About 1,000 of them, and mend what differs" }
  ])
)

export const orders = Command.make("orders").pipe(
  Command.withDescription("Orders of a running Sluice: whether both sides agree"),
  Command.withSubcommands([verify])
)
