/**
 * The entrance of the drop beside the same thing with nothing on top and beside the Spring project's. One process each, the same Redis, the
 * same load, rounds in turn; a warm-up before them does not count. Prints the thresholds first, and ends with 1 where one was missed.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { type Contestant, type Place, startBare, startOurs, startSpring } from "./drop/contestants.ts"
import { markdown, type Results, tableOf, thresholds, thresholdText, titlesOf } from "./drop/report.ts"
import { measureAll, type Options } from "./drop/rounds.ts"
import { startRedis } from "./measure/engines.ts"
import { machine, revision, writeResults } from "./measure/figures.ts"
import { whole } from "./measure/flags.ts"
import { findGenerator } from "./measure/generator.ts"
import { javaVersion, springBoot } from "./measure/java.ts"
import { cores } from "./measure/pinned.ts"

const help = `npm run bench -- drop [options]

  --rounds <n>          rounds of each server in turn (5)
  --seconds <n>         of each round (5)
  --connections <list>  (64,256)
  --waiting <n>         users who wait while others look (100000)
  --no-spring           without the Spring program, which needs Java and Maven
  --calibrate           the bare server against itself: what the ratio is worth on this machine
  --no-write            print, and leave bench/results/ as it is
  --json                print the results as JSON`

const startAll = async (place: Place, calibrate: boolean, spring: boolean): Promise<ReadonlyArray<Contestant>> => {
  const ours = calibrate ? await startBare(place, "single", "ours") : await startOurs(place)
  const bare = await startBare(place, "single", "bare")
  if (calibrate) return [ours, bare]
  const project = spring ? await startSpring(place) : undefined
  return [ours, bare, await startBare(place, "batched", "batched"), ...(project === undefined ? [] : [project])]
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
      spring: { type: "boolean", default: true },
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
    waiting: whole("waiting", values.waiting)
  }
  const generator = findGenerator()
  const folder = mkdtempSync(join(tmpdir(), "sluice-bench-drop-"))
  const closing: Array<() => Promise<void>> = [async () => rmSync(folder, { recursive: true, force: true })]
  try {
    const redis = await startRedis()
    closing.push(redis.stop)
    const contestants = await startAll({ redisUrl: redis.url, folder, closing }, values.calibrate, values.spring)
    const hasSpring = contestants.some(({ name }) => name === "spring")
    const measured = await measureAll(contestants, generator, options, folder, (text) => console.error(text))
    const results: Results = {
      date: new Date().toISOString(),
      command: ["npm run bench -- drop", ...args].join(" "),
      revision: revision(),
      machine: machine(),
      pinned: cores !== undefined,
      generator: generator.name,
      versions: { Redis: redis.version, ...(hasSpring ? { Java: javaVersion(), "Spring Boot": springBoot } : {}) },
      calibration: values.calibrate,
      waiting: options.waiting,
      rounds: options.rounds,
      seconds: options.seconds,
      titles: titlesOf(contestants),
      measured
    }
    const list = thresholds(results)
    const json = { ...results, measured: measured.map(({ rounds, ...one }) => ({ ...one, rounds: Object.fromEntries(rounds) })) }
    console.log(values.json ? JSON.stringify({ thresholds: list, ...json }) : `\n${thresholdText(list)}\n\n${tableOf(results)}`)
    if (values.write && !values.calibrate) writeResults("drop", markdown(results, list), json)
    if (list.some(({ held }) => !held)) process.exitCode = 1
  } finally {
    for (const close of closing.reverse()) await close()
  }
}
