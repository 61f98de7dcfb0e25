import { mkdtempSync, readFileSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Redacted } from "effect"
import { readSettings } from "../src/Settings.ts"

const problemsOf = (env: Record<string, string>) => Effect.map(Effect.flip(readSettings(env)), ({ problems }) => problems)

describe("settings", () => {
  it.effect("without any, one process serves everything on the embedded engines", () =>
    Effect.gen(function* () {
      const settings = yield* readSettings({ PATH: "/bin" })
      assert.deepInclude(settings, { host: "127.0.0.1", port: 8080, engines: { kind: "embedded" } })
      assert.strictEqual(settings.roles.length, 5)
      assert.deepStrictEqual(settings.userRate, { perSecond: 20, burst: 100 })
      // A ticket holder may be told to look again in 10 seconds, and must not miss the hold after a loss.
      assert.isAbove(Duration.toSeconds(settings.recoveryHold), 10)
    })
  )

  it.effect("everything that is wrong is named at once, with an example, and no secret", () =>
    Effect.gen(function* () {
      const problems = yield* problemsOf({
        SLUICE_ENGINES: "cluster",
        SLUICE_MARIADB_URL: "mysql://root:MARKED-PASSWORD@db",
        SLUICE_REDIS_URL: "http://:MARKED-PASSWORD@redis",
        SLUICE_KAFKA_BROKERS: "nonsense",
        SLUICE_PORT: "99999",
        SLUICE_USER_RATE: "fast",
        SLUICE_ADMIN_KEY: "MARKED-short",
        SLUICE_TICKET_KEYS: "k1:MARKED-short",
        SLUICE_RECOVERY_HOLD: "soon",
        SLUICE_KAFKA_BROKER: "x:1"
      })
      const text = problems.join("\n")
      for (const name of [
        "SLUICE_MARIADB_URL",
        "SLUICE_REDIS_URL",
        "SLUICE_MONGODB_URL is missing",
        "SLUICE_KAFKA_BROKERS",
        "SLUICE_PORT",
        "SLUICE_USER_RATE",
        "SLUICE_ADMIN_KEY is too short",
        "SLUICE_TICKET_KEYS",
        "SLUICE_RECOVERY_HOLD",
        "SLUICE_KAFKA_BROKER is not a setting; is SLUICE_KAFKA_BROKERS meant?"
      ]) {
        assert.include(text, name)
      }
      assert.notInclude(text, "MARKED")
    })
  )

  it.effect("no password is shown where none belongs, and no part is left out", () =>
    Effect.gen(function* () {
      const brokers = (value: string) => problemsOf({ SLUICE_KAFKA_BROKERS: value })
      assert.deepStrictEqual(yield* brokers("kafka://u:MARKED@x@k:9092"), [
        'SLUICE_KAFKA_BROKERS: "kafka://***@k:9092" is not host:port; for example 127.0.0.1:9092'
      ])
      assert.deepStrictEqual(yield* brokers("a:9092,,b:9092"), [
        'SLUICE_KAFKA_BROKERS: "a:9092,,b:9092" has an empty part between its commas'
      ])
      const all = ["SLUICE_PORT", "SLUICE_ROLES", "SLUICE_TRUSTED_PROXIES", "SLUICE_FRAME_ANCESTORS", "SLUICE_ENGINES"]
      const problems = yield* problemsOf(Object.fromEntries(all.map((name) => [name, "mysql://u:MARKED@db/x"])))
      assert.isAtLeast(problems.length, all.length)
      assert.notInclude(problems.join(), "MARKED")
    })
  )

  it.effect("MongoDB may have several hosts", () =>
    Effect.gen(function* () {
      const settings = (url: string) =>
        readSettings({
          SLUICE_ENGINES: "cluster",
          SLUICE_MARIADB_URL: "mysql://u:p@db/sluice",
          SLUICE_REDIS_URL: "redis://r",
          SLUICE_KAFKA_BROKERS: "k:9092",
          SLUICE_MONGODB_URL: url
        })
      yield* settings("mongodb://u:p@m1:27017,m2:27018,m3/sluice?replicaSet=rs0")
      const { problems } = yield* Effect.flip(settings("mongodb://m1:27017,m2:many/sluice"))
      assert.include(problems.join(), "SLUICE_MONGODB_URL: its value (not shown) is not such a URL")
    })
  )

  it.effect("a secret may stand in a file, but not in two places", () =>
    Effect.gen(function* () {
      const file = join(mkdtempSync(join(tmpdir(), "sluice-")), "key")
      writeFileSync(file, "0123456789012345678901234567890123456789\n")
      const settings = yield* readSettings({ SLUICE_ADMIN_KEY_FILE: file })
      assert.strictEqual(Redacted.value(settings.adminKey!), "0123456789012345678901234567890123456789")
      assert.include(String(yield* problemsOf({ SLUICE_ADMIN_KEY_FILE: file, SLUICE_ADMIN_KEY: "x".repeat(40) })), "both set")
      assert.include(String(yield* problemsOf({ SLUICE_ADMIN_KEY_FILE: `${file}-missing` })), "ENOENT")
    })
  )

  it.effect("a Kafka of somebody else's is reached over TLS, by name and password", () =>
    Effect.gen(function* () {
      const cluster = {
        SLUICE_ENGINES: "cluster",
        SLUICE_MARIADB_URL: "mysql://u:p@db/sluice",
        SLUICE_REDIS_URL: "redis://redis",
        SLUICE_MONGODB_URL: "mongodb://mongo/sluice",
        SLUICE_KAFKA_BROKERS: "k1.example:9092,k2.example:9092"
      }
      const kafkaOf = (env: Record<string, string>) =>
        Effect.map(readSettings({ ...cluster, ...env }), ({ engines }) =>
          engines.kind === "cluster" ? engines.kafka : undefined
        )
      const brokers = ["k1.example:9092", "k2.example:9092"]
      assert.deepEqual(yield* kafkaOf({}), { brokers, ssl: false, sasl: undefined, replicationFactor: undefined })
      const file = join(mkdtempSync(join(tmpdir(), "sluice-")), "sasl")
      writeFileSync(file, "sluice:MARKED:with:colons\n")
      const kafka = yield* kafkaOf({
        SLUICE_KAFKA_SSL: "true",
        SLUICE_KAFKA_SASL_FILE: file,
        SLUICE_KAFKA_SASL_MECHANISM: "scram-sha-512",
        SLUICE_KAFKA_REPLICATION: "3"
      })
      assert.deepInclude(kafka, { brokers, ssl: true, replicationFactor: 3 })
      assert.deepInclude(kafka?.sasl, { mechanism: "scram-sha-512", username: "sluice" })
      assert.strictEqual(Redacted.value(kafka!.sasl!.password), "MARKED:with:colons")
      const problems = yield* problemsOf({
        ...cluster,
        SLUICE_KAFKA_SSL: "yes",
        SLUICE_KAFKA_SASL: "MARKED-without-user",
        SLUICE_KAFKA_SASL_MECHANISM: "oauthbearer",
        SLUICE_KAFKA_REPLICATION: "0"
      })
      for (const name of ["SSL", "SASL", "SASL_MECHANISM", "REPLICATION"]) {
        assert.isTrue(
          problems.some((problem) => problem.startsWith(`SLUICE_KAFKA_${name}:`)),
          name
        )
      }
      assert.notInclude(problems.join("\n"), "MARKED")
    })
  )

  it("each has its row in the README, and no row is of one that is not there", () => {
    const names = (text: string) => new Set([...text.matchAll(/\b(SLUICE_[A-Z_]*[A-Z])\b/g)].map(([name]) => name))
    const at = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8")
    const read = names(at("../src/Settings.ts"))
    for (const other of ["SLUICE_URL", "SLUICE_CRASH_AT", "SLUICE_STACK"]) read.delete(other)
    const table = at("../../../README.md").split("## Settings")[1]!.split("\n**")[0]!
    assert.sameMembers([...names(table)], [...read])
  })

  it.effect("the embedded engines are not spread over processes, and roles have names", () =>
    Effect.gen(function* () {
      assert.include(String(yield* problemsOf({ SLUICE_ROLES: "gateway" })), "one process runs all of them")
      assert.include(String(yield* problemsOf({ SLUICE_ROLES: "gatekeeper" })), "gatekeeper")
    })
  )

  it.effect("what only serving could find out is found out before", () =>
    Effect.gen(function* () {
      const refused: ReadonlyArray<readonly [env: Record<string, string>, name: string]> = [
        [{ SLUICE_TRUSTED_PROXIES: "10.0.0.0/99" }, 'SLUICE_TRUSTED_PROXIES: "10.0.0.0/99"'],
        [{ SLUICE_TRUSTED_PROXIES: "proxy.internal" }, 'SLUICE_TRUSTED_PROXIES: "proxy.internal"'],
        [{ SLUICE_USER_JWKS: "http://id.example/jwks" }, "SLUICE_USER_JWKS"],
        [{ SLUICE_USER_JWKS: "{broken" }, "SLUICE_USER_JWKS"],
        [{ SLUICE_USER_JWKS: "https://id.example/jwks", SLUICE_USER_SECRET: "s".repeat(32) }, "SLUICE_USER_SECRET and"],
        [{ SLUICE_HOST: "0.0.0.0" }, "SLUICE_ADMIN_KEY is missing"]
      ]
      for (const [env, name] of refused) assert.include((yield* problemsOf(env)).join("\n"), name)
      const settings = yield* readSettings({
        SLUICE_HOST: "0.0.0.0",
        SLUICE_ADMIN_KEY: "a".repeat(32),
        SLUICE_TRUSTED_PROXIES: "10.0.0.0/8, ::1, fd00::/8",
        SLUICE_USER_JWKS: "http://127.0.0.1:8090/jwks"
      })
      assert.lengthOf(settings.trustedProxies, 3)
    })
  )
})
