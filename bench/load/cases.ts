/**
 * What is measured: each case lets its ways take turns, on a table made anew, and looks after each run whether the table holds exactly the
 * rows. A round's ratio is to the reference of the same round, so a machine that drifts drifts for both.
 */
import { type Program, ProgramFailed, runMeasured, type Taken } from "../measure/child.ts"
import { type Data, makeData, type Sums, seed } from "./data.ts"
import type { Shape, Tables } from "./tables.ts"
import { type Jdbc, type Libraries, libraries, libraryTitles, mariadbClient, oursFile, oursGenerator } from "./ways.ts"

export interface Run {
  readonly seconds: number
  readonly rowsPerSecond: number
  readonly cpuSeconds: number
  readonly peakMiB: number
}

export interface Way {
  readonly name: string
  readonly title: string
  readonly rows: number
  readonly runs: ReadonlyArray<Run>
}

export interface Case {
  readonly name: string
  readonly title: string
  readonly reference: string
  readonly notes: ReadonlyArray<string>
  readonly rounds: number
  readonly ways: ReadonlyArray<Way>
}

export interface Curve {
  readonly name: string
  readonly title: string
  readonly ours: boolean
  readonly rows: number
  readonly run: Run
  readonly outOfMemory: boolean
  readonly memory: Taken["memory"]
}

export interface Setting {
  readonly url: string
  readonly folder: string
  readonly tables: Tables
  readonly knows: ReadonlySet<string>
  readonly jdbc: Jdbc | undefined
  readonly libraries: Libraries | undefined
  readonly rows: number
  readonly rounds: (most: number) => number
  readonly say: (text: string) => void
}

interface Contender {
  readonly name: string
  readonly title: string
  readonly expected: Sums
  readonly programs: () => ReadonlyArray<Program>
}

const runOf = (taken: Taken, rows: number): Run => ({
  seconds: taken.seconds,
  rowsPerSecond: rows / taken.seconds,
  cpuSeconds: taken.cpuSeconds,
  peakMiB: taken.peakMiB
})

export const runText = (title: string, { cpuSeconds, peakMiB, rowsPerSecond, seconds }: Run) =>
  `  ${title.padEnd(44)} ${seconds.toFixed(2).padStart(7)} s ${Math.round(rowsPerSecond).toLocaleString("en").padStart(9)} rows/s, ` +
  `client CPU ${cpuSeconds.toFixed(2)} s, ${Math.round(peakMiB)} MiB`

/** Every other round goes backwards: who comes after whom matters to the server's caches and its log. */
const inTurn = async (setting: Setting, contenders: ReadonlyArray<Contender>, shape: Shape, rounds: number) => {
  const { say, tables } = setting
  const withIds = shape.partitionRows !== undefined
  const runs = new Map<string, Array<Run>>(contenders.map(({ name }) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const { expected, name, programs, title } of round % 2 === 0 ? contenders : [...contenders].reverse()) {
      await tables.fresh(shape)
      const run = runOf(await runMeasured(programs()), expected.rows)
      await tables.check(title, expected, withIds)
      runs.get(name)!.push(run)
      say(runText(title, run))
    }
  }
  return contenders.map(({ expected, name, title }) => ({ name, title, rows: expected.rows, runs: runs.get(name)! }))
}

const columns = "name, email, age, created_at"
const client = (title = "mariadb client, LOAD DATA LOCAL") => ({ name: "client", title })

export interface OneConnection {
  readonly name: string
  readonly uniqueEmail: boolean
  readonly rounds: number
}

