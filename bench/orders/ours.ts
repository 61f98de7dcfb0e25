/** Ours, whole: the product's server before one of its three views, and what stands behind it. */
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { freePort } from "@sluice/testkit/processes"
import { type Engine, startKafka, startRedis } from "../measure/engines.ts"
import { cores, type Pinned, startPinned } from "../measure/pinned.ts"
import { connect, query } from "./fill.ts"
import type { Stores } from "./peers.ts"

export type ViewKind = "mariadb" | "mongodb" | "sqlite"
export const viewKinds: ReadonlyArray<ViewKind> = ["mariadb", "mongodb", "sqlite"]

export const adminKey = "bench-admin-key-of-more-than-32-characters"

/** What stands behind a server of ours: databases of its own in the engines that are measured, or a folder. */
export interface Place {
  readonly view: ViewKind
  readonly mariadb: string
  readonly mongodb: string
  readonly folder: string
}

export const placeOf = (stores: Stores, folder: string, view: ViewKind, name: string): Place => {
  const at = (url: string) => Object.assign(new URL(url), { pathname: `/sluice_${name}_${view}` }).href
  return { view, mariadb: at(stores.mariadb), mongodb: at(stores.mongodb), folder: join(folder, `${name}-${view}`) }
}

export const createDatabase = async ({ mariadb, view }: Place): Promise<void> => {
  if (view === "sqlite") return
  const connection = connect(mariadb, "mysql")
  try {
    await query(connection, `CREATE DATABASE IF NOT EXISTS ${new URL(mariadb).pathname.slice(1)}`)
  } finally {
    connection.end()
  }
}

export interface Middle {
  readonly redis: Engine
  readonly kafka: Engine
  readonly stop: () => Promise<void>
}

export const startMiddle = async (): Promise<Middle> => {
  const redis = await startRedis()
  const kafka = await startKafka()
  return {
    redis,
    kafka,
    stop: async () => {
      await kafka.stop()
      await redis.stop()
    }
  }
}

const main = fileURLToPath(new URL("../../packages/app/src/main.ts", import.meta.url))

/** With all roles where the engines are embedded. */
export const startServing = async (place: Place, { kafka, redis }: Middle, roles: string): Promise<Pinned> => {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const cluster = {
    SLUICE_ENGINES: "cluster",
    SLUICE_MARIADB_URL: place.mariadb,
    SLUICE_MONGODB_URL: place.mongodb,
    SLUICE_REDIS_URL: redis.url,
    SLUICE_KAFKA_BROKERS: kafka.url,
    SLUICE_ORDER_VIEW: place.view
  }
  const embedded = place.view === "sqlite"
  return startPinned({
    program: process.execPath,
    args: [main, "serve", ...(embedded ? [] : ["--roles", roles])],
    core: cores?.server,
    url,
    env: {
      ...(embedded ? { SLUICE_ENGINES: "embedded" } : cluster),
      SLUICE_PORT: String(port),
      SLUICE_DATA_DIR: place.folder,
      SLUICE_ADMIN_KEY: adminKey,
      SLUICE_LOG_LEVEL: "Warn"
    },
    ready: async () => (await fetch(`${url}/health/ready`)).status === 200
  })
}
