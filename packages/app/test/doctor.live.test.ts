/** The doctor at real servers: nothing of it is left there, and bad settings and missing rights are found and named. */
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { clusterEnv, liveUrl, whenLive } from "@sluice/testkit/live"
import { eventually, freePort } from "@sluice/testkit/processes"
import { startRedisCluster } from "@sluice/testkit/redisCluster"
import { Effect } from "effect"
import { Redis } from "ioredis"
import { Kafka, logLevel } from "kafkajs"
import { MongoClient } from "mongodb"
import mysql from "mysql2/promise"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { diagnose } from "../src/doctor/Doctor.ts"
import type { Finding } from "../src/doctor/Finding.ts"

const look = (env: Record<string, string> = {}) => Effect.runPromise(diagnose({ ...clusterEnv(), SLUICE_PORT: "0", ...env }))

const stateOf = (found: ReadonlyArray<Finding>, about: string, check: string) => {
  const finding = found.find((one) => one.about === about && one.check === check)
  return `${finding?.state}: ${finding?.means}`
}

/** Everything that the doctor may have left behind, by server. */
const leftovers = async () => {
  const connection = await mysql.createConnection({ uri: liveUrl("SLUICE_MARIADB_URL") })
  const [tables] = await connection.query("SHOW TABLES LIKE 'sluice\\_doctor\\_%'")
  await connection.end()
  const redis = new Redis(liveUrl("SLUICE_REDIS_URL").split(",")[0]!)
  const keys = await redis.keys("sluice:{sluice_doctor_*")
  await redis.quit()
  const mongo = new MongoClient(liveUrl("SLUICE_MONGODB_URL"))
  const collections = await mongo
    .db()
    .listCollections({ name: /^sluice_doctor_/ })
    .toArray()
  await mongo.close()
  const admin = new Kafka({ brokers: liveUrl("SLUICE_KAFKA_BROKERS").split(","), logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  const topics = (await admin.listTopics()).filter((topic) => topic.startsWith("sluice.doctor."))
  const groups = (await admin.listGroups()).groups.filter(({ groupId }) => groupId.startsWith("sluice.doctor."))
  await admin.disconnect()
  return [tables, keys, collections, topics, groups].flat()
}

const startRedis = async (...args: ReadonlyArray<string>) => {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), "sluice-doctor-redis-"))
  const child = spawn("redis-server", ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", ...args], {
    stdio: "ignore"
  })
  started.push({ child, folder })
  await eventually("Redis answers", async () => {
    await promisify(execFile)("redis-cli", ["-h", "127.0.0.1", "-p", String(port), "ping"])
    return true
  })
  return port
}

const started: Array<{ readonly child: ChildProcess; readonly folder: string }> = []

afterAll(() => {
  for (const { child, folder } of started) {
    child.kill("SIGKILL")
    rmSync(folder, { recursive: true, force: true })
  }
})

