/**
 * The entrance of the drop beside the same thing with nothing on top (`peers/drop/bare.ts`): joins of users who have never been, and looks
 * at places among many who wait. One process each, the same Redis, the same load, rounds in turn; a warm-up before them does not count.
 *
 * The ratio by CPU (what a request costs the bare server over what it costs ours) stands above the ratio by requests a second: load
 * generator, Redis and server share the cores, and a machine drifts.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { freshDatabase } from "@sluice/testkit/database"
import { Pool } from "undici"
import { type Machine, machine, markdownTable, median, revision, writeResults } from "./measure/figures.ts"
import { findGenerator, type Generator, type Load, type Work } from "./measure/generator.ts"
import { type RedisServer, type Server, startRedis, startServer } from "./measure/processes.ts"
import { stackEnv } from "./measure/stack.ts"

const help = `npm run bench -- drop [options]

  --rounds <n>          rounds of each server in turn (5)
  --seconds <n>         of each round (5)
  --connections <list>  (64,256)
  --waiting <n>         users who wait while others look (100000)
  --calibrate           the bare server against itself: what the ratio is worth on this machine
  --no-write            print, and leave bench/results/ as it is
  --json                print the results as JSON`

interface Options {
  readonly rounds: number
  readonly seconds: number
  readonly connections: ReadonlyArray<number>
  readonly waiting: number
  readonly calibrate: boolean
}

interface Round extends Load {
  readonly rps: number
  readonly cpuMicros: number
  readonly rssMiB: number
}

interface Contestant {
  readonly server: Server
  /** Makes the campaign where one is needed. */
  readonly create: (campaign: string) => Promise<void>
}

type Side = "ours" | "bare"
const sides = ["ours", "bare"] as const

interface Result {
  readonly what: "join" | "look"
  readonly connections: number
  readonly rounds: Readonly<Record<Side, ReadonlyArray<Round>>>
  readonly medians: Readonly<Record<Side, Round>>
  /** Medians over the rounds' own ratios; above 1 ours is the better. */
  readonly ratioByCpu: number
  readonly ratioByRps: number
  readonly ratiosByCpu: readonly [lowest: number, highest: number]
}

interface Results {
  readonly date: string
  readonly command: string
  readonly revision: string
  readonly machine: Machine
  readonly generator: string
  readonly redis: string
  readonly calibration: boolean
  readonly waiting: number
  readonly results: ReadonlyArray<Result>
}

const adminKey = "bench-admin-key-of-more-than-32-characters"

const startBare = async (redis: RedisServer): Promise<Contestant> => ({
  server: await startServer(new URL("peers/drop/bare.ts", import.meta.url), [], (port) => ({
    PORT: String(port),
    REDIS_URL: redis.url
  })),
  create: async () => {}
})

