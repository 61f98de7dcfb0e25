/**
 * A MariaDB, a MongoDB, a Kafka and a Redis for one measurement: each on the core that the measured server has not, with data of its own that goes away
 * with it. Durability is what the engine has by default; memory is given, so that two machines measure the same.
 */
import { execFileSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { freePort } from "@sluice/testkit/processes"
import { jarsOf, kafka, properties } from "@sluice/testkit/stack/kafka"
import { mongodb } from "@sluice/testkit/stack/mongodb"
import { Redis } from "ioredis"
import { MongoClient } from "mongodb"
import mysql from "mysql2/promise"
import { cores, type Pinned, startPinned } from "./pinned.ts"

export interface Engine extends Pinned {
  readonly version: string
}

const memory = { mariadb: "1G", mongodbGiB: "1" }

const withFolder = async (name: string, start: (folder: string) => Promise<Engine>): Promise<Engine> => {
  const folder = mkdtempSync(join(tmpdir(), `sluice-bench-${name}-`))
  const engine = await start(folder)
  return {
    ...engine,
    stop: async () => {
      await engine.stop()
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

const asRoot = process.getuid?.() === 0 ? ["--user=root"] : []

export const startMariaDb = (): Promise<Engine> =>
  withFolder("mariadb", async (folder) => {
    const port = await freePort()
    const data = join(folder, "data")
    mkdirSync(data)
    execFileSync("mariadb-install-db", ["--no-defaults", `--datadir=${data}`, "--skip-test-db", ...asRoot], { stdio: "ignore" })
    const accounts = join(folder, "accounts.sql")
    writeFileSync(
      accounts,
      "CREATE DATABASE sluice;\nCREATE USER 'bench'@'127.0.0.1' IDENTIFIED BY 'bench';\nGRANT ALL ON *.* TO 'bench'@'127.0.0.1';\n"
    )
    const args = [
      "--no-defaults",
      ...asRoot,
      `--datadir=${data}`,
      `--port=${port}`,
      `--socket=${join(folder, "socket")}`,
      `--init-file=${accounts}`,
      "--bind-address=127.0.0.1",
      "--skip-name-resolve",
      "--local-infile=ON",
      "--character-set-server=utf8mb4",
      "--collation-server=utf8mb4_general_ci",
      "--max-connections=300",
      `--innodb-buffer-pool-size=${memory.mariadb}`
    ]
    let version = ""
    const ready = async () => {
      const connection = await mysql.createConnection({ host: "127.0.0.1", port, user: "bench", password: "bench" })
      const [rows] = await connection.query<Array<mysql.RowDataPacket>>("SELECT VERSION() AS version")
      version = String(rows[0]?.version).replace(/-.*$/, "")
      await connection.end()
      return true
    }
    const url = `mysql://bench:bench@127.0.0.1:${port}/sluice`
    const pinned = await startPinned({ program: "mariadbd", args, core: cores?.rest, url, ready })
    return { ...pinned, version }
  })

export const startMongoDb = (): Promise<Engine> =>
  withFolder("mongodb", async (folder) => {
    const port = await freePort()
    const server = { source: "native" as const, port, password: "" }
    const { program } = await mongodb.prepare(server, console.error)
    const args = [
      ...["--replSet", "rs0", "--bind_ip", "127.0.0.1", "--port", String(port), "--dbpath", folder],
      ...[
        "--wiredTigerCacheSizeGB",
        memory.mongodbGiB,
        "--setParameter",
        "diagnosticDataCollectionEnabled=false",
        "--nounixsocket"
      ]
    ]
    let version = ""
    const ready = async () => {
      const client = new MongoClient(`mongodb://127.0.0.1:${port}/?directConnection=true`, { serverSelectionTimeoutMS: 1000 })
      try {
        const admin = client.db("admin")
        await admin.command({ replSetInitiate: { _id: "rs0", members: [{ _id: 0, host: `127.0.0.1:${port}` }] } }).catch(() => {})
        version = String((await admin.command({ buildInfo: 1 })).version)
        return Boolean((await admin.command({ hello: 1 })).isWritablePrimary)
      } finally {
        await client.close()
      }
    }
    const url = `mongodb://127.0.0.1:${port}/sluice?replicaSet=rs0`
    const pinned = await startPinned({ program, args, core: cores?.rest, url, ready })
    return { ...pinned, version }
  })

export const startKafka = (): Promise<Engine> =>
  withFolder("kafka", async (folder) => {
    const record = { source: "native" as const, port: await freePort(), controllerPort: await freePort(), password: "" }
    const jars = await jarsOf(console.error)
    const java = (...args: ReadonlyArray<string>) => ["-Xmx512m", "-Xms256m", "-cp", join(jars, "*"), ...args]
    const config = join(folder, "kafka.properties")
    writeFileSync(config, properties(record, join(folder, "data")))
    const clusterId = randomBytes(16).toString("base64url").replace(/^-/, "A")
    execFileSync("java", java("kafka.tools.StorageTool", "format", "-t", clusterId, "-c", config), { stdio: "ignore" })
    let version = ""
    const ready = async () => {
      version = await kafka.ask(record)
      return true
    }
    const args = java("kafka.Kafka", config)
    const pinned = await startPinned({ program: "java", args, core: cores?.rest, url: kafka.valueOf(record), ready })
    return { ...pinned, version }
  })

/** With the append-only file on, written to disk every second. It is never rewritten: that would hit one round and not the others. */
export const startRedis = (): Promise<Engine> =>
  withFolder("redis", async (dir) => {
    const port = await freePort()
    const settings = {
      port,
      bind: "127.0.0.1",
      dir,
      save: "",
      appendonly: "yes",
      appendfsync: "everysec",
      "auto-aof-rewrite-percentage": 0,
      "maxmemory-policy": "noeviction"
    }
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])
    const url = `redis://127.0.0.1:${port}`
    let version = ""
    const ready = async () => {
      const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null })
      client.on("error", () => {})
      try {
        await client.connect()
        version = /redis_version:(\S+)/.exec(await client.info("server"))?.[1] ?? "unknown"
        return true
      } finally {
        client.disconnect()
      }
    }
    const pinned = await startPinned({ program: "redis-server", args, core: cores?.rest, url, ready })
    return { ...pinned, version }
  })
