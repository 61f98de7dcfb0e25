#!/usr/bin/env node
/** The command sluice: subcommands, layers, run. */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Cause, Effect, Exit, Runtime } from "effect"
import { Command } from "effect/cli"
import pkg from "../package.json" with { type: "json" }
import { run, subcommands } from "./commands/index.ts"
import { serve } from "./commands/serve.ts"
import { start } from "./commands/start.ts"

/** Stopped by a signal and drained is a good end; a role that failed has said so before. */
const teardown: Runtime.Teardown = (exit, onExit) =>
  Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
    ? onExit(Number(process.exitCode ?? 0))
    : Runtime.defaultTeardown(exit, onExit)

const sluice = Command.make("sluice").pipe(
  Command.withDescription("Takes more traffic than the servers behind it can, and loses nothing"),
  Command.withSubcommands([start, serve, ...subcommands])
)

run(sluice, { version: pkg.version })(process.argv.slice(2)).pipe(
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain({ teardown })
)