const startOurs = async (redis: RedisServer, dataDir: string, stack: Readonly<Record<string, string>>): Promise<Contestant> => {
  const main = new URL("../packages/app/src/main.ts", import.meta.url)
  const server = await startServer(main, ["serve", "--roles", "gateway"], (port) => ({
    ...stack,
    SLUICE_ENGINES: "cluster",
    SLUICE_REDIS_URL: redis.url,
    SLUICE_PORT: String(port),
    SLUICE_DATA_DIR: dataDir,
    SLUICE_ADMIN_KEY: adminKey,
    SLUICE_LOG_LEVEL: "Warn"
  }))
  const create = async (id: string) => {
    const response = await fetch(`${server.url}/campaigns`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${adminKey}` },
      body: JSON.stringify({ id, name: id, stock: 1000, ratePerSecond: 1000, paused: true })
    })
    if (response.status !== 201) throw new Error(`POST /campaigns: ${response.status} ${await response.text()}`)
  }
  return { server, create }
}

const measure = async ({ server }: Contestant, generator: Generator, work: Work, connections: number, seconds: number) => {
  const before = await server.usage()
  const load = await generator.run(server.url, work, connections, seconds)
  const after = await server.usage()
  return {
    ...load,
    rps: load.requests / load.seconds,
    cpuMicros: (after.cpuMicros - before.cpuMicros) / load.requests,
    rssMiB: after.rssBytes / 2 ** 20
  }
}

const medianRound = (rounds: ReadonlyArray<Round>): Round => {
  const of = (key: keyof Round) => median(rounds.map((round) => round[key]))
  return {
    requests: of("requests"),
    seconds: of("seconds"),
    p50Ms: of("p50Ms"),
    p95Ms: of("p95Ms"),
    p99Ms: of("p99Ms"),
    rps: of("rps"),
    cpuMicros: of("cpuMicros"),
    rssMiB: of("rssMiB")
  }
}

const compare = (what: Result["what"], connections: number, rounds: Record<Side, ReadonlyArray<Round>>): Result => {
  const pairs = rounds.ours.map((ours, i) => [ours, rounds.bare[i]!] as const)
  const byCpu = pairs.map(([ours, bare]) => bare.cpuMicros / ours.cpuMicros)
  return {
    what,
    connections,
    rounds,
    medians: { ours: medianRound(rounds.ours), bare: medianRound(rounds.bare) },
    ratioByCpu: median(byCpu),
    ratioByRps: median(pairs.map(([ours, bare]) => ours.rps / bare.rps)),
    ratiosByCpu: [Math.min(...byCpu), Math.max(...byCpu)]
  }
}

const say = (text: string) => console.error(text)

const roundText = (side: Side, what: string, connections: number, round: Round) =>
  `  ${side.padEnd(4)}  ${what} at ${connections}: ${Math.round(round.rps)} rps, ${round.cpuMicros.toFixed(1)} us CPU, ` +
  `p50 ${round.p50Ms.toFixed(1)} ms, p99 ${round.p99Ms.toFixed(1)} ms, ${Math.round(round.rssMiB)} MiB`

/** Lets users join one after the other in order, `concurrency` at once, and gives the path of each one's place. */
const fill = async ({ server }: Contestant, side: Side, campaign: string, users: number, concurrency = 128) => {
  const pool = new Pool(server.url, { connections: concurrency })
  const base = `/campaigns/${campaign}/tickets`
  const paths: Array<string> = new Array(users)
  let next = 0
  const worker = async () => {
    while (next < users) {
      const n = next++
      const userId = `w${n}`
      const { body, statusCode } = await pool.request({
        method: "POST",
        path: base,
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ userId })
      })
      const answer = (await body.json()) as { readonly ticket?: string }
      if (statusCode !== 202) throw new Error(`${side}: join answered ${statusCode} ${JSON.stringify(answer)}`)
      paths[n] = `${base}/${side === "ours" && answer.ticket !== undefined ? answer.ticket : userId}`
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
  await pool.close()
  return paths
}

/** Both must do what is measured: give the next place, keep it, and tell it. */
const check = async (contestant: Contestant, side: Side, campaign: string) => {
  await contestant.create(campaign)
  for (const expected of [1, 2, 3]) {
    for (let again = 0; again < 2; again++) {
      const response = await fetch(`${contestant.server.url}/campaigns/${campaign}/tickets`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ userId: `check-${expected}` })
      })
      const { position, ticket } = (await response.json()) as { readonly position?: number; readonly ticket?: string }
      const look = await fetch(`${contestant.server.url}/campaigns/${campaign}/tickets/${ticket ?? `check-${expected}`}`)
      const looked = (await look.json()) as { readonly position?: number }
      if (position !== expected || looked.position !== expected) {
        throw new Error(`${side}: expected position ${expected}, join said ${position}, look said ${looked.position}`)
      }
    }
  }
}

const measureAll = async (
  contestants: Readonly<Record<Side, Contestant>>,
  generator: Generator,
  options: Options,
  dir: string
) => {
  const { connections, rounds, seconds, waiting } = options
  const results: Array<Result> = []
  let n = 0
  const joining = async (side: Side): Promise<Work> => {
    const campaign = `bench-${process.pid}-${side}-${++n}`
    await contestants[side].create(campaign)
    return { kind: "join", path: `/campaigns/${campaign}/tickets`, userPrefix: `u${n}-` }
  }
  const paths = Object.fromEntries(sides.map((side) => [side, join(dir, `${side}.paths`)])) as Record<Side, string>
  const looking = async (side: Side): Promise<Work> => ({ kind: "look", pathsFile: paths[side] })

  const inTurn = async (what: Result["what"], at: number, workOf: (side: Side) => Promise<Work>) => {
    const taken: Record<Side, Array<Round>> = { ours: [], bare: [] }
    for (const side of sides) await measure(contestants[side], generator, await workOf(side), at, Math.min(seconds, 3))
    for (let round = 1; round <= rounds; round++) {
      for (const side of sides) {
        const measured = await measure(contestants[side], generator, await workOf(side), at, seconds)
        taken[side].push(measured)
        say(roundText(side, what, at, measured))
      }
    }
    results.push(compare(what, at, taken))
  }

  for (const side of sides) await check(contestants[side], side, `check-${process.pid}-${side}`)
  for (const at of connections) await inTurn("join", at, joining)
  for (const side of sides) {
    say(`  ${side.padEnd(4)}  ${waiting} users take their places`)
    const campaign = `wait-${process.pid}-${side}`
    await contestants[side].create(campaign)
    writeFileSync(paths[side], `${(await fill(contestants[side], side, campaign, waiting)).join("\n")}\n`)
  }
  for (const at of connections) await inTurn("look", at, looking)
  return results
}

const table = ({ results, waiting }: Results): string =>
  markdownTable(
    ["what", "server", "rps", "CPU us a request", "p50 ms", "p99 ms", "RSS MiB", "ratio by CPU", "ratio by rps"],
    results.flatMap((result) =>
      sides.map((side) => {
        const { cpuMicros, p50Ms, p99Ms, rps, rssMiB } = result.medians[side]
        const what = result.what === "join" ? "join" : `look, ${waiting.toLocaleString("en")} waiting`
        const [lowest, highest] = result.ratiosByCpu
        const ratios =
          side === "ours"
            ? [`**${result.ratioByCpu.toFixed(2)}** (${lowest.toFixed(2)}-${highest.toFixed(2)})`, result.ratioByRps.toFixed(2)]
            : ["1", "1"]
        return [
          `${what}, ${result.connections} connections`,
          side,
          Math.round(rps).toLocaleString("en"),
          cpuMicros.toFixed(1),
          p50Ms.toFixed(1),
          p99Ms.toFixed(1),
          Math.round(rssMiB),
          ...ratios
        ]
      })
    )
  )

const markdown = (results: Results): string => `# The entrance of the drop

${table(results)}

"bare" is node:http and ioredis with one script call a request (\`bench/peers/drop/bare.ts\`); "ours" is \`sluice serve --roles gateway\` on the
real servers. Both answer on one process and share one Redis ${results.redis} (append-only file, every second). Medians of interleaved rounds;
ratios are medians of the rounds' own ratios (bare over ours by CPU, ours over bare by requests a second), in brackets the lowest and the
highest: above 1 ours is the better, 0.85 to 1.25 is parity. CPU is user and system time of the server's process.

- ${results.date}, ${results.revision}, \`${results.command}\`
- ${results.machine.cpu}, ${results.machine.cores} cores, ${results.machine.memoryGiB} GiB, ${results.machine.system}; Node ${results.machine.node}, ${results.generator}
`

const whole = (name: string, text: string): number => {
  if (!/^\d+$/.test(text) || Number(text) < 1) {
    throw Object.assign(new Error(`--${name}: ${JSON.stringify(text)} is not a whole number from 1`), { code: "ERR_PARSE_ARGS" })
  }
  return Number(text)
}

export const run = async (args: ReadonlyArray<string>): Promise<void> => {
  const { values } = parseArgs({
    args: [...args],
    allowNegative: true,
    options: {
      rounds: { type: "string", default: "5" },
      seconds: { type: "string", default: "5" },
      connections: { type: "string", default: "64,256" },
      waiting: { type: "string", default: "100000" },
      calibrate: { type: "boolean", default: false },
      write: { type: "boolean", default: true },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false }
    }
  })
  if (values.help) return console.log(help)
  const options: Options = {
    rounds: whole("rounds", values.rounds),
    seconds: whole("seconds", values.seconds),
    connections: values.connections.split(",").map((text) => whole("connections", text)),
    waiting: whole("waiting", values.waiting),
    calibrate: values.calibrate
  }
  const generator = findGenerator()
  const dir = mkdtempSync(join(tmpdir(), "sluice-bench-"))
  const closing: Array<() => Promise<void>> = [async () => rmSync(dir, { recursive: true, force: true })]
  try {
    const redis = await startRedis()
    closing.push(redis.stop)
    const bare = await startBare(redis)
    closing.push(bare.server.stop)
    const ours = options.calibrate ? await startBare(redis) : await startOursOnStack(redis, dir, closing)
    closing.push(ours.server.stop)
    const results: Results = {
      date: new Date().toISOString(),
      command: ["npm run bench -- drop", ...args].join(" "),
      revision: revision(),
      machine: machine(),
      generator: generator.name,
      redis: redis.version,
      calibration: options.calibrate,
      waiting: options.waiting,
      results: await measureAll({ ours, bare }, generator, options, dir)
    }
    console.log(values.json ? JSON.stringify(results) : `\n${table(results)}`)
    if (values.write && !options.calibrate) writeResults("drop", markdown(results), results)
  } finally {
    for (const close of closing.reverse()) await close()
  }
}

const startOursOnStack = async (redis: RedisServer, dir: string, closing: Array<() => Promise<void>>) => {
  const stack = stackEnv()
  const database = await freshDatabase(stack.SLUICE_MARIADB_URL)
  closing.push(database.drop)
  return startOurs(redis, dir, { ...stack, SLUICE_MARIADB_URL: database.url })
}
