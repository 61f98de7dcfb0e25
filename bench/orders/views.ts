/** The servers that read our three views, each view filled through its own port, and what the views cost. */
import { join } from "node:path"
import type { OrderEvent } from "@sluice/domain"
import { MariaDb, MongoDb, Sqlite } from "@sluice/engines"
import { OrderViews, OrderViewsMongoDb, OrderViewsSql } from "@sluice/orders"
import { Effect, Layer, Redacted } from "effect"
import type { Engine } from "../measure/engines.ts"
import type { Generator } from "../measure/generator.ts"
import { collectionBytes, tableBytes } from "./fill.ts"
import { type Size, view } from "./model.ts"
import { createDatabase, type Place, placeOf, startMiddle, startServing, type ViewKind, viewKinds } from "./ours.ts"
import type { Contestant, Stores } from "./peers.ts"
import { measurePrice } from "./prices.ts"
import type { ReadOptions } from "./reads.ts"
import type { Price, Results } from "./report.ts"

export interface OursOptions {
  readonly stores: Stores
  readonly mariadb: Engine
  readonly generator: Generator
  readonly reading: ReadOptions
  readonly quick: boolean
  readonly say: (text: string) => void
  readonly closing: Array<() => Promise<void> | void>
}

export interface Ours {
  readonly kafkaVersion: string
  readonly contestants: ReadonlyArray<Contestant>
  readonly prices: () => Promise<ReadonlyArray<Price>>
  readonly bytes: () => Promise<Results["bytes"]>
}

const titles: Readonly<Record<ViewKind, string>> = {
  mariadb: "Sluice, MariaDB view",
  mongodb: "Sluice, MongoDB view",
  sqlite: "Sluice, SQLite view"
}

const layerOf = ({ folder, mariadb, mongodb, view: kind }: Place): Layer.Layer<OrderViews.OrderViews, unknown> => {
  switch (kind) {
    case "mariadb":
      return OrderViewsSql.layer.pipe(Layer.provide(MariaDb.layer({ url: Redacted.make(mariadb) })))
    case "mongodb":
      return OrderViewsMongoDb.layer().pipe(Layer.provide(MongoDb.layer({ url: Redacted.make(mongodb) })))
    case "sqlite":
      return OrderViewsSql.layer.pipe(Layer.provide(Sqlite.layer({ filename: join(folder, "sluice.db") })))
  }
}

const event = (id: number, size: Size): OrderEvent => {
  const order = view(id, size)
  return { type: "OrderChanged", version: 1, order, customerVersion: 1, committedAtMs: Date.parse(order.placedAt) }
}

const fill = (place: Place, size: Size): Promise<void> =>
  Effect.gen(function* () {
    const views = yield* OrderViews.OrderViews
    for (let first = 1; first <= size.orders; first += 2000) {
      const count = Math.min(2000, size.orders - first + 1)
      yield* views.apply(Array.from({ length: count }, (_, i) => event(first + i, size)))
    }
  }).pipe(Effect.provide(layerOf(place)), Effect.runPromise)

export const startOurs = async (options: OursOptions): Promise<Ours> => {
  const { closing, generator, mariadb, quick, reading, say, stores } = options
  const middle = await startMiddle()
  closing.push(middle.stop)
  const places = viewKinds.map((kind) => placeOf(stores, reading.folder, kind, "read"))
  const contestants: Array<Contestant> = []
  for (const place of places) {
    await createDatabase(place)
    // Makes the tables; where the engine is a file, nobody else may have it while it is filled.
    await (await startServing(place, middle, "gateway")).stop()
    const start = performance.now()
    await fill(place, reading.size)
    say(`  ${titles[place.view]}, filled through its port: ${((performance.now() - start) / 1000).toFixed(1)} s`)
    const server = await startServing(place, middle, "gateway")
    closing.push(server.stop)
    const engine = place.view === "sqlite" ? "none" : place.view
    contestants.push({ name: `ours-${place.view}`, title: titles[place.view], engine, server, prefix: "" })
  }
  return {
    kafkaVersion: middle.kafka.version,
    contestants,
    prices: async () => {
      const prices: Array<Price> = []
      for (const kind of viewKinds) {
        const at = (name: string) => placeOf(stores, reading.folder, kind, name)
        const common = { title: titles[kind], middle, generator, reading, quick, say }
        const enginePid = kind === "sqlite" ? undefined : mariadb.pid
        prices.push(await measurePrice({ ...common, running: at("run"), stopped: at("stopped"), enginePid }))
      }
      return prices
    },
    bytes: async () => {
      const of = (kind: ViewKind) => places.find((place) => place.view === kind)!
      const database = new URL(of("mariadb").mariadb).pathname.slice(1)
      return [
        { what: "Sluice's view with its indexes, MariaDB", bytes: await tableBytes(stores.mariadb, database, ["order_view"]) },
        {
          what: "Sluice's view with its indexes, MongoDB (compressed)",
          bytes: await collectionBytes(of("mongodb").mongodb, "order_view")
        }
      ]
    }
  }
}
