/** What is promised first and whether it held, then the figures, then what to do with them. */
import { type Machine, markdownTable, median } from "../measure/figures.ts"
import { type BarPlot, barPlot } from "../measure/plot.ts"
import type { Size } from "./model.ts"
import { type Kind, medianSample, type Sample, type Samples, warmUp } from "./reads.ts"

export interface Price {
  readonly name: string
  readonly title: string
  /** POST /orders with relay and projector running, and with them stopped. */
  readonly writes: Sample
  readonly writesAlone: Sample | undefined
  /** Median over rounds of stopped over running. */
  readonly writeRatio: number | undefined
  readonly lag:
    | { readonly orders: number; readonly perSecond: number; readonly p50Ms: number; readonly p99Ms: number }
    | undefined
}

export interface Results {
  readonly date: string
  readonly command: string
  readonly revision: string
  readonly machine: Machine
  /** Over the last 15 minutes, at the end: what else the machine did counts in. */
  readonly loadAverage: number
  readonly pinned: boolean
  readonly generator: string
  readonly versions: Readonly<Record<string, string>>
  readonly size: Size
  readonly connections: number
  readonly rate: number
  readonly rounds: number
  readonly seconds: number
  readonly scans: ReadonlyArray<{ readonly name: string; readonly title: string; readonly alone: Sample; readonly full: Sample }>
  readonly reads: ReadonlyArray<{ readonly name: string; readonly title: string; readonly samples: Samples }>
  readonly prices: ReadonlyArray<Price>
  readonly bytes: ReadonlyArray<{ readonly what: string; readonly bytes: number }>
}

export interface Threshold {
  readonly what: string
  readonly bound: string
  readonly value: number
  readonly held: boolean
  /** The same by requests a second, where `value` is by CPU time. */
  readonly byRps?: number
}

const views = ["mariadb", "mongodb", "sqlite"] as const
const bareOf = { mariadb: "bare-documents", mongodb: "bare-mongodb", sqlite: "bare-sqlite" } as const

/**
 * Ratios are medians over the rounds' own ratios: a machine that drifts drifts for both. Throughput is judged by the CPU time of the server a
 * request, which is what one core can carry: load generator and engine share the other core with whatever else the machine does.
 */
export const thresholds = ({ prices, reads }: Results): ReadonlyArray<Threshold> => {
  const samples = (name: string) => reads.find((one) => one.name === name)?.samples
  const ratio = (kind: Kind, above: string, below: string, of: (a: Sample, b: Sample) => number) => {
    const [a, b] = [samples(above)?.[kind], samples(below)?.[kind]]
    return a === undefined || b === undefined ? undefined : median(a.map((sample, i) => of(sample, b[i]!)))
  }
  const list: Array<Threshold> = []
  const least = (what: string, value: number | undefined, bound: number, byRps?: number) => {
    if (value === undefined) return
    list.push({ what, bound: `>= ${bound}`, value, held: value >= bound, ...(byRps === undefined ? {} : { byRps }) })
  }
  const most = (what: string, value: number | undefined, bound: number, unit = "") => {
    if (value !== undefined) list.push({ what, bound: `<= ${bound}${unit}`, value, held: value <= bound })
  }
  const throughput = (what: string, ours: string, peer: string, bound: number) => {
    const byRps = ratio("full", ours, peer, (a, b) => a.rps / b.rps)
    const byCpu = ratio("full", ours, peer, (a, b) => b.serverMicros / a.serverMicros)
    if (byCpu === undefined || Number.isNaN(byCpu)) least(what, byRps, bound)
    else least(what, byCpu, bound, byRps)
  }
  for (const view of views) {
    const ours = `ours-${view}`
    throughput(`${view} view to Spring's indexed joins`, ours, "spring-jpa", 3)
    throughput(`${view} view to Spring Data MongoDB`, ours, "spring-mongodb", 3)
    throughput(`${view} view to a bare findOne a request`, ours, "bare-findone", 3)
    throughput(`${view} view to the bare way to the same store`, ours, bareOf[view], 0.6)
    most(
      `${view} view, p50 alone to a bare findOne`,
      ratio("alone", ours, "bare-findone", (a, b) => a.p50Ms / b.p50Ms),
      1.2
    )
  }
  for (const { lag, title, writeRatio } of prices) {
    most(`${title}: lag p99 at ${lag?.perSecond} orders/s`, lag?.p99Ms, 100, " ms")
    least(`${title}: POST /orders with the read side stopped to with it`, writeRatio, 0.95)
  }
  return list
}

