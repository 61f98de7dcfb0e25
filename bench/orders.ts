/**
 * Reading an order: joins, documents in MariaDB, in SQLite and in MongoDB, bare, by Spring and by Sluice; and what each way costs the
 * writer. Prints the thresholds first, and ends with 1 where one was missed.
 */
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs"
import { loadavg, tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { type Engine, startMariaDb, startMongoDb } from "./measure/engines.ts"
import { machine, revision, writeResults } from "./measure/figures.ts"
import { whole } from "./measure/flags.ts"
import { findGenerator } from "./measure/generator.ts"
import { javaVersion, springBoot } from "./measure/java.ts"
import { cores } from "./measure/pinned.ts"
import { advice } from "./orders/advice.ts"
import {
  addIndexes,
  collection,
  collectionBytes,
  fillMariaDb,
  fillMongoDb,
  fillSqlite,
  normalForm,
  tableBytes
} from "./orders/fill.ts"
import type { Size } from "./orders/model.ts"
import { type Contestant, type Stores, startBare, startSpring } from "./orders/peers.ts"
import { checkAnswers, measureReads, measureScans, type ReadOptions } from "./orders/reads.ts"
import { markdown, type Price, plots, type Results, readTable, thresholds, thresholdText } from "./orders/report.ts"
import { startOurs } from "./orders/views.ts"

const defaultOrders = 300_000

const help = `npm run bench -- orders [options]

  --orders <n>       orders of 1 to 3 lines, for a third as many users (300000; another number has its own report)
  --rounds <n>       rounds of each way in turn (3)
  --seconds <n>      of each measurement (4)
  --connections <n>  at full load (64)
  --rate <n>         reads a second at the fixed rate (1000)
  --quick            20000 orders, one round, 2 s, nothing written: does everything run?
  --no-spring        leave the Java programs out
  --no-write         print, and leave bench/results/ as it is
  --json             print the results as JSON`

const say = (text: string) => console.error(text)

const options = {
  orders: { type: "string" },
  rounds: { type: "string" },
  seconds: { type: "string" },
  connections: { type: "string", default: "64" },
  rate: { type: "string", default: "1000" },
  quick: { type: "boolean", default: false },
  spring: { type: "boolean", default: true },
  write: { type: "boolean", default: true },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false }
} as const

const timed = async <A>(what: string, work: () => Promise<A> | A): Promise<A> => {
  const start = performance.now()
  const result = await work()
  say(`  ${what}: ${((performance.now() - start) / 1000).toFixed(1)} s`)
  return result
}

type Closing = Array<() => Promise<void> | void>

/** Every way to read but ours; the ways by joins before there are indexes are measured on the way. */
const startPeers = async (stores: Stores, withSpring: boolean, closing: Closing) => {
  const bare = async (name: string, title: string, way: Parameters<typeof startBare>[1], engine: Contestant["engine"]) => {
    const server = await startBare(stores, way)
    closing.push(server.stop)
    return { name, title, engine, server, prefix: "" }
  }
  const spring = withSpring ? await startSpring(stores) : undefined
  if (spring !== undefined) closing.push(spring.stop)
  const joins: Array<Contestant> = [await bare("bare-joins", "bare, joins", "joins", "mariadb")]
  const others: Array<Contestant> = [
    await bare("bare-findone", "bare, MongoDB findOne a request", "findone", "mongodb"),
    await bare("bare-mongodb", "bare, MongoDB coalesced", "mongodb", "mongodb"),
    await bare("bare-documents", "bare, MariaDB documents coalesced", "documents", "mariadb"),
    await bare("bare-sqlite", "bare, SQLite documents", "sqlite", "none")
  ]
  if (spring !== undefined) {
    joins.push({ name: "spring-jpa", title: "Spring Data JPA, joins", engine: "mariadb", server: spring, prefix: "/jpa" })
    others.push({ name: "spring-mongodb", title: "Spring Data MongoDB", engine: "mongodb", server: spring, prefix: "/mongodb" })
  }
  return { joins, others }
}

