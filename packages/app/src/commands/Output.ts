/**
 * How commands speak: what was asked for on stdout, everything else on stderr; colours only on a terminal and never with NO_COLOR; text
 * of others stripped of what a terminal would obey.
 */
import { styleText } from "node:util"
import * as Console from "effect/Console"
import * as CliOutput from "effect/cli/CliOutput"
import type * as Effect from "effect/Effect"

type Style = Parameters<typeof styleText>[0]

export const paint = (style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string =>
  styleText(style, text, { stream })

/** One line, for programs. */
export const json = (value: unknown): Effect.Effect<void> => Console.log(JSON.stringify(value))

/** Without control and formatting characters: a name from elsewhere must not move the cursor. */
export const plain = (text: string): string => text.replace(/[\p{Cc}\p{Cf}]+/gu, " ")

export type Cell = string | number | null

const shown = (cell: Cell) => (cell === null ? "-" : typeof cell === "number" ? cell.toLocaleString("en") : plain(cell))

const padded = (text: string, width: number, right: boolean) => {
  const space = " ".repeat(Math.max(0, width - CliOutput.displayWidth(text)))
  return right ? space + text : text + space
}

/** Columns of equal width, numbers to the right. */
export const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<Cell>>): string => {
  const texts = rows.map((row) => row.map(shown))
  const widths = head.map((title, i) => Math.max(...[title, ...texts.map((row) => row[i]!)].map(CliOutput.displayWidth)))
  const isNumber = head.map((_, i) => rows.length > 0 && rows.every((row) => typeof row[i] === "number" || row[i] === null))
  const line = (cells: ReadonlyArray<string>) =>
    cells
      .map((cell, i) => padded(cell, widths[i]!, isNumber[i]!))
      .join("  ")
      .trimEnd()
  return [paint("bold", line(head)), ...texts.map(line)].join("\n")
}

/** A name and a value a line. */
export const list = (entries: ReadonlyArray<readonly [name: string, value: Cell]>): string => {
  const width = Math.max(...entries.map(([name]) => name.length))
  return entries.map(([name, value]) => `${padded(name, width, false)}  ${shown(value)}`).join("\n")
}

export const count = (n: number): string => n.toLocaleString("en")
