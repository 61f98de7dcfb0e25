/** Whether everything that Sluice stands on is as it should be. Exit codes: 0 no problem; 3 at least one; 2 wrong usage. */
import { Console, Effect } from "effect"
import { Command } from "effect/cli"
import { diagnose } from "../doctor/Doctor.ts"
import type { Finding, State } from "../doctor/Finding.ts"
import { paint, plain, json as printJson } from "./Output.ts"
import * as Remote from "./Remote.ts"
import { Exit, findings } from "./run.ts"

const words: Record<State, readonly [text: string, style: "green" | "yellow" | "red"]> = {
  ok: ["ok     ", "green"],
  warning: ["warning", "yellow"],
  problem: ["problem", "red"]
}

const count = (found: ReadonlyArray<Finding>, state: State) => found.filter((finding) => finding.state === state).length

const times = (n: number, what: string) => `${n} ${what}${n === 1 ? "" : "s"}`

export const doctorText = (found: ReadonlyArray<Finding>): string => {
  const about = [...new Set(found.map((finding) => finding.about))]
  const width = Math.max(...found.map(({ check }) => check.length))
  const lines = about.flatMap((name) => [
    paint("bold", name),
    ...found
      .filter((finding) => finding.about === name)
      .flatMap(({ check, means, mend, state }) => {
        const [word, style] = words[state]
        return [
          `  ${paint(style, word)}  ${check.padEnd(width)}  ${plain(means)}`,
          ...(mend === undefined ? [] : [`           ${"".padEnd(width)}  mend: ${plain(mend)}`])
        ]
      }),
    ""
  ])
  const problems = count(found, "problem")
  const verdict = `${times(problems, "problem")}, ${times(count(found, "warning"), "warning")}, ${count(found, "ok")} ok`
  return [...lines, paint(problems === 0 ? "green" : "red", verdict)].join("\n")
}

export const doctor = Command.make(
  "doctor",
  { json: Remote.json },
  Effect.fnUntraced(function* ({ json }) {
    const found = yield* diagnose(process.env)
    const problems = count(found, "problem")
    if (json) yield* printJson({ problems, warnings: count(found, "warning"), findings: found })
    else yield* Console.log(doctorText(found))
    if (problems > 0) return yield* new Exit({ code: findings })
  })
).pipe(
  Command.withDescription(
    "Look at everything that Sluice stands on, as the environment names it: settings and secrets, this host, and each engine: whether it " +
      "can be reached, its version, rights, clock, and the settings that matter. Says what each finding means and how to mend it. What is " +
      "tried has a name of its own and is removed again"
  ),
  Command.withShortDescription("Check engines, settings and this host, and say how to mend what is wrong"),
  Command.withExamples([
    { command: "sluice doctor", description: "The embedded engines, in the data folder" },
    { command: "SLUICE_ENGINES=cluster sluice doctor", description: "The real servers that the environment names" },
    {
      command: "sluice doctor --json | jq '.findings[] | select(.state != \"ok\")'",
      description: "What is not well, for a program"
    }
  ])
)
