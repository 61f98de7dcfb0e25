/** What commands say of themselves, and of a line that they don't understand: a mistyped word is answered by the one that was meant. */
import * as Console from "effect/Console"
import type * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import type * as HelpDoc from "effect/cli/HelpDoc"
import * as Effect from "effect/Effect"
import { distance } from "../Spelling.ts"
import { paint, plain } from "./Output.ts"

type Codes = ReadonlyArray<readonly [code: string, meaning: string]>

/** Where a command says more by its exit code than the common ones do. */
const own: Readonly<Record<string, Codes>> = {
  "sluice start": [["0", "stopped by a signal, with nothing lost"]],
  "sluice serve": [["0", "stopped by a signal, with nothing lost"]],
  "sluice rush": [
    ["1", "a promise was broken, nobody could join, or no server answered"],
    ["130", "stopped by Ctrl-C, with no broken promise seen so far; 143 by SIGTERM"]
  ],
  "sluice load": [
    ["1", "failed, or stopped before the end: the same command goes on"],
    ["130", "stopped at once by a second Ctrl-C"]
  ],
  "sluice doctor": [["3", "at least one problem was found; warnings alone are 0"]],
  "sluice demo": [
    ["1", "a promise was broken, or could not be shown"],
    ["130", "stopped by Ctrl-C; nothing is left behind"]
  ],
  "sluice orders verify": [["3", "the two sides differ"]],
  "sluice orders rebuild": [["3", "orders differ, so readers were not switched over"]]
}

const common: Codes = [
  ["0", "fine"],
  ["1", "failed"],
  ["2", "wrong usage, or a setting that is missing or wrong"]
]

export const exitCodesOf = (commandPath: ReadonlyArray<string>): Codes => {
  const more = own[commandPath.join(" ")] ?? []
  return [...common.filter(([code]) => more.every(([other]) => other !== code)), ...more].sort(
    ([a], [b]) => Number(a) - Number(b)
  )
}

const exitCodes = (commandPath: ReadonlyArray<string>): string =>
  [
    `\n${paint("bold", "EXIT CODES")}`,
    ...exitCodesOf(commandPath).map(([code, meaning]) => `  ${code.padEnd(4)}${meaning}`)
  ].join("\n")

export const problemLine = (message: string) =>
  `${paint("red", "error:", process.stderr)} ${message.split("\n").map(plain).join("\n")}`

/** The command line looks among a command's own flags alone. */
const nearestGlobal = (error: CliError.NonShowHelpErrors, { globalFlags = [] }: HelpDoc.HelpDoc): string => {
  if (error._tag !== "UnrecognizedOption" || error.suggestions.length > 0) return ""
  const near = globalFlags.map(({ name }) => `--${name}`).filter((flag) => distance(error.option, flag) <= 2)
  return near.length === 0 ? "" : `\n\n  Did you mean this?\n${near.map((flag) => `    ${flag}`).join("\n")}`
}

export const presenter = CliOutput.Presenter.of({
  present: (event) => {
    switch (event._tag) {
      case "InvalidInvocation":
        return Console.error(
          [
            ...event.errors.map((error) => problemLine(`${error.message}${nearestGlobal(error, event.helpDoc)}`)),
            `See \`${event.commandPath.join(" ")} --help\`.`
          ].join("\n")
        )
      case "Help": {
        const shown = CliOutput.defaultPresenter.present(event)
        const isGroup = (event.helpDoc.subcommands ?? []).length > 0
        return isGroup ? shown : Effect.andThen(shown, Console.log(exitCodes(event.commandPath)))
      }
      default:
        return CliOutput.defaultPresenter.present(event)
    }
  }
})
