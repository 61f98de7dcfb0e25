import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { stripVTControlCharacters } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { doctorText } from "../src/commands/doctor.ts"
import { type DataFolderFacts, judgeDataFolder } from "../src/doctor/DataFolderChecks.ts"
import { diagnose, judgeUnreachable, mendOf } from "../src/doctor/Doctor.ts"
import { type Finding, isAtLeast, judgeSkew, skewOf } from "../src/doctor/Finding.ts"
import { type HostFacts, judgeHost } from "../src/doctor/HostChecks.ts"
import { judgeKafka, type KafkaFacts, ourTopics, type TopicFacts } from "../src/doctor/KafkaChecks.ts"
import { judgeMariaDb, type MariaDbFacts } from "../src/doctor/MariaDbChecks.ts"
import { judgeMongoDb, type MongoDbFacts } from "../src/doctor/MongoDbChecks.ts"
import { judgeRedis, type RedisFacts } from "../src/doctor/RedisChecks.ts"
import { judgeSecrets, type SecretFacts } from "../src/doctor/SecretChecks.ts"
import { reasonOf, takingAway } from "../src/doctor/Trying.ts"

const noSkew = { milliseconds: 3, uncertaintyMs: 1 }
const refusals = [{ step: "CREATE TABLE", message: "denied" }]

/** Each finding that is not ok, as `state check`; each of them must say how to mend it. */
const faults = (found: ReadonlyArray<Finding>) => {
  for (const { mend, means, state } of found) {
    assert.isNotEmpty(means)
    assert.strictEqual(state === "ok", mend === undefined)
  }
  return found.filter(({ state }) => state !== "ok").map(({ check, state }) => `${state} ${check}`)
}

/** The judgement of good facts, and of the same with one thing wrong. */
const cases = <A>(
  name: string,
  judge: (facts: A) => ReadonlyArray<Finding>,
  good: A,
  wrong: ReadonlyArray<readonly [Partial<A>, ...Array<string>]>
) =>
  describe(name, () => {
    it("says ok where all is well", () => assert.deepStrictEqual(faults(judge(good)), []))
    for (const [change, ...expected] of wrong) {
      it(`${JSON.stringify(change)}: ${expected.join(", ")}`, () =>
        assert.deepStrictEqual(faults(judge({ ...good, ...change })), expected))
    }
  })

const redis: RedisFacts = {
  address: "10.0.0.1:6379",
  named: 1,
  version: "7.0.15",
  role: "master",
  policy: "noeviction",
  appendOnly: true,
  appendFsync: "everysec",
  cluster: undefined,
  refusals: [],
  skew: noSkew
}
const whole = { state: "ok", slots: 16384 }

cases<RedisFacts>("Redis", judgeRedis, redis, [
  [{ version: "6.2.1" }, "problem version"],
  [{ role: "slave" }, "problem role"],
  [{ policy: "allkeys-lru" }, "problem maxmemory-policy"],
  [{ policy: "volatile-ttl" }, "problem maxmemory-policy"],
  [{ appendOnly: false }, "problem appendonly"],
  [{ appendFsync: "no" }, "warning appendfsync"],
  [{ appendFsync: undefined }, "warning config"],
  [{ refusals }, "problem permissions"],
  [{ cluster: whole }, "problem cluster"],
  [{ named: 3 }, "problem cluster"],
  [{ named: 3, cluster: whole }],
  [{ named: 3, cluster: { state: "fail", slots: 5461 } }, "problem cluster"],
  [{ skew: { milliseconds: -3000, uncertaintyMs: 5 } }, "warning clock"],
  [{ skew: { milliseconds: 60_000, uncertaintyMs: 5 } }, "problem clock"]
])

const topic: TopicFacts = {
  name: "sluice.wins",
  partitions: 4,
  replicas: 3,
  inSync: 3,
  withoutLeader: 0,
  minInSync: 2,
  retentionMs: 604_800_000
}
const kafka: KafkaFacts = {
  brokers: 3,
  fetchVersion: 15,
  topics: ourTopics.map((name) => ({ ...topic, name })),
  missing: [],
  autoCreate: false,
  defaultReplication: 3,
  refusals: [],
  skew: noSkew
}
const topics = (change: Partial<TopicFacts>) => ({ topics: [{ ...topic, ...change }] })

