/** What every command says of itself, asked as a user does: by `--help`. */
import { NodeServices } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { CliOutput, Command, type HelpDoc } from "effect/cli"
import { TestConsole } from "effect/testing"
import { subcommandsFor } from "../src/commands/index.ts"

export interface Help {
  readonly path: ReadonlyArray<string>
  readonly doc: HelpDoc.HelpDoc
}

const helpOf = (root: Command.Command<"sluice", unknown, unknown, unknown, unknown>, path: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const found: Array<HelpDoc.HelpDoc> = []
    const presenter = CliOutput.Presenter.of({
      present: (event) => Effect.sync(() => void (event._tag === "Help" && found.push(event.helpDoc)))
    })
    const argv = [...path.slice(1), "--help"]
    yield* Effect.ignore(Command.runWith(root, { version: "0" })(argv)).pipe(
      Effect.provideService(CliOutput.Presenter, presenter),
      Effect.provideService(Console.Console, yield* TestConsole.make),
      Effect.provide(NodeServices.layer)
    )
    return found[0]!
  })

/** All of them, each before those below it. */
export const allHelp = async (): Promise<ReadonlyArray<Help>> => {
  const root = Command.make("sluice").pipe(Command.withSubcommands(await subcommandsFor([]))) as unknown as Parameters<
    typeof helpOf
  >[0]
  const walk = async (path: ReadonlyArray<string>): Promise<ReadonlyArray<Help>> => {
    const doc = await Effect.runPromise(helpOf(root, path) as Effect.Effect<HelpDoc.HelpDoc>)
    const below = (doc.subcommands ?? []).flatMap(({ commands }) => commands.map(({ name }) => [...path, name]))
    const helps: Array<Help> = [{ path, doc }]
    for (const next of below) helps.push(...(await walk(next)))
    return helps
  }
  return walk(["sluice"])
}
