/** What the figures of the drop's entrance say, in the console and in `bench/results/drop.md`. */
import { type Machine, markdownTable, median } from "../measure/figures.ts"
import type { Contestant, Name } from "./contestants.ts"
import type { Measured, Round } from "./rounds.ts"

export interface Results {
  readonly date: string
  readonly command: string
  readonly revision: string
  readonly machine: Machine
  /** Whether each server had a core of its own. */
  readonly pinned: boolean
  readonly generator: string
  readonly versions: Readonly<Record<string, string>>
  readonly calibration: boolean
  readonly waiting: number
  readonly rounds: number
  readonly seconds: number
  readonly titles: Readonly<Partial<Record<Name, string>>>
  readonly measured: ReadonlyArray<Measured>
}

export const titlesOf = (contestants: ReadonlyArray<Contestant>): Results["titles"] =>
  Object.fromEntries(contestants.map(({ name, title }) => [name, title]))

/** Of the rounds' own ratios; above 1 ours is the better. */
interface Ratio {
  readonly byCpu: number
  readonly byRps: number
  readonly lowest: number
  readonly highest: number
}

const ratioTo = ({ rounds }: Measured, peer: Name): Ratio | undefined => {
  const [ours, theirs] = [rounds.get("ours"), rounds.get(peer)]
  if (ours === undefined || theirs === undefined) return undefined
  const byCpu = ours.map(({ cpuMicros }, i) => theirs[i]!.cpuMicros / cpuMicros)
  return {
    byCpu: median(byCpu),
    byRps: median(ours.map(({ rps }, i) => rps / theirs[i]!.rps)),
    lowest: Math.min(...byCpu),
    highest: Math.max(...byCpu)
  }
}

export interface Threshold {
  readonly what: string
  readonly bound: number
  readonly ratio: Ratio
  readonly held: boolean
}

const bounds: ReadonlyArray<readonly [peer: Name, title: string, bound: number]> = [
  ["bare", "one call of Redis a request", 0.8],
  ["spring", "the Spring project's entrance", 2]
]

export const thresholds = ({ measured }: Results): ReadonlyArray<Threshold> =>
  bounds.flatMap(([peer, title, bound]) =>
    measured.flatMap((one) => {
      const ratio = ratioTo(one, peer)
      if (ratio === undefined) return []
      return [{ what: `${one.what} at ${one.connections} connections to ${title}`, bound, ratio, held: ratio.byCpu >= bound }]
    })
  )

export const thresholdText = (list: ReadonlyArray<Threshold>) =>
  list
    .map(({ bound, held, ratio, what }) => {
      const { byCpu, byRps } = ratio
      return `  ${held ? "✓" : "✗"} ${what}: ${byCpu.toFixed(2)} (>= ${bound}, by rps ${byRps.toFixed(2)})`
    })
    .join("\n")

const count = (value: number) => Math.round(value).toLocaleString("en")

export const tableOf = ({ measured, titles }: Results): string =>
  markdownTable(
    ["what", "server", "rps", "CPU us a request", "p50 ms", "p99 ms", "RSS MiB", "ours by CPU", "lowest-highest", "by rps"],
    measured.flatMap((one) =>
      [...one.rounds].map(([name, rounds]) => {
        const of = (key: keyof Round) => median(rounds.map((round) => round[key]))
        const ratio = name === "ours" ? undefined : ratioTo(one, name)
        return [
          `${one.what}, ${one.connections} connections`,
          name === "ours" ? `**${titles[name]}**` : titles[name]!,
          count(of("rps")),
          of("cpuMicros").toFixed(1),
          of("p50Ms").toFixed(1),
          of("p99Ms").toFixed(1),
          count(of("rssMiB")),
          ...(ratio === undefined
            ? ["", "", ""]
            : [ratio.byCpu.toFixed(2), `${ratio.lowest.toFixed(2)}-${ratio.highest.toFixed(2)}`, ratio.byRps.toFixed(2)])
        ]
      })
    )
  )

export const markdown = (results: Results, list: ReadonlyArray<Threshold>): string => {
  const { cpu, cores, memoryGiB, node, system } = results.machine
  const rows = list.map(({ bound, held, ratio, what }) => [
    what,
    `>= ${bound}`,
    ratio.byCpu.toFixed(2),
    ratio.byRps.toFixed(2),
    held ? "held" : "**missed**"
  ])
  const versions = Object.entries(results.versions).map(([name, version]) => `${name} ${version}`)
  return `# The entrance of the drop

Users who have never been join; then ${count(results.waiting)} wait, and any of them looks where he stands. All servers do the same work, checked
before it is measured: the next place, the same place when asked again, its position in the answer.

## Thresholds

${markdownTable(["threshold", "bound", "by CPU", "by rps", ""], rows)}

Ratios are medians over the rounds' own ratios, above 1 ours is the better: by CPU what a request costs the peer's process over what it costs
ours, which is what one core can carry; by rps ours over the peer's, where load generator and Redis share the other core. 0.85 to 1.25 is parity.

## Joins and looks

${tableOf(results)}

Sluice is \`sluice serve --roles gateway\` on the real servers. Beyond a place it verifies, limits each user, signs a ticket, estimates the wait,
keeps the order through the loss of Redis, and answers with its security headers. The bare servers are node:http and ioredis
(\`bench/peers/drop/bare.ts\`): "one call of Redis a request" is what is written at first; "one script call for all requests of a turn" is the
most that this way can give. The Spring project's entrance (\`bench/peers/drop/spring\`) sends users who ask again to the end.

- ${results.rounds} interleaved rounds of ${results.seconds} s each after a warm-up, one process a server${results.pinned ? ", on a core of its own; engines and load generator share the other" : ""};
  one Redis (append-only file, every second) for all. CPU is user and system time of the server's process.
- ${results.date}, ${results.revision}, \`${results.command}\`
- ${cpu}, ${cores} cores, ${memoryGiB} GiB, ${system}; Node ${node}, ${[...versions, results.generator].join(", ")}
`
}