cases<KafkaFacts>("Kafka", judgeKafka, kafka, [
  [{ fetchVersion: 8 }, "problem version"],
  [{ fetchVersion: undefined }, "warning version"],
  [topics({ replicas: 1, inSync: 1, minInSync: 1 }), "problem replication"],
  [{ ...topics({ replicas: 1, inSync: 1, minInSync: 1 }), brokers: 1 }, "warning replication"],
  [topics({ inSync: 2 }), "warning in sync"],
  [topics({ withoutLeader: 1 }), "problem leader"],
  [topics({ minInSync: 1 }), "warning min.insync.replicas"],
  [topics({ minInSync: 3 }), "warning min.insync.replicas"],
  [topics({ minInSync: 4 }), "problem min.insync.replicas"],
  [topics({ minInSync: undefined }), "warning min.insync.replicas"],
  [topics({ retentionMs: 60_000 }), "warning retention"],
  [topics({ retentionMs: -1 })],
  [{ missing: ["sluice.wins"] }],
  [{ missing: ["sluice.wins"], defaultReplication: 1 }, "problem topics"],
  [{ autoCreate: true }, "warning auto.create.topics.enable"],
  [{ refusals }, "problem permissions"],
  [{ skew: undefined }]
])

describe("Kafka's topics", () => {
  it("of which the same is true are one finding, others are not", () => {
    const found = judgeKafka({ ...kafka, topics: [...kafka.topics.slice(1), { ...topic, name: "sluice.wins", replicas: 1 }] })
    const replication = found.filter(({ check }) => check === "replication").map(({ means }) => means)
    assert.strictEqual(replication.length, 2)
    assert.isTrue(replication.some((means) => means.startsWith("sluice.wins: one replica")))
  })
})

const variables = {
  tx_isolation: "REPEATABLE-READ",
  innodb_flush_log_at_trx_commit: "1",
  local_infile: "ON",
  max_allowed_packet: "16777216",
  time_zone: "SYSTEM",
  log_bin: "ON",
  binlog_format: "MIXED",
  sync_binlog: "1",
  read_only: "OFF",
  max_connections: "151"
}
const mariadb: MariaDbFacts = {
  database: "shop",
  user: "sluice@10.%",
  version: "10.11.6-MariaDB-0+deb12u1",
  variables,
  isolation: "READ-COMMITTED",
  timeZone: "+00:00",
  charset: "utf8mb4",
  refusals: [],
  localRefused: undefined,
  skew: noSkew
}
const set = (name: keyof typeof variables, value: string) => ({ variables: { ...variables, [name]: value } })

cases<MariaDbFacts>("MariaDB", judgeMariaDb, mariadb, [
  [{ version: "10.7.1-MariaDB" }, "warning version"],
  [{ version: "10.5.9-MariaDB" }, "problem version"],
  [{ refusals }, "problem permissions"],
  [{ isolation: "REPEATABLE-READ" }, "problem isolation"],
  [set("innodb_flush_log_at_trx_commit", "2"), "warning innodb_flush_log_at_trx_commit"],
  [set("innodb_flush_log_at_trx_commit", "0"), "problem innodb_flush_log_at_trx_commit"],
  [set("binlog_format", "STATEMENT"), "problem binlog_format"],
  [set("sync_binlog", "0"), "warning sync_binlog"],
  [set("log_bin", "OFF")],
  [set("read_only", "ON"), "problem read_only"],
  [set("local_infile", "OFF"), "warning local_infile"],
  [{ localRefused: "not allowed" }, "warning local_infile"],
  [set("max_allowed_packet", "4194304"), "warning max_allowed_packet"],
  [set("max_allowed_packet", "1048576"), "problem max_allowed_packet"],
  [set("max_connections", "30"), "warning max_connections"],
  [{ charset: "latin1" }, "warning character set"],
  [{ timeZone: "SYSTEM" }, "problem time zone"]
])

