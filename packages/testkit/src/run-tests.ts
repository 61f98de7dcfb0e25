/**
 * `npm test`: every suite, or those that vitest's own arguments choose, with the real servers up for the suites that need them.
 *
 * Servers that were up stay up; those that were started here end with the tests, also after a failure or an interrupt. Where a server
 * can't be had, its suites are skipped, and that is said at the end once more; under CI it is a failure, never a skip. The last line
 * counts: `N passed, N failed`.
 *
 * The tests that share the servers wait for them more than they work. Those that need none run meanwhile, in a vitest of their own.
 */

import { spawn } from "node:child_process"
import { readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { isCi, programs } from "./ci.ts"
import { root } from "./stack/checkout.ts"
import { down, env, type Name, type Outcome, up } from "./stack/index.ts"
import { systemProgram } from "./stack/packages.ts"
import { run } from "./stack/processes.ts"

const args = process.argv.slice(2)
const vitest = [join(root, "node_modules/vitest/vitest.mjs")]
const config = ["--config", "vitest.workspace.ts"]
const reports = [0, 1].map((n) => join(root, `.sluice/tests-${process.pid}-${n}.json`)) as [string, string]
const tell = (line: string) => console.error(line)

const served = ["live", "e2e"] as const
const alone = ["unit", "process", "browser"] as const
type Kind = (typeof served)[number] | (typeof alone)[number]

/** The kinds of tests that vitest would run with these arguments. */
const chosenKinds = async (): Promise<ReadonlySet<Kind>> => {
  const list = await run({
    program: process.execPath,
    args: [...vitest, "list", "--filesOnly", "--json", ...config, ...args],
    cwd: root
  })
  const files: ReadonlyArray<{ readonly projectName: Kind }> = JSON.parse(list)
  return new Set(files.map(({ projectName }) => projectName))
}

/** Servers started here, to be ended with the tests. */
const started: Array<Name> = []
/** The kinds of tests that can't run, with the reason. */
const skipped = new Map<Kind, string>()

const bringServers = async (kinds: ReadonlyArray<Kind>): Promise<void> => {
  const outcomes = await up({
    tell,
    onSettled: (outcome) => {
      if (outcome.started) started.push(outcome.name)
      tell(describe(outcome))
    }
  })
  const missing = outcomes.filter(({ error }) => error !== undefined).map(({ name }) => name)
  for (const kind of missing.length === 0 ? [] : kinds) skipped.set(kind, `no ${missing.join(", no ")}: see the reasons above`)
}

const describe = ({ error, ms, name, source, started }: Outcome): string =>
  `${name}: ${error ? error.message : `${source}, ${started ? `ready after ${(ms / 1000).toFixed(1)} s` : "was up already"}`}`

const findBrowser = async (): Promise<void> => {
  await systemProgram("chromium", "Chromium", ["chromium"], tell).catch((error: Error) => {
    tell(error.message)
    skipped.set("browser", "no chromium: see the reason above")
  })
}

/** A test that misses one is skipped, and fails under CI. */
const findPrograms = async (): Promise<void> => {
  for (const [name, from] of Object.entries(programs)) {
    await systemProgram(name, name, [from], tell).catch((error: Error) => tell(error.message))
  }
}

const warn = (text: string) => {
  for (const [kind, reason] of skipped) tell(`\n*** ${text}: the ${kind} tests (${reason})`)
}

const interrupt = new AbortController()
let interruptedBy: "SIGINT" | "SIGTERM" | undefined
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.on(name, () => {
    interruptedBy ??= name
    interrupt.abort()
  })
}

