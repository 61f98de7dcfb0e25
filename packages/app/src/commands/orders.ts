/** The two sides of orders, over HTTP. */
import { VerifyOrders } from "@sluice/orders"
import { Console, Effect, Option, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { count, json as printJson, table } from "./Output.ts"
import { rebuild } from "./orders-rebuild.ts"
import * as Remote from "./Remote.ts"
import { Exit, findings } from "./run.ts"
import { statusLine } from "./StatusLine.ts"

/** Orders of one request: it is answered soon, by whichever gateway. */
const part = 20_000
const shown = 200

type Report = VerifyOrders.VerifyReport

const none: Report = { checked: 0, differing: 0, onlyInView: 0, repaired: 0, differences: [], next: null }

const both = (one: Report, other: Report): Report => ({
  checked: one.checked + other.checked,
  differing: one.differing + other.differing,
  onlyInView: one.onlyInView + other.onlyInView,
  repaired: one.repaired + other.repaired,
  differences: [...one.differences, ...other.differences].slice(0, shown),
  next: other.next
})

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
      Flag.withDescription("Overwrite what differs with what was written, and remove what was not"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function* ({ json, repair, sample, url }) {
    const ask = (query: Record<string, string>) =>
      Remote.callAsAdmin(
        url,
        { method: "POST", path: `/admin/orders/verify?${new URLSearchParams({ ...query, ...(repair && { repair: "true" }) })}` },
        VerifyOrders.VerifyReport
      )
    let report = none
    yield* Effect.gen(function* () {
      yield* statusLine(() => `${count(report.checked)} orders compared, ${count(report.differing)} differ`)
      if (Option.isSome(sample)) {
        for (let left = sample.value; left > 0; left -= part) {
          report = both(report, yield* ask({ sample: String(Math.min(left, part)) }))
        }
        return
      }
      do {
        report = both(report, yield* ask({ limit: String(part), ...(report.next !== null && { after: report.next }) }))
      } while (report.next !== null)
    }).pipe(Effect.scoped)
    const { next, ...told } = report
    if (json) yield* printJson(told)
    else {
      if (report.differences.length > 0) {
        yield* Console.log(
          table(
            ["ORDER", "FIELD", "WRITTEN", "READ"],
            report.differences.map(({ orderId, path, read, written }) => [orderId, path || "(all)", written, read])
          )
        )
      }
      const { checked, differing, onlyInView, repaired } = report
      yield* Console.log(
        [
          `${count(checked)} orders compared, ${count(differing)} differ`,
          ...(onlyInView > 0 ? [`${count(onlyInView)} of them were never written`] : []),
          ...(repair ? [`${count(repaired)} repaired`] : [])
        ].join(", ")
      )
    }
    if (report.differing > 0) yield* new Exit({ code: findings })
  })
).pipe(
  Command.withDescription("Compare what readers see with what was written, field by field; exit code 3 when anything differs"),
  Command.withExamples([
    { command: "sluice orders verify", description: "All orders" },
    { command: "sluice orders verify --sample 1000 --repair", description: "About 1,000 of them, and mend what differs" }
  ])
)

export const orders = Command.make("orders").pipe(
  Command.withDescription("Orders of a running Sluice: whether both sides agree, and the view of readers built anew"),
  Command.withExamples([
    { command: "sluice orders verify", description: "Whether readers see what was written" },
    { command: "sluice orders rebuild", description: "Their view anew, beside the one that they see" }
  ]),
  Command.withSubcommands([verify, rebuild])
)