export const run = async (args: ReadonlyArray<string>): Promise<void> => {
  const { values } = parseArgs({ args: [...args], allowNegative: true, options })
  if (values.help) return console.log(help)
  const { quick } = values
  const orders = whole("orders", values.orders ?? (quick ? "20000" : String(defaultOrders)))
  const size: Size = { orders, users: Math.max(1, Math.min(100_000, Math.floor(orders / 3))), items: 10_000 }
  const folder = mkdtempSync(join(tmpdir(), "sluice-bench-orders-"))
  const reading: ReadOptions = {
    size,
    folder,
    rounds: whole("rounds", values.rounds ?? (quick ? "1" : "3")),
    seconds: whole("seconds", values.seconds ?? (quick ? "2" : "4")),
    connections: whole("connections", values.connections),
    rate: whole("rate", values.rate)
  }
  const generator = findGenerator()
  const closing: Closing = [() => rmSync(folder, { recursive: true, force: true })]
  try {
    const mariadb = await startMariaDb()
    closing.push(mariadb.stop)
    const mongodb = await startMongoDb()
    closing.push(mongodb.stop)
    const engines: Readonly<Record<Contestant["engine"], Engine | undefined>> = { mariadb, mongodb, none: undefined }
    const enginePid = ({ engine }: Contestant) => engines[engine]?.pid
    const stores = { mariadb: mariadb.url, mongodb: mongodb.url, sqlite: join(folder, "documents.sqlite") }
    await timed(`${orders} orders into MariaDB, as tables and as documents`, () => fillMariaDb(mariadb.url, "sluice", size))
    await timed(`${orders} orders into MongoDB`, () => fillMongoDb(mongodb.url, size))
    await timed(`${orders} orders into SQLite`, () => fillSqlite(stores.sqlite, size))

    const { joins, others } = await startPeers(stores, values.spring, closing)
    const scans: Array<Results["scans"][number]> = []
    for (const one of joins) {
      const title = `${one.title}, no secondary index`
      scans.push({ name: one.name, title, ...(await timed(title, () => measureScans(one, generator, enginePid, reading))) })
    }
    await timed("indexes", () => addIndexes(mariadb.url, "sluice"))

    const ours = await startOurs({ stores, mariadb, generator, reading, quick, say, closing })
    const indexed = joins.map((one) => ({ ...one, title: `${one.title} with indexes` }))
    const contestants = [...indexed, ...others, ...ours.contestants]
    for (const one of contestants) await checkAnswers(one, size)
    const samples = await measureReads(contestants, generator, enginePid, reading, say)
    const prices: ReadonlyArray<Price> = await ours.prices()

    const results: Results = {
      date: new Date().toISOString(),
      command: ["npm run bench -- orders", ...args].join(" "),
      revision: revision(),
      machine: machine(),
      loadAverage: loadavg()[2]!,
      pinned: cores !== undefined,
      generator: generator.name,
      versions: {
        MariaDB: mariadb.version,
        MongoDB: mongodb.version,
        Kafka: ours.kafkaVersion,
        Java: javaVersion(),
        "Spring Boot": springBoot
      },
      size,
      connections: reading.connections,
      rate: reading.rate,
      rounds: reading.rounds,
      seconds: reading.seconds,
      scans,
      reads: contestants.map(({ name, title }) => ({ name, title, samples: samples.get(name)! })),
      prices,
      bytes: [
        { what: "normal form with its indexes, MariaDB", bytes: await tableBytes(mariadb.url, "sluice", normalForm) },
        { what: "documents with their index, MariaDB", bytes: await tableBytes(mariadb.url, "sluice", ["documents"]) },
        { what: "documents with their index, SQLite", bytes: statSync(stores.sqlite).size },
        { what: "documents with their indexes, MongoDB (compressed)", bytes: await collectionBytes(mongodb.url, collection) },
        ...(await ours.bytes())
      ]
    }
    const list = thresholds(results)
    const held = list.every((threshold) => threshold.held)
    if (values.json) console.log(JSON.stringify({ thresholds: list, ...results }))
    else console.log(`\n${thresholdText(list)}\n\n${readTable(results)}`)
    if (values.write && !quick) {
      // Another number of orders has a report of its own.
      const name = size.orders === defaultOrders ? "orders" : `orders-${size.orders}`
      const plotOf = (plot: string) => plot.replace("orders", name)
      writeResults(name, markdown(results, list, advice).replace(/\(orders-(\w+)\.svg\)/g, `(${name}-$1.svg)`), results)
      for (const [plot, svg] of Object.entries(plots(results))) {
        writeFileSync(new URL(`results/${plotOf(plot)}.svg`, import.meta.url), svg)
      }
    }
    if (!held) process.exitCode = 1
  } finally {
    for (const close of closing.reverse()) await close()
  }
}
