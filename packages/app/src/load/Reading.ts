/** The source that the command line names. */
import type { Source, SourceError } from "@sluice/bulk-load/Source"
import * as TextSource from "@sluice/bulk-load/TextSource"
import * as Effect from "effect/Effect"
import { StartError } from "../StartError.ts"

export interface ReadingFlags {
  readonly columns: string | undefined
  readonly header: boolean
  readonly delimiter: string | undefined
  readonly nullText: string | undefined
  readonly format: "csv" | "ndjson" | undefined
}

const delimiterOf = (text: string): string => (text === "\\t" || text === "tab" ? "\t" : text)

export const marksOf = ({ delimiter, nullText }: ReadingFlags): Pick<TextSource.TextOptions, "delimiter" | "nullText"> => ({
  ...(delimiter === undefined ? {} : { delimiter: delimiterOf(delimiter) }),
  ...(nullText === undefined ? {} : { nullText })
})

export const textOptions = (flags: ReadingFlags, path: string): TextSource.TextOptions => {
  const known = TextSource.formatOf(path)
  return {
    format: flags.format ?? known.format,
    packed: known.packed,
    header: flags.header,
    ...(flags.columns === undefined ? {} : { columns: flags.columns.split(",").map((name) => name.trim()) }),
    ...marksOf(flags)
  }
}

const unusable = (error: SourceError) => new StartError({ message: error.message })

export const fromStdin = (flags: ReadingFlags): Effect.Effect<Source, StartError> =>
  process.stdin.isTTY
    ? Effect.fail(new StartError({ message: "no file is named and standard input is a terminal; see `sluice load --help`" }))
    : Effect.mapError(TextSource.fromReadable("standard input", process.stdin, textOptions(flags, "")), unusable)

export const fromFile = (flags: ReadingFlags, path: string): Effect.Effect<Source, StartError> =>
  Effect.mapError(TextSource.fromFile(path, textOptions(flags, path)), unusable)