const byRpsText = (byRps: number | undefined) => (byRps === undefined ? "" : byRps.toFixed(2))

export const thresholdText = (list: ReadonlyArray<Threshold>) =>
  list
    .map(({ bound, byRps, held, value, what }) => {
      const beside = byRps === undefined ? "" : `, by rps ${byRps.toFixed(2)}`
      return `  ${held ? "✓" : "✗"} ${what}: ${value.toFixed(2)} (${bound}${beside})`
    })
    .join("\n")

const ms = (value: number) => (value >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(value >= 10 ? 1 : 2))
const count = (value: number) => Math.round(value).toLocaleString("en")
const mega = (value: number) => (value / 1e6).toFixed(0)

export const readTable = ({ connections, rate, reads, scans }: Results): string =>
  markdownTable(
    [
      "way",
      `rps at ${connections} connections`,
      "p50 ms",
      "p95 ms",
      "p99 ms",
      "server CPU us",
      "engine CPU us",
      `at ${rate}/s: p50`,
      "p95",
      "p99 ms",
      "alone: p50",
      "p99 ms"
    ],
    [
      ...scans.map(({ alone, full, title }) => {
        const at = [full.p50Ms, full.p95Ms, full.p99Ms].map(ms)
        const cpu = [count(full.serverMicros), count(full.engineMicros)]
        return [`${title} (4 connections)`, full.rps.toFixed(1), ...at, ...cpu, "-", "-", "-", ms(alone.p50Ms), ms(alone.p99Ms)]
      }),
      ...reads.map(({ name, samples, title }) => {
        const [full, paced, alone] = [medianSample(samples.full), medianSample(samples.paced), medianSample(samples.alone)]
        const cells = [count(full.rps), ms(full.p50Ms), ms(full.p95Ms), ms(full.p99Ms)]
        const cpu = [count(full.serverMicros), count(full.engineMicros)]
        const rest = [ms(paced.p50Ms), ms(paced.p95Ms), ms(paced.p99Ms), ms(alone.p50Ms), ms(alone.p99Ms)]
        return [name.startsWith("ours") ? `**${title}**` : title, ...cells, ...cpu, ...rest]
      })
    ]
  )

const pageTable = ({ connections, reads }: Results): string =>
  markdownTable(
    ["way", `rps at ${connections} connections`, "p50 ms", "p95 ms", "p99 ms", "server CPU us", "engine CPU us", "alone: p50 ms"],
    reads.map(({ name, samples, title }) => {
      const [page, alone] = [medianSample(samples.page), medianSample(samples.pageAlone)]
      const cells = [count(page.rps), ms(page.p50Ms), ms(page.p95Ms), ms(page.p99Ms)]
      const cpu = [count(page.serverMicros), count(page.engineMicros), ms(alone.p50Ms)]
      return [name.startsWith("ours") ? `**${title}**` : title, ...cells, ...cpu]
    })
  )

const priceTable = ({ prices }: Results): string =>
  markdownTable(
    ["view", "POST /orders a second", "p50 ms", "p99 ms", "with the read side stopped", "ratio", "lag p50 ms", "lag p99 ms"],
    prices.map(({ lag, title, writeRatio, writes, writesAlone }) => [
      title,
      count(writes.rps),
      ms(writes.p50Ms),
      ms(writes.p99Ms),
      writesAlone === undefined ? "-" : count(writesAlone.rps),
      writeRatio === undefined ? "-" : writeRatio.toFixed(2),
      lag === undefined ? "-" : ms(lag.p50Ms),
      lag === undefined ? "-" : ms(lag.p99Ms)
    ])
  )