/** Vitest's exit code; it ends when this is interrupted. What it says goes to `say`, or else straight to the terminal. */
const runVitest = (report: string, leaveOut: ReadonlyArray<Kind> = [], say?: (text: string) => void): Promise<number> => {
  const without = [...skipped.keys(), ...leaveOut].map((kind) => `--project=!${kind}`)
  const reporters = ["--reporter=json", `--outputFile.json=${report}`]
  if (!args.some((arg) => arg.startsWith("--reporter"))) reporters.unshift("--reporter=default")
  if (say !== undefined && process.stdout.isTTY) reporters.unshift("--color")
  const child = spawn(process.execPath, [...vitest, "run", ...config, ...args, ...without, ...reporters], {
    cwd: root,
    env: { ...process.env, ...env(), ...(skipped.size === 0 ? {} : { SLUICE_STACK: "missing" }) },
    stdio: say === undefined ? "inherit" : ["ignore", "pipe", "pipe"]
  })
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding("utf8").on("data", (text: string) => say?.(text))
  interrupt.signal.addEventListener("abort", () => child.kill("SIGTERM"))
  return new Promise((resolve, reject) => child.once("error", reject).once("close", (code) => resolve(code ?? 1)))
}

/** The tests with servers and those without: the terminal is the former's until they have ended, and then the latter's. */
const runTests = async (chosen: ReadonlySet<Kind>): Promise<number> => {
  const some = (kinds: ReadonlyArray<Kind>) => kinds.some((kind) => chosen.has(kind) && !skipped.has(kind))
  // Two would overwrite each other's.
  const writesFile = args.some((arg) => /^--(outputFile|coverage)/.test(arg))
  if (writesFile || !some(served) || !some(alone)) return runVitest(reports[0])
  let held: string | undefined = ""
  const codes = await Promise.all([
    runVitest(reports[0], alone).finally(() => {
      process.stdout.write(held ?? "")
      held = undefined
    }),
    runVitest(reports[1], served, (text) => {
      if (held === undefined) process.stdout.write(text)
      else held += text
    })
  ])
  return Math.max(...codes)
}

interface Report {
  readonly numPassedTests: number
  readonly testResults: ReadonlyArray<{
    readonly status: string
    readonly assertionResults: ReadonlyArray<{ readonly status: string }>
  }>
}

/** Failed are the tests, each file that could not be read or set up, and at least one wherever the run as a whole failed. */
const count = (code: number): string => {
  const read = reports.map(readReport)
  const testResults = read.flatMap(({ testResults }) => testResults)
  const passed = read.reduce((sum, { numPassedTests }) => sum + numPassedTests, 0)
  const failed = testResults.reduce((sum, { assertionResults, status }) => {
    const tests = assertionResults.filter((test) => test.status === "failed").length
    return sum + (tests === 0 && status === "failed" ? 1 : tests)
  }, 0)
  return `${passed} passed, ${code === 0 ? failed : Math.max(failed, 1)} failed`
}

const readReport = (report: string): Report => {
  try {
    return JSON.parse(readFileSync(report, "utf8"))
  } catch {
    return { numPassedTests: 0, testResults: [] }
  }
}

const runAll = async (): Promise<number> => {
  const kinds = await chosenKinds()
  try {
    const needing = served.filter((kind) => kinds.has(kind))
    if (needing.length > 0) await bringServers(needing)
    if (kinds.has("browser") && interruptedBy === undefined) await findBrowser()
    if (isCi() && interruptedBy === undefined) await findPrograms()
    if (skipped.size > 0 && isCi()) {
      warn("CAN'T RUN, which is a failure under CI")
      return 1
    }
    if (interruptedBy !== undefined) return 1
    warn("SKIPPED")
    const code = await runTests(kinds)
    warn("SKIPPED")
    return code
  } finally {
    if (started.length > 0) await down({ only: started, tell })
  }
}

const code = await runAll().catch((error: Error) => {
  console.error(error.message)
  return 1
})
console.log(`\n${count(code)}`)
for (const report of reports) rmSync(report, { force: true })
process.exitCode = interruptedBy === undefined ? code : interruptedBy === "SIGINT" ? 130 : 143
