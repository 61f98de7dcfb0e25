/** Sluice at work, for whoever wants to see it. Exit codes: 0 all promises were kept; 1 one was broken, or could not be shown; 130 stopped. */
import { stripVTControlCharacters } from "node:util"
import { Console, Effect, Schema } from "effect"
import { CliOutput, Command, Flag } from "effect/cli"
import { type DemoReport, demo as play, type Seen } from "../demo/Demo.ts"
import { screen } from "../demo/Screen.ts"
import { paint, json as printJson, table } from "./Output.ts"
import * as Remote from "./Remote.ts"
import { Exit } from "./run.ts"

const whole = (name: string, description: string, minimum: number, maximum: number, fallback: number) =>
  Flag.Int(name).pipe(
    Flag.withDescription(`${description} (${fallback})`),
    Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum, maximum }))),
    Flag.withDefault(fallback)
  )

const narrow = ({ kept, promise, scenario, seen }: Seen) =>
  `${kept ? paint("green", "kept  ") : paint("red", "BROKEN")}  ${scenario}: ${promise}\n        ${seen}`

/** A table where it fits, else two lines a promise. */
export const demoText = ({ folder, promises, seconds }: DemoReport, columns = process.stdout.columns ?? 200): string => {
  const broken = promises.filter(({ kept }) => !kept).length
  const verdict =
    broken === 0
      ? paint("green", `All ${promises.length} promises were kept, in ${seconds} s.`)
      : paint("red", `${broken} of ${promises.length} promises were BROKEN.`)
  const wide = table(
    ["SCENARIO", "PROMISED", "SEEN", "KEPT"],
    promises.map(({ kept, promise, scenario, seen }) => [scenario, promise, seen, kept ? "yes" : "NO"])
  )
  const fits = wide.split("\n").every((line) => CliOutput.displayWidth(stripVTControlCharacters(line)) <= columns)
  return [...(fits ? [wide] : promises.map(narrow)), "", verdict, ...(folder === null ? [] : [`Kept in ${folder}`])].join("\n")
}

export const demo = Command.make(
  "demo",
  {
    json: Remote.json,
    keep: Flag.Boolean("keep").pipe(
      Flag.withDescription("Leave the folder with everything in it, to look at"),
      Flag.withDefault(false)
    ),
    rows: whole("rows", "Rows to load", 50_000, 50_000_000, 300_000),
    users: whole("users", "Users in the crowd", 100, 100_000, 3000),
    stock: whole("stock", "Coupons that they want", 50, 50_000, 1000),
    orders: whole("orders", "Orders to place", 10, 100_000, 400)
  },
  Effect.fnUntraced(
    function* ({ json, ...options }) {
      const report = yield* play(options, screen())
      if (json) yield* printJson(report)
      else yield* Console.log(`\n${demoText(report)}`)
      if (!report.kept) return yield* new Exit({ code: 1 })
    },
    Effect.onInterrupt(() =>
      Effect.sync(() => {
        process.exitCode = 130
      })
    )
  )
).pipe(
  Command.withDescription(
    "Show all three scenarios in about a minute, on the embedded engines in a temporary folder: a bulk load that is killed half-way and " +
      "goes on, a crowd for too few coupons with the server killed in the middle, and orders that are written by one side and read from the " +
      "other. Ends with what was promised, what was seen, and a verdict; exits with 1 when a promise is broken"
  ),
  Command.withShortDescription("Show all three scenarios in a minute, with kills, and a verdict"),
  Command.withExamples([
    { command: "sluice demo", description: "Watch it; nothing is left behind" },
    { command: "sluice demo --keep", description: "Leave the folder, and name it" },
    { command: "sluice demo --users 20000 --stock 5000 --json", description: "A larger crowd, for a program" }
  ])
)