describe("MariaDB's rights", () => {
  it("are not blamed for what a setting forbids", () => {
    const forbidden = { step: "INSERT", message: "impossible to write to binary log since BINLOG_FORMAT = STATEMENT" }
    const found = judgeMariaDb({ ...mariadb, ...set("binlog_format", "STATEMENT"), refusals: [forbidden] })
    assert.deepStrictEqual(faults(found), ["problem binlog_format"])
    assert.isFalse(found.some(({ check }) => check === "permissions"))
    assert.include(faults(judgeMariaDb({ ...mariadb, refusals: [forbidden, ...refusals] })), "problem permissions")
  })

  it("are mended by the statement that grants them", () => {
    const found = judgeMariaDb({ ...mariadb, refusals }).find(({ check }) => check === "permissions")
    assert.strictEqual(
      found?.mend,
      "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP, REFERENCES ON `shop`.* TO 'sluice'@'10.%';"
    )
  })
})

const mongodb: MongoDbFacts = {
  database: "shop",
  version: "6.0.5",
  replicaSet: "rs0",
  isWritablePrimary: true,
  members: 3,
  majorityJournal: true,
  storageEngine: "wiredTiger",
  refusals: [],
  skew: noSkew
}

cases<MongoDbFacts>("MongoDB", judgeMongoDb, mongodb, [
  [{ version: "5.0.1" }, "problem version"],
  [{ replicaSet: undefined }, "problem replica set"],
  [{ members: 1 }, "warning replica set"],
  [{ isWritablePrimary: false }, "problem primary"],
  [{ majorityJournal: false }, "warning journal"],
  [{ storageEngine: "inMemory" }, "problem storage"],
  [{ refusals }, "problem permissions"]
])

const gib = 2 ** 30
const folder: DataFolderFacts = {
  dataDir: "/srv/sluice",
  exists: true,
  unwritable: undefined,
  freeBytes: 50 * gib,
  fileSystem: 0xef53,
  sqlite: "3.50.0",
  journalMode: "wal"
}

cases<DataFolderFacts>("the data folder", judgeDataFolder, folder, [
  [{ exists: false }],
  [{ unwritable: "EACCES" }, "problem data folder"],
  [{ freeBytes: gib }, "warning disk space"],
  [{ freeBytes: gib / 100 }, "problem disk space"],
  [{ fileSystem: 0x6969 }, "problem file system"],
  [{ fileSystem: 0xff534d42 }, "problem file system"],
  [{ fileSystem: 0x01021994 }, "warning file system"],
  [{ journalMode: "delete" }, "problem journal"]
])

const host: HostFacts = { node: "24.21.0", openFiles: 1_048_576, host: "127.0.0.1", port: 8080, atPort: "free" }

cases<HostFacts>("this host", judgeHost, host, [
  [{ node: "22.18.0" }, "warning node"],
  [{ node: "20.11.0" }, "problem node"],
  [{ openFiles: 4096 }, "warning open files"],
  [{ openFiles: 256 }, "problem open files"],
  [{ openFiles: undefined }],
  [{ atPort: "sluice" }],
  [{ atPort: "other" }, "problem port"],
  [{ atPort: { refused: "EACCES" } }, "problem port"]
])

const random = (length: number) => Array.from({ length }, (_, i) => "0123456789abcdef"[(i * 7 + ((i * i) % 11)) % 16]).join("")
const secrets: SecretFacts = {
  secrets: [{ setting: "SLUICE_ADMIN_KEY", value: random(48) }],
  files: [{ path: "/run/key", mode: 0o100600 }],
  isLoopback: true,
  provesUsers: false
}
const weak = (value: string) => ({ secrets: [{ setting: "SLUICE_ADMIN_KEY", value }] })

cases<SecretFacts>("secrets", judgeSecrets, secrets, [
  [{ secrets: [] }],
  [weak("a".repeat(40)), "problem SLUICE_ADMIN_KEY"],
  [weak("abab".repeat(12)), "problem SLUICE_ADMIN_KEY"],
  [weak(`change-me-${random(40)}`), "problem SLUICE_ADMIN_KEY"],
  [
    {
      secrets: [
        { setting: "SLUICE_ADMIN_KEY", value: random(48) },
        { setting: "SLUICE_USER_SECRET", value: random(48) }
      ]
    },
    "warning SLUICE_USER_SECRET"
  ],
  [{ files: [{ path: "/run/key", mode: 0o100644 }] }, "warning secret file"],
  [{ isLoopback: false }, "warning users"],
  [{ isLoopback: false, provesUsers: true }]
])

