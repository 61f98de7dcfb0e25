/**
 * Runs the command line and gives every end its exit code: 0 fine, 1 failed, 2 wrong usage, 3 something was found. What an error has to
 * say goes to stderr, as text without a stack; only a defect is shown whole.
 */
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import { presenter, problemLine } from "./Help.ts"

/** The end of a command line that did not go well; everything was said already. */
export class Exit extends Data.TaggedError("Exit")<{ readonly code: number }> {
  override readonly [Runtime.errorReported] = false
  override get [Runtime.errorExitCode](): number {
    return this.code
  }
}

const usage = 2

/** How much is logged is a setting, SLUICE_LOG_LEVEL. */
const config = CliConfig.make({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions] })

/** The command did what it was asked for, and found something that is not as it should be. */
export const findings = 3

const codeOf = (error: unknown): number | undefined => {
  const code =
    typeof error === "object" && error !== null && Runtime.errorExitCode in error ? error[Runtime.errorExitCode] : undefined
  return typeof code === "number" ? code : undefined
}

/** The command line itself has shown these. */
const isShown = (error: unknown) => typeof error === "object" && error !== null && CliError.getUserMessage(error) !== undefined

const report = Effect.fnUntraced(function* (cause: Cause.Cause<unknown>) {
  if (Cause.hasInterruptsOnly(cause)) return yield* Effect.interrupt
  const error = Cause.squash(cause)
  if (error instanceof Exit) return yield* error
  if (CliError.isCliError(error) && error._tag === "ShowHelp") {
    return error.errors.length === 0 ? undefined : yield* new Exit({ code: usage })
  }
  if (isShown(error)) return yield* new Exit({ code: codeOf(error) ?? 1 })
  if (Cause.hasDies(cause)) yield* Console.error(Cause.pretty(cause))
  else yield* Console.error(problemLine(error instanceof Error ? error.message : String(error)))
  return yield* new Exit({ code: codeOf(error) ?? 1 })
})

/** `argv` without the program's own name. */
export const run =
  <Name extends string, Input, E, R, ContextInput>(
    command: Command.Command<Name, Input, ContextInput, E, R>,
    options: { readonly version: string }
  ) =>
  (argv: ReadonlyArray<string>): Effect.Effect<void, Exit, R | Command.Environment> =>
    Command.runWith(
      command,
      options
    )(argv).pipe(
      Effect.provideService(CliOutput.Presenter, presenter),
      Effect.provideService(CliConfig.CliConfig, config),
      Effect.catchCause(report)
    )
