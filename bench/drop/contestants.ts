/** The servers that take the same crowd: ours, the same thing with nothing on top, and the Spring project's entrance. */
import { fileURLToPath } from "node:url"
import { freshDatabase } from "@sluice/testkit/database"
import { freePort } from "@sluice/testkit/processes"
import { springJar } from "../measure/java.ts"
import { answers, cores, type Pinned, startPinned } from "../measure/pinned.ts"
import { stackEnv } from "../measure/stack.ts"

export type Name = "ours" | "bare" | "batched" | "spring"

export interface Contestant {
  readonly name: Name
  readonly title: string
  readonly server: Pinned
  /** Makes the campaign where one is needed. */
  readonly create: (campaign: string) => Promise<void>
}

/** What one of them is started with. Each closes what it opened, in reverse order. */
export interface Place {
  readonly redisUrl: string
  readonly folder: string
  readonly closing: Array<() => Promise<void>>
}

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url))

const start = async (
  { closing }: Place,
  program: string,
  args: ReadonlyArray<string>,
  envAt: (port: string) => Readonly<Record<string, string>>
): Promise<Pinned> => {
  const port = String(await freePort())
  const url = `http://127.0.0.1:${port}`
  const ready = answers(`${url}/health/ready`)
  const server = await startPinned({ program, args, core: cores?.server, url, env: envAt(port), ready, timeoutMs: 120_000 })
  closing.push(server.stop)
  return server
}

const nothing = async () => {}

const titles = {
  bare: "bare, one call of Redis a request",
  batched: "bare, one script call for all requests of a turn"
}

export const startBare = async (place: Place, way: "single" | "batched", name: Name): Promise<Contestant> => ({
  name,
  title: name === "ours" ? "the bare server once more" : titles[way === "single" ? "bare" : "batched"],
  server: await start(place, process.execPath, [path("../peers/drop/bare.ts")], (port) => ({
    PORT: port,
    REDIS_URL: place.redisUrl,
    WAY: way
  })),
  create: nothing
})

export const startSpring = async (place: Place): Promise<Contestant | undefined> => {
  const jar = springJar(path("../peers/drop/spring"), "drop")
  if (jar === undefined) return undefined
  const env = (port: string) => ({ PORT: port, REDIS_URL: place.redisUrl })
  const server = await start(place, "java", ["-Xmx512m", "-jar", jar], env)
  return { name: "spring", title: "the Spring project's entrance (MVC, ZADD then ZRANK)", server, create: nothing }
}

const adminKey = "bench-admin-key-of-more-than-32-characters"

/** A gateway on the real servers. */
export const startOurs = async (place: Place): Promise<Contestant> => {
  const stack = stackEnv()
  const database = await freshDatabase(stack.SLUICE_MARIADB_URL)
  place.closing.push(database.drop)
  const main = path("../../packages/app/src/main.ts")
  const server = await start(place, process.execPath, [main, "serve", "--roles", "gateway"], (port) => ({
    ...stack,
    SLUICE_MARIADB_URL: database.url,
    SLUICE_ENGINES: "cluster",
    SLUICE_REDIS_URL: place.redisUrl,
    SLUICE_PORT: port,
    SLUICE_DATA_DIR: place.folder,
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
  return { name: "ours", title: "Sluice", server, create }
}
