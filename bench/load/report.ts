/** What is promised first and whether it held, then the figures of every case, each with the run it is of. */
import { type Machine, markdownTable, median } from "../measure/figures.ts"
import { linePlot } from "../measure/lines.ts"
import { barPlot } from "../measure/plot.ts"
import type { Case, Curve, Run, Way } from "./cases.ts"

export interface Origin {
  readonly date: string
  readonly command: string
  readonly revision: string
  readonly machine: Machine
  readonly versions: Readonly<Record<string, string>>
}

/** Cases may be of different runs: each says of which. */
export interface Results {
  readonly cases: ReadonlyArray<Case & { readonly origin: Origin }>
  readonly growth?: { readonly curves: ReadonlyArray<Curve>; readonly origin: Origin }
}

export interface Threshold {
  readonly what: string
  readonly bound: string
  readonly value: number
  readonly held: boolean
}

const ratios = (way: Way, reference: Way): ReadonlyArray<number> =>
  way.runs.map(({ rowsPerSecond }, i) => rowsPerSecond / reference.runs[i]!.rowsPerSecond)

const flatAfterSeconds = 15

/** Of the second half of what comes after the fifteenth second to its first half. */
const growthOf = ({ memory }: Curve): number | undefined => {
  const late = memory.filter(({ seconds }) => seconds >= flatAfterSeconds).map(({ rssMiB }) => rssMiB)
  if (late.length < 8) return undefined
  const middle = Math.floor(late.length / 2)
  return median(late.slice(middle)) / median(late.slice(0, middle))
}

export const thresholds = ({ cases, growth }: Results): ReadonlyArray<Threshold> => {
  const list: Array<Threshold> = []
  const least = (what: string, value: number | undefined, bound: number) => {
    if (value !== undefined) list.push({ what, bound: `>= ${bound}`, value, held: value >= bound })
  }
  const most = (what: string, value: number | undefined, bound: number, unit = "") => {
    if (value !== undefined) list.push({ what, bound: `<= ${bound}${unit}`, value, held: value <= bound })
  }
  const find = (name: string) => {
    const found = cases.find((one) => one.name === name)
    const way = (wanted: string) => found?.ways.find((one) => one.name === wanted)
    return (wanted: string, reference = found?.reference ?? "") => {
      const [ours, other] = [way(wanted), way(reference)]
      return ours === undefined || other === undefined ? undefined : ratios(ours, other)
    }
  }
  const middle = (values: ReadonlyArray<number> | undefined) => (values === undefined ? undefined : median(values))
  for (const [name, title] of [
    ["one", ""],
    ["large", ", three times the rows"],
    ["unique", ", unique index on email"]
  ] as const) {
    for (const [way, from] of [
      ["ours-file", "CSV file"],
      ["ours-generator", "generator"]
    ] as const) {
      const found = find(name)(way)
      least(`${from} to the mariadb client${title}, median`, middle(found), 1)
      least(`${from} to the mariadb client${title}, slowest round`, found && Math.min(...found), 0.9)
    }
  }
  const two = find("partitioned")
  const isTwo = two("ours-two") !== undefined
  const how = isTwo ? "--connections 2" : "one connection, for want of --connections,"
  least(`partitioned, ${how} to two mariadb clients, median`, middle(two(isTwo ? "ours-two" : "ours-one")), 0.9)
  const beside = find("peers")
  least("CSV file to JDBC bulk, median", middle(beside("ours-file", "jdbc")), 1.2)
  for (const { name, title } of cases.find((one) => one.name === "peers")?.ways ?? []) {
    if (["ours-file", "client", "jdbc"].includes(name)) continue
    least(`CSV file to ${title.split(",")[0]}, median`, middle(beside("ours-file", name)), 1)
  }
  for (const curve of growth?.curves.filter(({ ours }) => ours) ?? []) {
    most(`${curve.title}: highest RSS`, curve.run.peakMiB * 1.048576, 200, " MB")
    most(`${curve.title}: RSS late to RSS after ${flatAfterSeconds} s`, growthOf(curve), 1.05)
  }
  return list
}

export const thresholdText = (list: ReadonlyArray<Threshold>) =>
  list.map(({ bound, held, value, what }) => `  ${held ? "✓" : "✗"} ${what}: ${value.toFixed(2)} (${bound})`).join("\n")

const count = (value: number) => Math.round(value).toLocaleString("en")
const of = (runs: ReadonlyArray<Run>, key: keyof Run) => median(runs.map((run) => run[key]))

