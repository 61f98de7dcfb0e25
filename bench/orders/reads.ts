/** Reads measured in turn: every way answers the same orders, and no figure is taken before its answers were compared. */
import { deepStrictEqual } from "node:assert"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { median } from "../measure/figures.ts"
import { type Generator, type Load, paced } from "../measure/generator.ts"
import { cores, cpuSeconds } from "../measure/pinned.ts"
import { type Size, userOf, view } from "./model.ts"
import type { Contestant } from "./peers.ts"

export interface Sample {
  readonly rps: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
  /** Of the server's and of the engine's process, a request. */
  readonly serverMicros: number
  readonly engineMicros: number
}

export const kinds = ["full", "paced", "alone", "page", "pageAlone"] as const
export type Kind = (typeof kinds)[number]
export type Samples = Readonly<Record<Kind, ReadonlyArray<Sample>>>

export interface ReadOptions {
  readonly size: Size
  readonly rounds: number
  readonly seconds: number
  readonly connections: number
  readonly rate: number
  readonly folder: string
}

const keys = ["rps", "p50Ms", "p95Ms", "p99Ms", "serverMicros", "engineMicros"] as const

export const medianSample = (samples: ReadonlyArray<Sample>): Sample =>
  Object.fromEntries(keys.map((key) => [key, median(samples.map((sample) => sample[key]))])) as unknown as Sample

/** 20,000 paths of orders or of customers, the same for every way; spread evenly, each with at least one order. */
const pathsFile = ({ prefix, server }: Contestant, { folder, size }: ReadOptions, what: "orders" | "pages"): string => {
  const count = Math.min(20_000, size.orders)
  const ids = Array.from({ length: count }, (_, i) => 1 + Math.floor((i * size.orders) / count))
  const paths = ids.map((id) => (what === "orders" ? `${prefix}/orders/${id}` : `${prefix}/customers/${userOf(id, size)}/orders`))
  const file = join(folder, `${what}-${server.pid}${prefix.replaceAll("/", "-")}`)
  writeFileSync(file, `${paths.join("\n")}\n`)
  return file
}

const sampled = async (contestant: Contestant, enginePid: number | undefined, load: () => Promise<Load>): Promise<Sample> => {
  const used = () => [cpuSeconds(contestant.server.pid), enginePid === undefined ? 0 : cpuSeconds(enginePid)] as const
  const before = used()
  const { p50Ms, p95Ms, p99Ms, requests, seconds } = await load()
  const after = used()
  const micros = (i: 0 | 1) => ((after[i] - before[i]) * 1e6) / requests
  return { rps: requests / seconds, p50Ms, p95Ms, p99Ms, serverMicros: micros(0), engineMicros: micros(1) }
}

/** Orders and a customer's page, field by field. */
export const checkAnswers = async ({ name, prefix, server }: Contestant, size: Size, count = 40): Promise<void> => {
  const ask = async (path: string): Promise<unknown> => {
    const response = await fetch(`${server.url}${prefix}${path}`)
    if (response.status !== 200) throw new Error(`${name}: ${path} answered ${response.status} ${await response.text()}`)
    return response.json()
  }
  for (let i = 0; i < count; i++) {
    const id = 1 + Math.floor((i * (size.orders - 1)) / (count - 1))
    deepStrictEqual(await ask(`/orders/${id}`), view(id, size), `${name}: order ${id}`)
  }
  const customer = userOf(size.orders, size)
  const theirs: Array<number> = []
  for (let one = size.orders; one > 0; one--) if (userOf(one, size) === customer) theirs.push(one)
  const expected = { orders: theirs.slice(0, 20).map((id) => view(id, size)), nextCursor: null }
  if (theirs.length <= 20) deepStrictEqual(await ask(`/customers/${customer}/orders`), expected, `${name}: page`)
}

/** A virtual machine compiles what is hot; on one core that takes its time, however short the measurements are. */
export const warmUp = { orders: 40, pages: 20 }

type EnginePid = (contestant: Contestant) => number | undefined

export const measureReads = async (
  contestants: ReadonlyArray<Contestant>,
  generator: Generator,
  enginePid: EnginePid,
  options: ReadOptions,
  say: (text: string) => void
): Promise<ReadonlyMap<string, Samples>> => {
  const { connections, rate, rounds, seconds } = options
  const taken = new Map<string, Record<Kind, Array<Sample>>>()
  const files = new Map(
    contestants.map((one) => [one.name, { orders: pathsFile(one, options, "orders"), pages: pathsFile(one, options, "pages") }])
  )
  const look = (one: Contestant, what: "orders" | "pages", at: number, forSeconds: number) => {
    const work = { kind: "look", pathsFile: files.get(one.name)![what] } as const
    return sampled(one, enginePid(one), () => generator.run(one.server.url, work, at, forSeconds, cores?.rest))
  }
  for (const one of contestants) {
    say(`  warming up: ${one.title}`)
    const slowly = one.name.startsWith("spring")
    await look(one, "orders", connections, slowly ? Math.max(seconds, warmUp.orders) : seconds)
    await look(one, "pages", connections, slowly ? Math.max(seconds, warmUp.pages) : Math.ceil(seconds / 2))
    taken.set(one.name, { full: [], paced: [], alone: [], page: [], pageAlone: [] })
  }
  const short = Math.max(1, Math.ceil(seconds / 2))
  for (let round = 1; round <= rounds; round++) {
    for (const one of contestants) {
      const of = taken.get(one.name)!
      of.full.push(await look(one, "orders", connections, seconds))
      of.alone.push(await look(one, "orders", 1, short))
      of.paced.push(
        await sampled(one, enginePid(one), () => paced(one.server.url, files.get(one.name)!.orders, rate, seconds, cores?.rest))
      )
      of.page.push(await look(one, "pages", connections, short))
      of.pageAlone.push(await look(one, "pages", 1, short))
      const { full, alone } = { full: of.full.at(-1)!, alone: of.alone.at(-1)! }
      say(
        `  ${one.title}: ${Math.round(full.rps)} rps, p99 ${full.p99Ms.toFixed(1)} ms, ${full.serverMicros.toFixed(0)} us CPU; alone p50 ${alone.p50Ms.toFixed(2)} ms`
      )
    }
  }
  return taken
}

/** Full scans: few requests, at few connections, in one round; a figure in seconds needs no third digit. */
export const measureScans = async (one: Contestant, generator: Generator, enginePid: EnginePid, options: ReadOptions) => {
  const orders = pathsFile(one, options, "orders")
  const at = (connections: number) =>
    sampled(one, enginePid(one), () =>
      generator.run(one.server.url, { kind: "look", pathsFile: orders }, connections, options.seconds * 2, cores?.rest)
    )
  await at(1)
  return { alone: await at(1), full: await at(4) }
}