/** The two claims that started this, as reductions of p50, beside the same two from this run. */
const claims = ({ reads, scans }: Results): string => {
  const scan = scans.find(({ name }) => name === "spring-jpa")
  const of = (name: string) => {
    const samples = reads.find((one) => one.name === name)?.samples
    return samples === undefined ? undefined : medianSample(samples.alone).p50Ms
  }
  const [joins, documents] = [of("spring-jpa"), of("spring-mongodb")]
  if (scan === undefined || joins === undefined || documents === undefined) return ""
  const less = (now: number, before: number) => `${((1 - now / before) * 100).toFixed(1)}%`
  return `## 70% and 72%

The project that Sluice succeeds said that an index made its order read 70% faster and MongoDB 72%, with no data set named. The same two
ways, built anew in \`bench/peers/orders/spring\`, as reductions of p50 at one connection in this run:

${markdownTable(
  ["step", "said", "measured here"],
  [
    [
      "joins: no secondary index -> indexes",
      "70%",
      `${less(joins, scan.alone.p50Ms)} (${ms(scan.alone.p50Ms)} -> ${ms(joins)} ms)`
    ],
    [
      "joins without index -> MongoDB",
      "72%",
      `${less(documents, scan.alone.p50Ms)} (${ms(scan.alone.p50Ms)} -> ${ms(documents)} ms)`
    ],
    ["joins with indexes -> MongoDB", "not said", `${less(documents, joins)} (${ms(joins)} -> ${ms(documents)} ms)`]
  ]
)}
`
}

export const markdown = (results: Results, list: ReadonlyArray<Threshold>, advice: string): string => {
  const { command, connections, date, generator, pinned, rounds, seconds, size } = results
  const { cores, cpu, memoryGiB, node, system } = results.machine
  const versions = Object.entries(results.versions).map(([name, version]) => `${name} ${version}`)
  const thresholdTable = markdownTable(
    ["threshold", "bound", "measured", "by rps", ""],
    list.map(({ bound, byRps, held, value, what }) => {
      return [what, bound, value.toFixed(2), byRpsText(byRps), held ? "held" : "**missed**"]
    })
  )
  const bytes = markdownTable(
    ["stored", "MB", "bytes an order"],
    results.bytes.map(({ bytes: n, what }) => [what, mega(n), count(n / size.orders)])
  )
  return `# Reading orders: joins, documents, MongoDB

${count(size.orders)} orders of 1 to 3 lines with one payment each, ${count(size.users)} users, ${count(size.items)} items. Every way answers the same JSON, compared
field by field before anything was measured.

## Thresholds

${list.length === 0 ? "None: ours was not measured." : thresholdTable}

Throughput is judged by what a request costs the server's core (the peer's CPU time over ours); the ratio by requests a second stands beside it.

## One order by its id

${readTable(results)}

![Orders a second](orders-rps.svg)
![Alone on an idle server](orders-alone.svg)

## A customer's page

The newest 20 orders of one customer. No bare way reads several customers with one call.

${pageTable(results)}

## What it costs

${results.prices.length === 0 ? "" : `${priceTable(results)}\n`}
${bytes}

${claims(results)}
## What to do

${advice}

## How

- ${date}, ${results.revision}, \`${command}\`
- ${cpu}, ${cores} cores, ${memoryGiB} GiB, ${system}; Node ${node}, ${generator}, ${versions.join(", ")}
- Load average at the end, over 15 minutes: ${results.loadAverage.toFixed(1)}. Above about 3, other work shared the cores: trust the CPU times, and take
  latencies and lag for worse than they are.
- ${pinned ? "The measured server on one core; its engine and the load generator on the other." : "Nothing was pinned to a core."}
- ${rounds} rounds of each way in turn, ${seconds} s at ${connections} connections and at the fixed rate, half of it alone and for pages; medians, and
  thresholds from the medians of the rounds' own ratios. Latency at the fixed rate counts from when a request was due. Every server was
  warmed up before, Spring's for ${warmUp.orders + warmUp.pages} s. CPU is user and system time of the process a request.
- "bare" is node:http with mysql2, mongodb or node:sqlite and nothing on top (\`bench/peers/orders/bare.ts\`). "coalesced": all orders asked
  for in one tick are one call. Ours is the whole way through the product's HTTP server, with its checks, limits and metrics.
`
}

export const plots = ({ connections, reads, size }: Results): Readonly<Record<string, string>> => {
  const bars = (kind: Kind, of: keyof Sample): BarPlot["bars"] =>
    reads.map(({ name, samples, title }) => ({
      label: title,
      value: medianSample(samples[kind])[of],
      ours: name.startsWith("ours")
    }))
  const orders = `${count(size.orders)} orders`
  return {
    "orders-rps": barPlot({
      title: `One order by id, ${orders}`,
      unit: `requests/s, ${connections} connections`,
      bars: bars("full", "rps")
    }),
    "orders-alone": barPlot({
      title: `One order by id, ${orders}, idle server`,
      unit: "p50 in ms, 1 connection",
      bars: bars("alone", "p50Ms")
    })
  }
}
