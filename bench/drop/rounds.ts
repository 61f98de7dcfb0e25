/** Joins of users who have never been and looks at places among many who wait, in turn for all servers, on one Redis. */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Pool } from "undici"
import type { Generator, Load, Work } from "../measure/generator.ts"
import { cores, cpuSeconds } from "../measure/pinned.ts"
import type { Contestant, Name } from "./contestants.ts"

export interface Round extends Load {
  readonly rps: number
  /** User and system time of the server a request. */
  readonly cpuMicros: number
  readonly rssMiB: number
}

export type Rounds = ReadonlyMap<Name, ReadonlyArray<Round>>

export interface Measured {
  readonly what: "join" | "look"
  readonly connections: number
  readonly rounds: Rounds
}

export interface Options {
  readonly rounds: number
  readonly seconds: number
  readonly connections: ReadonlyArray<number>
  readonly waiting: number
}

const rssMiB = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? Number.NaN) / 1024

const measure = async ({ server }: Contestant, generator: Generator, work: Work, connections: number, seconds: number) => {
  const before = cpuSeconds(server.pid)
  const load = await generator.run(server.url, work, connections, seconds, cores?.rest)
  return {
    ...load,
    rps: load.requests / load.seconds,
    cpuMicros: ((cpuSeconds(server.pid) - before) * 1e6) / load.requests,
    rssMiB: rssMiB(server.pid)
  }
}

const ticketsOf = (campaign: string) => `/campaigns/${campaign}/tickets`

/** What names a place when asking for it: the ticket, where there are tickets. */
const pathOf = (campaign: string, userId: string, ticket: string | undefined) => `${ticketsOf(campaign)}/${ticket ?? userId}`

/** Lets users join one after the other in order, `concurrency` at once, and gives the path of each one's place. */
const fill = async ({ name, server }: Contestant, campaign: string, users: number, concurrency = 128) => {
  const pool = new Pool(server.url, { connections: concurrency })
  const paths: Array<string> = new Array(users)
  let next = 0
  const worker = async () => {
    while (next < users) {
      const n = next++
      const userId = `w${n}`
      const { body, statusCode } = await pool.request({
        method: "POST",
        path: ticketsOf(campaign),
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ userId })
      })
      const answer = (await body.json()) as { readonly ticket?: string }
      if (statusCode !== 202) throw new Error(`${name}: join answered ${statusCode} ${JSON.stringify(answer)}`)
      paths[n] = pathOf(campaign, userId, answer.ticket)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
  await pool.close()
  return paths
}

/** All must do what is measured: give the next place, keep it, and tell it. */
const check = async ({ create, name, server }: Contestant, campaign: string) => {
  await create(campaign)
  for (const expected of [1, 2, 3]) {
    for (let again = 0; again < 2; again++) {
      const userId = `check-${expected}`
      const response = await fetch(server.url + ticketsOf(campaign), {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ userId })
      })
      const { position, ticket } = (await response.json()) as { readonly position?: number; readonly ticket?: string }
      const look = await fetch(server.url + pathOf(campaign, userId, ticket))
      const looked = (await look.json()) as { readonly position?: number }
      if (position !== expected || looked.position !== expected) {
        throw new Error(`${name}: expected position ${expected}, join said ${position}, look said ${looked.position}`)
      }
    }
  }
}

/** A virtual machine compiles what is hot; on one core that takes its time, however short the measurements are. */
const warmUpSeconds = ({ name }: Contestant, seconds: number) =>
  name === "spring" ? Math.max(20, seconds) : Math.min(3, seconds)

export const measureAll = async (
  contestants: ReadonlyArray<Contestant>,
  generator: Generator,
  { connections, rounds, seconds, waiting }: Options,
  folder: string,
  say: (text: string) => void
): Promise<ReadonlyArray<Measured>> => {
  const results: Array<Measured> = []
  let n = 0
  const joining = async ({ create, name }: Contestant): Promise<Work> => {
    const campaign = `bench-${process.pid}-${name}-${++n}`
    await create(campaign)
    return { kind: "join", path: ticketsOf(campaign), userPrefix: `u${n}-` }
  }
  const pathsFile = ({ name }: Contestant) => join(folder, `${name}.paths`)
  const looking = async (one: Contestant): Promise<Work> => ({ kind: "look", pathsFile: pathsFile(one) })

  const inTurn = async (what: Measured["what"], at: number, isFirst: boolean, workOf: (one: Contestant) => Promise<Work>) => {
    const taken = new Map<Name, Array<Round>>()
    for (const one of contestants) {
      taken.set(one.name, [])
      const warming = isFirst ? warmUpSeconds(one, seconds) : Math.min(2, seconds)
      await measure(one, generator, await workOf(one), at, warming)
    }
    for (let round = 1; round <= rounds; round++) {
      for (const one of contestants) {
        const measured = await measure(one, generator, await workOf(one), at, seconds)
        taken.get(one.name)!.push(measured)
        const { cpuMicros, p50Ms, p99Ms, rps, rssMiB } = measured
        say(
          `  ${one.name.padEnd(7)}  ${what} at ${at}: ${Math.round(rps)} rps, ${cpuMicros.toFixed(1)} us CPU, ` +
            `p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms, ${Math.round(rssMiB)} MiB`
        )
      }
    }
    results.push({ what, connections: at, rounds: taken })
  }

  for (const one of contestants) await check(one, `check-${process.pid}-${one.name}`)
  for (const [i, at] of connections.entries()) await inTurn("join", at, i === 0, joining)
  for (const one of contestants) {
    say(`  ${one.name.padEnd(7)}  ${waiting} users take their places`)
    const campaign = `wait-${process.pid}-${one.name}`
    await one.create(campaign)
    writeFileSync(pathsFile(one), `${(await fill(one, campaign, waiting)).join("\n")}\n`)
  }
  for (const [i, at] of connections.entries()) await inTurn("look", at, i === 0, looking)
  return results
}
