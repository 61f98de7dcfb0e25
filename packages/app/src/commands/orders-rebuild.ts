/**
 * `sluice orders rebuild`: a running Sluice builds the order view anew; the command watches it and says how it ended.
 *
 * It goes on in the server, also when the command is ended. Exit codes: 0 switched; 1 it failed, or its process died; 3 it is not switched,
 * because orders differ from what was written.
 */
import { RebuildReport } from "@sluice/orders"
import { Console, Effect, Schedule } from "effect"
import { Command, Flag } from "effect/cli"
import { StartError } from "../StartError.ts"
import { count, json as printJson } from "./Output.ts"
import * as Remote from "./Remote.ts"
import { Exit, findings } from "./run.ts"
import { statusLine } from "./StatusLine.ts"

type Report = RebuildReport.RebuildReport
type Rebuild = NonNullable<Report["rebuild"]>

const ask = (url: string, method: "GET" | "POST", path: string) =>
  Remote.callAsAdmin(url, { method, path: `/admin/orders/${path}` }, RebuildReport.RebuildReport)

const how = ({ compared, copied, phase, total }: Rebuild): string => {
  const of = (n: number) => `${count(n)}${total === null ? "" : ` of ${count(total)}`} orders`
  const texts = {
    preparing: "dropping what is not needed any more",
    customers: "copying customers",
    orders: `${of(copied)} copied`,
    comparing: `${of(compared)} compared`
  }
  return texts[phase]
}

const watch = Effect.fnUntraced(function* (url: string, begun: Report) {
  let report = begun
  yield* statusLine(() => (report.rebuild === null ? undefined : how(report.rebuild)))
  while (report.rebuild?.state === "running") {
    yield* Effect.sleep("300 millis")
    report = yield* ask(url, "GET", "generations").pipe(
      Effect.retry({
        while: ({ status }) => status === undefined || status === 503,
        schedule: Schedule.spaced("1 second").pipe(Schedule.upTo({ times: 20 }))
      })
    )
  }
  return report
}, Effect.scoped)

const seconds = ({ startedAt, updatedAt }: Rebuild) => ((Date.parse(updatedAt) - Date.parse(startedAt)) / 1000).toFixed(1)

const shown = ({ building, former, live }: Report) =>
  [
    `readers see generation ${live}`,
    ...(former === null ? [] : [`generation ${former} is kept up to date; back to it with --back, drop it with --drop`]),
    ...(building === null ? [] : [`generation ${building} is being built`])
  ].join("\n")

const ended = (report: Report, rebuild: Rebuild): string => {
  switch (rebuild.state) {
    case "done":
      return `${count(rebuild.compared)} orders are equal to what was written, after ${seconds(rebuild)} s${
        rebuild.mended === 0 ? "" : `; ${count(rebuild.mended)} were mended`
      }\n${shown(report)}`
    case "failed":
      return `not switched: ${rebuild.problem}\nThe next rebuild goes on where this one was; \`sluice orders rebuild --drop\` gives it up.`
    case "running":
      return how(rebuild)
    default:
      return `not switched: ${rebuild.state} at ${how(rebuild)}\nThe next rebuild goes on where this one was.`
  }
}

const flag = (name: string, description: string) =>
  Flag.Boolean(name).pipe(Flag.withDescription(description), Flag.withDefault(false))

export const rebuild = Command.make(
  "rebuild",
  {
    url: Remote.url,
    json: Remote.json,
    back: flag("back", "Go back to the former view, which is kept up to date; once more goes forth again"),
    drop: flag("drop", "Drop every view but the one that readers see"),
    status: flag("status", "Only say how it stands"),
    detach: flag("detach", "Don't wait for the end")
  },
  Effect.fnUntraced(function* ({ back, detach, drop, json, status, url }) {
    if ([back, drop, status, detach].filter((asked) => asked).length > 1) {
      return yield* new StartError({ message: "Only one of --back, --drop, --status and --detach can be asked for at once." })
    }
    if (back || drop || status) {
      const report = yield* ask(url, status ? "GET" : "POST", status ? "generations" : `generations/${back ? "back" : "drop"}`)
      if (json) return yield* printJson(report)
      yield* Console.log(shown(report))
      if (status && report.rebuild !== null)
        yield* Console.log(`the last rebuild: ${report.rebuild.state}, ${how(report.rebuild)}`)
      return
    }
    const begun = yield* ask(url, "POST", "rebuild")
    const report = detach ? begun : yield* watch(url, begun)
    if (json) yield* printJson(report)
    else if (report.rebuild !== null) yield* Console.log(ended(report, report.rebuild))
    if (detach || report.rebuild?.state === "done") return
    return yield* new Exit({ code: (report.rebuild?.differing ?? 0) > 0 ? findings : 1 })
  })
).pipe(
  Command.withDescription(
    "Build the order view anew from what was written, beside the one that readers see, while orders come in; then switch. " +
      "Ended or killed, it goes on at the next call. Exit code 3 when it is not switched because orders differ"
  ),
  Command.withExamples([
    { command: "sluice orders rebuild", description: "Build it, compare it, switch to it" },
    { command: "sluice orders rebuild --back", description: "Readers see the former one again" },
    { command: "sluice orders rebuild --drop", description: "The former one is not needed any more" }
  ])
)