export const caseTable = ({ reference, ways }: Case): string => {
  const base = ways.find(({ name }) => name === reference)!
  return markdownTable(
    ["way", "rows", "seconds", "rows/s", "ratio", "lowest-highest", "client CPU s", "CPU us a row", "peak RSS MB"],
    ways.map((way) => {
      const all = ratios(way, base)
      const cpu = of(way.runs, "cpuSeconds")
      return [
        way.name.startsWith("ours") ? `**${way.title}**` : way.title,
        count(way.rows),
        of(way.runs, "seconds").toFixed(2),
        count(of(way.runs, "rowsPerSecond")),
        median(all).toFixed(2),
        `${Math.min(...all).toFixed(2)}-${Math.max(...all).toFixed(2)}`,
        cpu.toFixed(2),
        ((cpu / way.rows) * 1e6).toFixed(2),
        count(of(way.runs, "peakMiB") * 1.048576)
      ]
    })
  )
}

const runsTable = ({ ways }: Case): string =>
  markdownTable(
    ["seconds of each round", ...(ways[0]?.runs.map((_, i) => String(i + 1)) ?? [])],
    ways.map(({ runs, title }) => [title, ...runs.map(({ seconds }) => seconds.toFixed(2))])
  )

export const growthTable = (curves: ReadonlyArray<Curve>): string =>
  markdownTable(
    ["way", "seconds", "rows/s", "client CPU s", "peak RSS MB", "end"],
    curves.map(({ outOfMemory, ours, run, title }) => [
      ours ? `**${title}**` : title.replace(": OutOfMemoryError", ""),
      run.seconds.toFixed(1),
      outOfMemory ? "-" : count(run.rowsPerSecond),
      run.cpuSeconds.toFixed(1),
      count(run.peakMiB * 1.048576),
      outOfMemory ? "OutOfMemoryError" : "all rows"
    ])
  )

const originText = ({ command, date, machine, revision, versions }: Origin) =>
  `\`${command}\`, ${date}, ${revision}. ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}; ` +
  `Node ${machine.node}, ${Object.entries(versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(", ")}.`

const caseText = (one: Case & { readonly origin: Origin }) => `## ${one.title}

${caseTable(one)}

Medians of ${one.rounds} interleaved ${one.rounds === 1 ? "round" : "rounds"}; the ratio is to ${one.ways.find(({ name }) => name === one.reference)!.title}, of the same round. ${one.notes.join(" ")}

${runsTable(one)}

${originText(one.origin)}
`

export const markdown = (results: Results): string => {
  const table = markdownTable(
    ["threshold", "bound", "measured", ""],
    thresholds(results).map(({ bound, held, value, what }) => [what, bound, value.toFixed(2), held ? "held" : "**missed**"])
  )
  const growth = results.growth
  return `# Bulk load

Whole processes, from their start to their end, into a table made anew: \`people\` with name, email, age and created_at. After each run the
table is compared with the rows that were to be loaded, by their number and by the sum of the CRC-32 of each row. Client CPU is user and
system time, in ticks of 10 ms; RSS is the highest that the system noted (VmHWM), looked at every 25 ms.

## Thresholds

${table}

${results.cases.map(caseText).join("\n")}${
  growth === undefined
    ? ""
    : `
## Memory and rate over rows

${growthTable(growth.curves)}

![resident memory over rows](load-memory.svg)

![rows over time](load-rate.svg)

One run each, looked at by the number of rows alone; memory is sampled every 250 ms. Ours is \`--generate people --no-verify --json\`. The JDBC program makes its list of rows first
and then sends it; the axis of the memory is time, because it has sent nothing while its list grows.

${originText(growth.origin)}
`
}
![rows a second](load-peers.svg)
`
}

export const plots = ({ cases, growth }: Results): Readonly<Record<string, string>> => {
  const found = cases.find(({ name }) => name === "peers") ?? cases[0]
  const bars =
    found === undefined
      ? {}
      : {
          "load-peers": barPlot({
            title: found.title,
            unit: "rows/s",
            bars: found.ways.map(({ name, runs, title }) => ({
              label: title,
              value: of(runs, "rowsPerSecond"),
              ours: name.startsWith("ours")
            }))
          })
        }
  if (growth === undefined) return bars
  const { curves } = growth
  return {
    ...bars,
    "load-memory": linePlot({
      title: "Resident memory of the loading process",
      xAxis: "seconds",
      yAxis: "RSS, MB",
      limit: { y: 200, label: "200 MB" },
      lines: curves.map(({ memory, ours, title }) => ({
        label: title,
        ours,
        points: memory.map(({ rssMiB, seconds }) => [seconds, rssMiB * 1.048576] as const)
      }))
    }),
    "load-rate": linePlot({
      title: "Rows in the table",
      xAxis: "seconds",
      yAxis: "rows",
      lines: curves.map(({ memory, ours, rows, run, outOfMemory, title }) => ({
        label: title,
        ours,
        points: [
          ...memory.map(({ rows: at, seconds }) => [seconds, at] as const),
          ...(outOfMemory ? [] : [[run.seconds, rows] as const])
        ]
      }))
    })
  }
}