await whenLive(() => {
  describe("doctor at the servers of this checkout", () => {
    let found: ReadonlyArray<Finding> = []
    beforeAll(async () => {
      found = await look()
    })

    it("finds no problem, and looked at all of them", () => {
      assert.deepStrictEqual(
        found.filter(({ state }) => state === "problem"),
        []
      )
      for (const about of ["redis", "kafka", "mariadb", "mongodb"]) {
        for (const check of ["reachable", "version", "permissions", "clock"]) {
          assert.match(stateOf(found, about, check), /^ok: /, `${about} ${check}`)
        }
      }
      for (const [about, check] of [
        ["redis", "maxmemory-policy"],
        ["redis", "appendonly"],
        ["redis", "appendfsync"],
        ["mariadb", "innodb_flush_log_at_trx_commit"],
        ["mariadb", "isolation"],
        ["mariadb", "local_infile"],
        ["mongodb", "primary"]
      ] as const) {
        assert.match(stateOf(found, about, check), /^ok: /, `${about} ${check}`)
      }
    })

    it("leaves nothing behind", async () => {
      await eventually("nothing of the doctor is there", async () => (await leftovers()).length === 0, 10_000)
    })

    it("shows no password", () => {
      assert.notInclude(JSON.stringify(found), new URL(liveUrl("SLUICE_MARIADB_URL")).password)
    })
  })

  describe("doctor at servers that are not well", () => {
    it("Redis that forgets: eviction and no append-only file, each with the command that mends it, which does", async () => {
      const port = await startRedis("--appendonly", "no", "--maxmemory-policy", "allkeys-lru")
      const env = { SLUICE_REDIS_URL: `redis://127.0.0.1:${port}` }
      const found = await look(env)
      assert.match(stateOf(found, "redis", "maxmemory-policy"), /^problem: allkeys-lru/)
      assert.match(stateOf(found, "redis", "appendonly"), /^problem: no/)
      for (const { mend } of found.filter(({ about, state }) => about === "redis" && state === "problem")) {
        const [command] = /^redis-cli [^,]+/.exec(mend!)!
        await promisify(execFile)("bash", ["-c", command])
      }
      const mended = await look(env)
      assert.deepStrictEqual(
        mended.filter(({ about, state }) => about === "redis" && state !== "ok"),
        []
      )
    })

    it("Redis with a password: refused without or with a wrong one, which is not shown", async () => {
      const port = await startRedis("--appendonly", "yes", "--requirepass", "marked-password")
      for (const [url, reason] of [
        [`redis://127.0.0.1:${port}`, /refuses the user: NOAUTH/],
        [`redis://:marked-wrong-one@127.0.0.1:${port}`, /refuses the user: WRONGPASS/]
      ] as const) {
        const found = await look({ SLUICE_REDIS_URL: url })
        assert.match(stateOf(found, "redis", "reachable"), reason)
        assert.notInclude(JSON.stringify(found), "marked-")
      }
      const found = await look({ SLUICE_REDIS_URL: `redis://:marked-password@127.0.0.1:${port}` })
      assert.match(stateOf(found, "redis", "permissions"), /^ok/)
      assert.notInclude(JSON.stringify(found), "marked-")
    })

    it("Redis whose user may not do what scripts do", async () => {
      const port = await startRedis("--appendonly", "yes")
      const acl = [
        "-p",
        String(port),
        "ACL",
        "SETUSER",
        "weak",
        "on",
        ">weak-password",
        "~sluice:*",
        "+@all",
        "-@scripting",
        "-config"
      ]
      await promisify(execFile)("redis-cli", acl)
      const found = await look({ SLUICE_REDIS_URL: `redis://weak:weak-password@127.0.0.1:${port}` })
      assert.match(stateOf(found, "redis", "permissions"), /^problem: .*EVAL \(NOPERM/)
      assert.match(stateOf(found, "redis", "config"), /^warning: /)
    })

    it("a Redis Cluster: whole when all its nodes are named, a problem when it is taken for a single server", async () => {
      const { stop, urls } = await startRedisCluster()
      try {
        const found = await look({ SLUICE_REDIS_URL: urls.join(",") })
        for (const url of urls) assert.match(stateOf(found, `redis ${new URL(url).host}`, "cluster"), /^ok: .*16384 of 16384/)
        assert.match(stateOf(found, "redis", "permissions"), /^ok/)
        assert.match(stateOf(await look({ SLUICE_REDIS_URL: urls[0]! }), "redis", "cluster"), /^problem: /)
      } finally {
        await stop()
      }
    })

    it("servers that take a connection and say nothing: each is a problem, within the bounds", async () => {
      const sockets = new Set<Socket>()
      const silent = createServer((socket) => sockets.add(socket.on("error", () => {}))).listen(0, "127.0.0.1")
      await once(silent, "listening")
      try {
        const at = `127.0.0.1:${(silent.address() as { readonly port: number }).port}`
        const found = await look({
          SLUICE_MARIADB_URL: `mysql://a:b@${at}/shop`,
          SLUICE_REDIS_URL: `redis://${at}`,
          SLUICE_KAFKA_BROKERS: at,
          SLUICE_MONGODB_URL: `mongodb://${at}/shop`
        })
        for (const about of ["redis", "kafka", "mariadb", "mongodb"]) {
          assert.match(stateOf(found, about, "reachable"), /^problem: .*does not answer/)
        }
      } finally {
        for (const socket of sockets) socket.destroy()
        silent.close()
      }
    })

    it("a MariaDB user without rights: what is refused, and the grant that mends it", async () => {
      const url = new URL(liveUrl("SLUICE_MARIADB_URL"))
      url.pathname = "/information_schema"
      const found = await look({ SLUICE_MARIADB_URL: url.href })
      assert.match(stateOf(found, "mariadb", "permissions"), /^problem: .*CREATE TABLE \(Access denied/)
      assert.match(
        found.find(({ about, check }) => about === "mariadb" && check === "permissions")!.mend!,
        /^GRANT .* ON `information_schema`\.\* TO '/
      )
    })

    it("a MariaDB database that may not be used, one that is not there, and a wrong password", async () => {
      const reach = async (change: (url: URL) => void) => {
        const url = new URL(liveUrl("SLUICE_MARIADB_URL"))
        change(url)
        return stateOf(await look({ SLUICE_MARIADB_URL: url.href }), "mariadb", "reachable")
      }
      assert.match(await reach((url) => (url.pathname = "/mysql")), /^problem: .*not into the database/)
      assert.match(await reach((url) => (url.pathname = "/sluice_not_there")), /^problem: .*(not there|not into the database)/)
      assert.match(await reach((url) => (url.password = "wrong")), /^problem: .*refuses the user/)
    })
  })
})
