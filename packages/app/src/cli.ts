/** Commands, layers, run. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, Effect, Exit, Runtime } from "effect"
import { Command } from "effect/cli"
import pkg from "../package.json" with { type: "json" }
import { subcommandsFor } from "./commands/index.ts"
import { run } from "./commands/run.ts"

/** Stopped by a signal and drained is a good end; a role that failed has said so before. */
const teardown: Runtime.Teardown = (exit, onExit) =>
  Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
    ? onExit(Number(process.exitCode ?? 0))
    : Runtime.defaultTeardown(exit, onExit)

const argv = process.argv.slice(2)

const sluice = Command.make("sluice").pipe(
  Command.withDescription("Takes more traffic than the servers behind it can, and loses nothing"),
  Command.withSubcommands(await subcommandsFor(argv))
)

run(sluice, { version: pkg.version })(argv).pipe(Effect.provide(NodeServices.layer), NodeRuntime.runMain({ teardown }))
