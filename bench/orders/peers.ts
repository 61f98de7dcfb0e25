/** The servers beside which ours is measured, each ready to answer. */
import { fileURLToPath } from "node:url"
import { freePort } from "@sluice/testkit/processes"
import { springJar } from "../measure/java.ts"
import { answers, cores, type Pinned, startPinned } from "../measure/pinned.ts"

export interface Stores {
  readonly mariadb: string
  readonly mongodb: string
  readonly sqlite: string
}

export type BareWay = "joins" | "documents" | "findone" | "mongodb" | "sqlite"

/** A way to read: its name in the tables, and where its orders and pages stand. */
export interface Contestant {
  readonly name: string
  readonly title: string
  readonly engine: "mariadb" | "mongodb" | "none"
  readonly server: Pinned
  readonly prefix: string
}

const path = (name: string) => fileURLToPath(new URL(`../peers/orders/${name}`, import.meta.url))

export const startBare = async (stores: Stores, way: BareWay): Promise<Pinned> => {
  const url = `http://127.0.0.1:${await freePort()}`
  return startPinned({
    program: process.execPath,
    args: [path("bare.ts")],
    core: cores?.server,
    url,
    env: {
      PORT: new URL(url).port,
      WAY: way,
      MARIADB_URL: stores.mariadb,
      MONGODB_URL: stores.mongodb,
      SQLITE_FILE: stores.sqlite
    },
    ready: answers(`${url}/health`)
  })
}

export const startSpring = async (stores: Stores): Promise<Pinned | undefined> => {
  const jar = springJar(path("spring"), "orders")
  if (jar === undefined) return undefined
  const { host, password, pathname, username } = new URL(stores.mariadb)
  const url = `http://127.0.0.1:${await freePort()}`
  return startPinned({
    program: "java",
    args: ["-Xmx512m", "-jar", jar],
    core: cores?.server,
    url,
    env: {
      PORT: new URL(url).port,
      JDBC_URL: `jdbc:mariadb://${host}${pathname}`,
      JDBC_USER: username,
      JDBC_PASSWORD: password,
      MONGODB_URL: stores.mongodb
    },
    ready: answers(`${url}/health/ready`),
    timeoutMs: 120_000
  })
}
