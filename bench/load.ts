/**
 * Loading rows into MariaDB: ours beside the server's own client, the JDBC method at its best, and what Node projects use. Prints the
 * thresholds first, and ends with 1 where one was missed.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { freshDatabase } from "@sluice/testkit/database"
import { type Case, fewer, growth, oneConnection, partitioned, peers, type Setting } from "./load/cases.ts"
import { makeData } from "./load/data.ts"
import { caseTable, growthTable, markdown, type Origin, plots, type Results, thresholds, thresholdText } from "./load/report.ts"
import { openTables } from "./load/tables.ts"
import { buildJdbc, installLibraries, mariadbClientVersion, oursKnows } from "./load/ways.ts"
import { machine, revision, writeResults } from "./measure/figures.ts"
import { whole, wrong } from "./measure/flags.ts"
import { javaVersion } from "./measure/java.ts"
import { stackEnv } from "./measure/stack.ts"

const names = ["one", "large", "unique", "partitioned", "peers", "growth"] as const
type Name = (typeof names)[number]

const help = `npm run bench -- load [options]

  --rows <n>       rows of a run (1000000); three times as many in "large" and where the table has partitions
  --rounds <n>     at most so many of each case (5 of "one" and "unique", else 3)
  --cases <list>   ${names.join(",")} (all but growth)
  --long           growth too: 3M, 10M and 30M rows
  --sizes <list>   of growth, in millions (3,10,30)
  --quick          100000 rows, one round: does everything run?
  --no-write       print, and leave bench/results/ as it is
  --json           print the results as JSON

Written results keep what the last run of a case that is left out has measured.`

const options = {
  rows: { type: "string" },
  rounds: { type: "string" },
  cases: { type: "string" },
  long: { type: "boolean", default: false },
  sizes: { type: "string", default: "3,10,30" },
  quick: { type: "boolean", default: false },
  write: { type: "boolean", default: true },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false }
} as const

const say = (text: string) => console.error(text)

const chosen = (list: string | undefined, long: boolean): ReadonlySet<Name> => {
  const given = list === undefined ? names.filter((name) => name !== "growth") : list.split(",")
  const unknown = given.find((name) => !names.includes(name as Name))
  if (unknown !== undefined) throw wrong(`--cases: there is no ${JSON.stringify(unknown)}; there are ${names.join(", ")}`)
  return new Set([...(given as ReadonlyArray<Name>), ...(long ? (["growth"] as const) : [])])
}

const written = new URL("results/load.json", import.meta.url)

const earlier = (): Results => {
  try {
    return JSON.parse(readFileSync(written, "utf8")) as Results
  } catch {
    return { cases: [] }
  }
}

/** What was measured now, and beside it what an earlier run measured of the other cases. */
const together = (now: Results, before: Results): Results => {
  const cases = [...now.cases, ...before.cases.filter(({ name }) => !now.cases.some((one) => one.name === name))]
  const position = ({ name }: Case) => names.indexOf(name as Name)
  const curves = now.growth ?? before.growth
  return { cases: cases.sort((a, b) => position(a) - position(b)), ...(curves === undefined ? {} : { growth: curves }) }
}

export const run = async (args: ReadonlyArray<string>): Promise<void> => {
  const { values } = parseArgs({ args: [...args], allowNegative: true, options })
  if (values.help) return console.log(help)
  const cases = chosen(values.cases, values.long)
  const rows = whole("rows", values.rows ?? (values.quick ? "100000" : "1000000"))
  const asked = values.rounds === undefined ? undefined : whole("rounds", values.rounds)
  const sizes = values.sizes.split(",").map((size) => whole("sizes", size) * (values.quick ? 100_000 : 1_000_000))
  const client = mariadbClientVersion()
  const jdbc = cases.has("peers") || cases.has("growth") ? buildJdbc() : undefined
  const libraries = cases.has("peers") ? installLibraries() : undefined
  const knows = oursKnows()
  const folder = mkdtempSync(join(tmpdir(), "sluice-bench-load-"))
  const closing: Array<() => Promise<void> | void> = [() => rmSync(folder, { recursive: true, force: true })]
  try {
    const database = await freshDatabase(stackEnv().SLUICE_MARIADB_URL)
    closing.push(database.drop)
    const tables = await openTables(database.url)
    closing.push(tables.close)
    const rounds = (most: number) => asked ?? (values.quick ? 1 : most)
    const setting: Setting = { url: database.url, folder, tables, knows, jdbc, libraries, rows, rounds, say }
    const data = await makeData(folder, { rows, first: [fewer(rows)] })
    say(`${rows.toLocaleString("en")} rows, ${(data.bytes / rows).toFixed(1)} bytes a row`)
    const origin: Origin = {
      date: new Date().toISOString(),
      command: ["npm run bench -- load", ...args].join(" "),
      revision: revision(),
      machine: machine(),
      versions: {
        MariaDB: tables.version,
        "mariadb client": client,
        ...(jdbc === undefined ? {} : { Java: javaVersion(), "mariadb-java-client": "3.5.6" }),
        ...libraries?.versions
      }
    }
    const measured: Array<Case> = []
    const measure = async (name: Name, work: () => Promise<Case>) => {
      if (!cases.has(name)) return
      say(name)
      measured.push(await work())
    }
    await measure("one", () => oneConnection(setting, data, { name: "one", uniqueEmail: false, rounds: 5 }))
    await measure("large", async () => {
      const large = await makeData(folder, { rows: 3 * rows })
      return oneConnection(setting, large, { name: "large", uniqueEmail: false, rounds: 3 })
    })
    await measure("unique", () => oneConnection(setting, data, { name: "unique", uniqueEmail: true, rounds: 5 }))
    await measure("partitioned", () => partitioned(setting))
    await measure("peers", () => peers(setting, data))
    const curves = cases.has("growth") && knows.has("--generate") ? await growth(setting, sizes) : undefined

    const results: Results = {
      cases: measured.map((one) => ({ ...one, origin })),
      ...(curves === undefined ? {} : { growth: { curves, origin } })
    }
    const list = thresholds(results)
    if (values.json) console.log(JSON.stringify({ thresholds: list, ...results }))
    else {
      const tablesOf = results.cases.map((one) => `${one.title}\n\n${caseTable(one)}`)
      if (curves !== undefined) tablesOf.push(growthTable(curves))
      console.log(`\n${thresholdText(list)}\n\n${tablesOf.join("\n\n")}`)
    }
    if (values.write) {
      const all = together(results, earlier())
      writeResults("load", markdown(all), all)
      for (const [name, svg] of Object.entries(plots(all))) {
        writeFileSync(new URL(`results/${name}.svg`, import.meta.url), svg)
      }
    }
    if (!list.every(({ held }) => held)) process.exitCode = 1
  } finally {
    for (const close of closing.reverse()) await close()
  }
}