export const oneConnection = async (setting: Setting, data: Data, options: OneConnection): Promise<Case> => {
  const { knows, url } = setting
  const { rows } = data
  const { name, uniqueEmail } = options
  const file = data.files[0]!
  const contenders: Array<Contender> = [
    { ...client(), expected: data, programs: () => [mariadbClient(url, file, columns)] },
    {
      name: "ours-file",
      title: "ours, CSV file, --no-verify",
      expected: data,
      programs: () => [oursFile(url, file, ["--no-verify"])]
    },
    {
      name: "ours-verified",
      title: "ours, CSV file, verified at the end",
      expected: data,
      programs: () => [oursFile(url, file, [])]
    },
    {
      name: "ours-single",
      title: "ours, CSV file, --no-verify, --connections 1",
      expected: data,
      programs: () => [oursFile(url, file, ["--no-verify", "--connections", "1"])]
    }
  ]
  if (knows.has("--generate")) {
    contenders.push({
      name: "ours-generator",
      title: "ours, --generate people, --no-verify",
      expected: data,
      programs: () => [oursGenerator(url, rows, seed, ["--no-verify"])]
    })
  }
  const rounds = setting.rounds(options.rounds)
  return {
    name,
    title: `AUTO_INCREMENT table, ${rows.toLocaleString("en")} rows${uniqueEmail ? ", unique index on email" : ""}`,
    reference: "client",
    notes: [
      "Every value that ours sends is checked against its column first, with or without the verification at the end.",
      "One statement stores at a time. Unless `--connections 1` is given, ours has a second connection that takes the next rows to the server meanwhile, and waits for no commit."
    ],
    rounds,
    ways: await inTurn(setting, contenders, { rows, uniqueEmail }, rounds)
  }
}

const partitionRows = 250_000

export const partitioned = async (setting: Setting): Promise<Case> => {
  const { folder, knows, url } = setting
  const rows = Math.max(3 * setting.rows, 2)
  const whole = await makeData(folder, { rows, ids: true })
  const halves = await makeData(folder, { rows, ids: true, parts: 2 })
  const all = `id, ${columns}`
  const contenders: Array<Contender> = [
    {
      ...client("two mariadb clients, half the rows each"),
      expected: halves,
      programs: () => halves.files.map((file) => mariadbClient(url, file, all))
    },
    {
      name: "client-one",
      title: "one mariadb client",
      expected: whole,
      programs: () => [mariadbClient(url, whole.files[0]!, all)]
    },
    ...(knows.has("--connections")
      ? [
          {
            name: "ours-two",
            title: "ours, CSV file, --connections 2",
            expected: whole,
            programs: () => [oursFile(url, whole.files[0]!, ["--no-verify", "--connections", "2"])]
          }
        ]
      : []),
    {
      name: "ours-one",
      title: "ours, CSV file, one connection",
      expected: whole,
      programs: () => [oursFile(url, whole.files[0]!, ["--no-verify", "--connections", "1"])]
    }
  ]
  const rounds = setting.rounds(3)
  return {
    name: "partitioned",
    title: `RANGE-partitioned table, ids given, ${rows.toLocaleString("en")} rows`,
    reference: "client",
    notes: [
      `Partitions of ${partitionRows.toLocaleString("en")} ids. So many rows that a process's start does not decide.`,
      ...(knows.has("--connections") ? [] : ["`sluice load` has no `--connections`: ours runs on one connection against two."])
    ],
    rounds,
    ways: await inTurn(setting, contenders, { rows, partitionRows }, rounds)
  }
}

const slow: ReadonlySet<string> = new Set(["drizzle", "typeorm", "sequelize", "prisma"])
export const fewer = (rows: number) => Math.ceil(rows / 4)

