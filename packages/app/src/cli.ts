/** Commands, layers, run. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"
import pkg from "../package.json" with { type: "json" }
import { subcommandsFor } from "./commands/index.ts"
import { run } from "./commands/run.ts"

/** Stopped by a signal and drained is a good end; a role that failed has said so before. */
const teardown: Runtime.Teardown = (exit, onExit) =>
  Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
    ? onExit(Number(process.exitCode ?? 0))
    : Runtime.defaultTeardown(exit, onExit)

/** Who reads no further wants no more: a quiet end, by the code that a shell gives to SIGPIPE. What nobody watches goes on. */
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(141)
  throw error
})
process.stderr.on("error", () => {})

const argv = process.argv.slice(2)

const sluice = Command.make("sluice").pipe(
  Command.withDescription("Takes more traffic than the servers behind it can, and loses nothing"),
  Command.withExamples([
    { command: "sluice demo", description: "See all of it in a minute" },
    { command: "sluice doctor", description: "Whether everything that it stands on is as it should be" },
    { command: "sluice serve", description: "Everything in one process, on the embedded engines" },
    { command: "sluice load people people.csv", description: "Rows into a table, each once" },
    { command: "sluice --completions bash >> ~/.bashrc", description: "Complete commands and flags with Tab (also zsh, fish)" }
  ]),
  Command.withSubcommands(await subcommandsFor(argv))
)

run(sluice, { version: pkg.version })(argv).pipe(Effect.provide(NodeServices.layer), NodeRuntime.runMain({ teardown }))