describe("small judgements", () => {
  it.effect("what is taken away is waited for, for a bounded time, also once interrupted", () =>
    Effect.gen(function* () {
      const working = yield* Effect.forkChild(Effect.ensuring(Effect.never, takingAway(Effect.never)), { startImmediately: true })
      const stopping = yield* Effect.forkChild(Fiber.interrupt(working), { startImmediately: true })
      yield* TestClock.adjust("4 seconds")
      yield* Fiber.join(stopping)
    })
  )

  it("versions", () => {
    assert.isTrue(isAtLeast("10.11.6-MariaDB-0+deb12u1", "10.11"))
    assert.isTrue(isAtLeast("11.0", "10.11"))
    assert.isTrue(isAtLeast("7.0", "7.0.0"))
    assert.isFalse(isAtLeast("10.9.9", "10.11"))
    assert.isFalse(isAtLeast("unknown", "1"))
  })

  it("a clock is not blamed for a slow way", () => {
    assert.strictEqual(judgeSkew("redis", skewOf(5000, 0, 8000)).state, "ok")
    assert.strictEqual(judgeSkew("redis", skewOf(5000, 0, 100)).state, "warning")
  })

  it("the innermost reason of an error is told", () => {
    const error = new Error("outer", { cause: new Error("middle", { cause: new Error("inner") }) })
    assert.strictEqual(reasonOf(error), "inner")
    assert.strictEqual(reasonOf({ cause: new AggregateError([new Error("first")]) }), "first")
    assert.strictEqual(reasonOf("text"), "text")
  })

  it("what keeps one from an engine has a mend of its own", () => {
    const engine = { about: "mariadb", address: "db:3306", setting: "SLUICE_MARIADB_URL", examine: Effect.succeed([]) }
    const mend = (reason: string) => judgeUnreachable(engine, reason).mend
    assert.match(mend("Unknown database 'shop'")!, /^CREATE DATABASE/)
    assert.match(mend("Access denied for user 'u'@'h' to database 'shop'")!, /^GRANT/)
    assert.match(mend("Access denied for user 'u'@'h' (using password: YES)")!, /user and password in SLUICE_MARIADB_URL/)
    assert.match(mend("connect ECONNREFUSED")!, /^start it/)
  })

  it("a setting's complaint becomes what mends it", () => {
    assert.strictEqual(
      mendOf("SLUICE_ADMIN_KEY is missing, and needed to serve on 0.0.0.0; for example from `openssl rand -hex 24`"),
      'SLUICE_ADMIN_KEY="$(openssl rand -hex 24)"'
    )
    assert.strictEqual(mendOf("SLUICE_PROT is not a setting; is SLUICE_PORT meant?"), "unset SLUICE_PROT, and set SLUICE_PORT")
    assert.strictEqual(
      mendOf("SLUICE_REDIS_URL is missing; for example SLUICE_REDIS_URL=redis://127.0.0.1:6379"),
      "SLUICE_REDIS_URL=redis://127.0.0.1:6379"
    )
    assert.include(mendOf("roles: none"), "README.md")
  })

  it("text: problems have their mend below, and are counted", () => {
    const text = stripVTControlCharacters(
      doctorText([
        { about: "redis", check: "version", state: "ok", means: "7 is new enough" },
        { about: "redis", check: "appendonly", state: "problem", means: "no:\u001b[2J all is lost", mend: "set it" }
      ])
    )
    assert.strictEqual(
      text,
      [
        "redis",
        "  ok       version     7 is new enough",
        "  problem  appendonly  no: [2J all is lost",
        "                       mend: set it",
        "",
        "1 problem, 0 warnings, 1 ok"
      ].join("\n")
    )
  })
})

const tempDir = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "sluice-doctor-"))),
  (dir) => Effect.sync(() => rmSync(dir, { recursive: true }))
)