export const peers = async (setting: Setting, data: Data): Promise<Case> => {
  const { jdbc, libraries: installed, rows, url } = setting
  const file = data.files[0]!
  const part = data.first.get(fewer(rows))!
  const contenders: Array<Contender> = [
    {
      name: "ours-file",
      title: "ours, CSV file, --no-verify",
      expected: data,
      programs: () => [oursFile(url, file, ["--no-verify"])]
    },
    { ...client(), expected: data, programs: () => [mariadbClient(url, file, columns)] }
  ]
  if (jdbc !== undefined) {
    const title = "JDBC, mariadb-java-client, bulk, 10,000 a batch"
    contenders.push({ name: "jdbc", title, expected: data, programs: () => [jdbc(url, "1g", ["csv", file])] })
  }
  for (const library of installed === undefined ? [] : libraries) {
    if (installed!.missing.includes(library)) continue
    const expected = slow.has(library) ? part : data
    const programs = () => [installed!.program(library, url, file, expected.rows)]
    contenders.push({ name: library, title: libraryTitles[library], expected, programs })
  }
  const rounds = setting.rounds(3)
  return {
    name: "peers",
    title: `What else fills tables, ${rows.toLocaleString("en")} rows`,
    reference: "client",
    notes: [
      `Drizzle, TypeORM, Sequelize and Prisma load only the first ${part.rows.toLocaleString("en")} rows of the same file and are compared by rows a second, their start included.`,
      "All read the same CSV file; only ours checks each value against its column before it sends it.",
      ...(installed?.missing.includes("prisma") === false
        ? ["Prisma runs on its driver adapter for MariaDB; its schema engine, which npm does not have, is not needed for that."]
        : []),
      ...(installed?.missing ?? []).map((name) => `${name} could not be made ready from npm alone, and is left out.`)
    ],
    rounds,
    ways: await inTurn(setting, contenders, { rows }, rounds)
  }
}

const rowsOfOurs = (text: string) => {
  const found = [...text.matchAll(/"event":"progress","rows":(\d+)/g)].at(-1)
  return found === undefined ? undefined : Number(found[1])
}

const rowsOfJdbc = (text: string) => {
  const found = [...text.matchAll(/^rows (\d+)$/gm)].at(-1)
  return found === undefined ? undefined : Number(found[1])
}

/** Memory and rate over rows; the JDBC program that makes a list of all rows first, as the project before this one did. */
export const growth = async (setting: Setting, sizes: ReadonlyArray<number>): Promise<ReadonlyArray<Curve>> => {
  const { jdbc, say, tables, url } = setting
  const curves: Array<Curve> = []
  for (const rows of sizes) {
    const shape = { rows }
    await tables.fresh(shape)
    const ours = await runMeasured([oursGenerator(url, rows, seed, ["--no-verify", "--json"])], rowsOfOurs)
    if ((await tables.count()) !== rows) throw new Error(`ours: not ${rows} rows in the table`)
    const title = `ours, ${(rows / 1e6).toLocaleString("en")}M rows`
    curves.push({
      name: `ours-${rows}`,
      title,
      ours: true,
      rows,
      run: runOf(ours, rows),
      outOfMemory: false,
      memory: ours.memory
    })
    say(runText(title, curves.at(-1)!.run))
    if (jdbc === undefined || rows > 10_000_000) continue
    await tables.fresh(shape)
    const program = [jdbc(url, "1g", ["memory", String(rows)])]
    const { outOfMemory, taken } = await runMeasured(program, rowsOfJdbc).then(
      (taken) => ({ taken, outOfMemory: false }),
      (error: unknown) => {
        if (!(error instanceof ProgramFailed) || !error.said.includes("java.lang.OutOfMemoryError")) throw error
        return { taken: error.taken, outOfMemory: true }
      }
    )
    if (!outOfMemory && (await tables.count()) !== rows) throw new Error(`JDBC: not ${rows} rows in the table`)
    const jdbcTitle = `JDBC, all rows in memory, -Xmx1g, ${(rows / 1e6).toLocaleString("en")}M rows${outOfMemory ? ": OutOfMemoryError" : ""}`
    curves.push({
      name: `jdbc-${rows}`,
      title: jdbcTitle,
      ours: false,
      rows,
      run: runOf(taken, rows),
      outOfMemory,
      memory: taken.memory
    })
    say(outOfMemory ? `  ${jdbcTitle} after ${taken.seconds.toFixed(1)} s` : runText(jdbcTitle, runOf(taken, rows)))
  }
  return curves
}
