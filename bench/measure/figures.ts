/**
 * What a figure is worth: medians over interleaved rounds, the spread beside them, and the machine they were taken on.
 */
import { execFileSync } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import { cpus, release, totalmem, type } from "node:os"
import { fileURLToPath } from "node:url"

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly system: string
  readonly node: string
}

export const machine = (): Machine => ({
  cpu: cpus()[0]?.model.trim() ?? "unknown",
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  system: `${type()} ${release()}`,
  node: process.version
})

/** The version of the code, with a mark where the checkout has changes of its own. */
export const revision = (): string => {
  const git = (...args: ReadonlyArray<string>) =>
    execFileSync("git", args, { stdio: ["ignore", "pipe", "ignore"] })
      .toString()
      .trim()
  try {
    return (
      git("rev-parse", "--short", "HEAD") +
      (git("status", "--porcelain", "--", "packages", "bench") === "" ? "" : " with changes")
    )
  } catch {
    return "unknown"
  }
}

const results = new URL("../results/", import.meta.url)

/** Writes `bench/results/<name>.md` and `.json`. */
export const writeResults = (name: string, markdown: string, json: unknown): void => {
  mkdirSync(results, { recursive: true })
  writeFileSync(fileURLToPath(new URL(`${name}.md`, results)), markdown)
  writeFileSync(fileURLToPath(new URL(`${name}.json`, results)), `${JSON.stringify(json, null, 2)}\n`)
}

export const markdownTable = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string | number>>): string =>
  [head, head.map((_, i) => (i === 0 ? "---" : "---:")), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n")
