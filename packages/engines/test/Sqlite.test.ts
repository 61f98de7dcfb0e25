import { assert, describe, it } from "@effect/vitest"
import { Migrations, Sqlite } from "@sluice/engines"
import { Effect, Exit, Stream } from "effect"
import { SqlClient } from "effect/sql"

const sqlite = Sqlite.layer({ filename: ":memory:" })

describe("Sqlite", () => {
  it.effect("rolls back what failed, names a broken unique key, and goes on", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)`
      yield* sql`INSERT INTO t ${sql.insert({ name: "a" })}`
      const failed = yield* Effect.flip(
        sql.withTransaction(
          Effect.andThen(sql`INSERT INTO t ${sql.insert({ name: "b" })}`, sql`INSERT INTO t ${sql.insert({ name: "a" })}`)
        )
      )
      assert.strictEqual(failed.reason._tag, "UniqueViolation")
      assert.deepStrictEqual(
        (yield* sql<{ name: string }>`SELECT name FROM t`).map(({ name }) => name),
        ["a"]
      )
      yield* sql.withTransaction(sql`INSERT INTO t ${sql.insert({ name: "c" })}`)
      assert.strictEqual(yield* Stream.runCount(sql`SELECT * FROM t`.stream), 2)
    }).pipe(Effect.provide(sqlite))
  )

  it.effect("two transactions at once take turns", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE counter (n INTEGER NOT NULL)`
      yield* sql`INSERT INTO counter VALUES (0)`
      const add = sql.withTransaction(
        Effect.gen(function* () {
          const [row] = yield* sql<{ n: number }>`SELECT n FROM counter`
          yield* Effect.yieldNow
          yield* sql`UPDATE counter SET n = ${row!.n + 1}`
        })
      )
      yield* Effect.all(
        Array.from({ length: 20 }, () => add),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        (yield* sql<{ n: number }>`SELECT n FROM counter`).map(({ n }) => n),
        [20]
      )
    }).pipe(Effect.provide(sqlite))
  )
})

describe("Migrations", () => {
  it.effect("each runs once, in order, and one that died half-way runs again", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const ran: Array<string> = []
      const step = (name: string, fails = false): Effect.Effect<void, unknown> =>
        Effect.suspend((): Effect.Effect<void, unknown> => {
          ran.push(name)
          return fails ? Effect.fail("died") : Effect.asVoid(sql`CREATE TABLE IF NOT EXISTS ${sql(name)} (id INTEGER)`)
        })
      yield* Migrations.run({ "0001_a": step("a") })
      assert.isTrue(
        Exit.isFailure(
          yield* Effect.exit(Migrations.run({ "0001_a": step("a"), "0002_b": step("b"), "0003_c": step("c", true) }))
        )
      )
      yield* Migrations.run({ "0001_a": step("a"), "0002_b": step("b"), "0003_c": step("c") })
      yield* Migrations.run({ "0001_a": step("a"), "0002_b": step("b"), "0003_c": step("c") })
      assert.deepStrictEqual(ran, ["a", "b", "c", "b", "c"])
    }).pipe(Effect.provide(sqlite))
  )
})
