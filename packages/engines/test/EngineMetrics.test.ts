import { assert, describe, it } from "@effect/vitest"
import { Kafka, MongoDb, Sqlite, transact } from "@sluice/engines"
import { freePort } from "@sluice/testkit/processes"
import { Effect, Metric, Redacted } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { type Engine, failuresOf, retriesOf } from "../src/EngineMetrics.ts"

const countsOf = (engine: Engine) => ({
  connection: failuresOf(engine, "connection"),
  timeout: failuresOf(engine, "timeout"),
  refused: failuresOf(engine, "refused"),
  connect: retriesOf(engine, "connect"),
  call: retriesOf(engine, "call")
})

type Counts = ReturnType<typeof countsOf>

/** What was counted meanwhile, without what was not. */
const counting = <A, E, R>(engine: Engine, run: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const before = countsOf(engine)
    yield* run
    const after = countsOf(engine)
    const grown = Object.entries(after).map(([name, n]) => [name, n - before[name as keyof Counts]] as const)
    return Object.fromEntries(grown.filter(([, n]) => n !== 0))
  })

describe("what is counted of an engine", () => {
  it.live("Kafka: calls without a connection, and connections that are taken up again", () =>
    Effect.gen(function* () {
      const port = yield* Effect.promise(freePort)
      const kafka = Kafka.layer({ brokers: [`127.0.0.1:${port}`], requestTimeout: "300 millis" })
      const asked = Kafka.use((k) => Effect.flip(k.ping)).pipe(Effect.provide(kafka))
      assert.deepStrictEqual(yield* counting("kafka", asked), { connection: 1, connect: 1 })
    })
  )

  it.live("MongoDB: calls without a connection", () =>
    Effect.gen(function* () {
      const port = yield* Effect.promise(freePort)
      const url = Redacted.make(`mongodb://127.0.0.1:${port}/test`)
      const asked = MongoDb.use((mongodb) => Effect.flip(mongodb.ping)).pipe(
        Effect.provide(MongoDb.layer({ url, serverSelectionTimeout: "200 millis" }))
      )
      assert.strictEqual((yield* counting("mongodb", asked)).connection, 1)
    })
  )

  it.live("SQL: transactions that are tried again, and not what the caller is to blame for", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE t (id INTEGER PRIMARY KEY)`
      yield* sql`INSERT INTO t VALUES (1)`
      assert.deepStrictEqual(yield* counting("sqlite", Effect.flip(sql`INSERT INTO t VALUES (1)`)), {})
      assert.deepStrictEqual(yield* counting("sqlite", Effect.flip(sql`SELECT * FROM missing`)), {})
      let tries = 0
      const conflict = new SqlError.SqlError({ reason: new SqlError.DeadlockError({ cause: "deadlock" }) })
      const twice = transact(sql)(Effect.suspend(() => (++tries < 3 ? Effect.fail(conflict) : Effect.void)))
      assert.deepStrictEqual(yield* counting("sqlite", twice), { call: 2 })
    }).pipe(Effect.provide(Sqlite.layer({ filename: ":memory:" })))
  )

  it.effect("is there to be seen before there is any", () =>
    Effect.gen(function* () {
      const names = (yield* Metric.snapshot).map(({ attributes, id }) => `${id} ${JSON.stringify(attributes)}`)
      for (const reason of ["connection", "timeout", "refused"]) {
        assert.include(names, `sluice_engine_failures_total {"engine":"sqlite","reason":"${reason}"}`)
      }
    }).pipe(Effect.provide(Sqlite.layer({ filename: ":memory:" })))
  )
})
