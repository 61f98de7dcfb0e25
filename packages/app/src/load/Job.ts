/** What a load is called where nobody named it: the same table and file give the same job, so the same command goes on. */
import { createHash } from "node:crypto"
import { basename, resolve } from "node:path"

/** Of what a job is called. */
export const jobPattern = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,119}$/

export const isJobName = (text: string): boolean => jobPattern.test(text)

export const jobRule = "1 to 120 letters, digits, dots, dashes, colons and underscores, the first a letter or a digit"

const word = (text: string) => text.replace(/[^A-Za-z0-9._-]+/g, "_").slice(0, 50)

const short = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 6)

const named = (...parts: ReadonlyArray<string>) =>
  parts
    .map(word)
    .join(":")
    .replace(/^[^A-Za-z0-9]+/, "t")

export const jobOfFile = (table: string, path: string): string => named(table, basename(path), short(resolve(path)))

/** What comes by a pipe has no name of its own. */
export const jobOfStdin = (table: string, now: Date): string => named(table, "stdin", now.toISOString().replace(/[^0-9T]/g, ""))

export const jobOfGenerator = (table: string, generator: string, seed: number, rows: number): string =>
  named(table, basename(generator), `${seed}`, `${rows}`)