describe("the embedded engines", () => {
  it.live("a folder that is not there yet: looked at, and not made", () =>
    Effect.gen(function* () {
      const dir = yield* tempDir
      const found = yield* diagnose({ SLUICE_DATA_DIR: join(dir, "new", "data"), SLUICE_PORT: "0" })
      assert.deepStrictEqual(
        found.filter(({ state }) => state === "problem"),
        []
      )
      assert.isFalse(existsSync(join(dir, "new")))
      assert.deepStrictEqual(readdirSync(dir), [])
    })
  )

  it.live("a data folder that is a file, and a port that is taken", () =>
    Effect.gen(function* () {
      const dir = yield* tempDir
      writeFileSync(join(dir, "file"), "")
      const server = yield* Effect.acquireRelease(
        Effect.callback<ReturnType<typeof createServer>>((resume) => {
          const made = createServer((socket) => socket.end("x")).listen(0, "127.0.0.1", () => resume(Effect.succeed(made)))
        }),
        (made) => Effect.sync(() => made.close())
      )
      const { port } = server.address() as { readonly port: number }
      const found = yield* diagnose({ SLUICE_DATA_DIR: join(dir, "file"), SLUICE_PORT: String(port) })
      const problems = found.filter(({ state }) => state === "problem").map(({ about, check }) => `${about} ${check}`)
      assert.deepStrictEqual(problems, ["host port", "sqlite data folder"])
    })
  )

  it.live("wrong settings are problems, and the engines are looked at all the same", () =>
    Effect.gen(function* () {
      const dir = yield* tempDir
      const found = yield* diagnose({
        SLUICE_DATA_DIR: dir,
        SLUICE_PROT: "1",
        SLUICE_ADMIN_KEY: "marked-secret",
        SLUICE_HOST: "0.0.0.0"
      })
      const problems = found.filter(({ about, state }) => about === "settings" && state === "problem").map(({ means }) => means)
      assert.strictEqual(problems.length, 2)
      assert.match(problems.join("\n"), /SLUICE_PROT is not a setting; is SLUICE_PORT meant/)
      assert.match(problems.join("\n"), /SLUICE_ADMIN_KEY is too short/)
      assert.isTrue(found.some(({ about, state }) => about === "sqlite" && state === "ok"))
      assert.notInclude(JSON.stringify(found), "marked-secret")
    })
  )
})

describe("an address that others can reach", () => {
  it.live("without an admin key is a problem, and the mend makes one", () =>
    Effect.gen(function* () {
      const dir = yield* tempDir
      const found = yield* diagnose({ SLUICE_DATA_DIR: dir, SLUICE_HOST: "0.0.0.0", SLUICE_PORT: "0" })
      const problem = found.find(({ state }) => state === "problem")
      assert.match(problem!.means, /SLUICE_ADMIN_KEY is missing/)
      assert.strictEqual(problem!.mend, 'SLUICE_ADMIN_KEY="$(openssl rand -hex 24)"')
    })
  )
})

describe("engines that are away", () => {
  it.live("each is a problem within the bounds, and no password is shown", () =>
    Effect.gen(function* () {
      const found = yield* diagnose({
        SLUICE_ENGINES: "cluster",
        SLUICE_PORT: "0",
        SLUICE_MARIADB_URL: "mysql://marked-user:marked%2Dsecret@127.0.0.1:1/shop",
        SLUICE_REDIS_URL: "redis://:marked-secret@127.0.0.1:1",
        SLUICE_KAFKA_BROKERS: "127.0.0.1:1",
        SLUICE_MONGODB_URL: "mongodb://u:marked-secret@127.0.0.1:1/shop"
      })
      const away = found.filter(({ check }) => check === "reachable")
      assert.deepStrictEqual(away.map(({ about, state }) => `${about} ${state}`).sort(), [
        "kafka problem",
        "mariadb problem",
        "mongodb problem",
        "redis problem"
      ])
      assert.notMatch(JSON.stringify(found), /marked(-|%2D)secret/)
      for (const { mend } of away) assert.isNotEmpty(mend)
    })
  )
})
