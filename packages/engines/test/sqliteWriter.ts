/** One of two processes that count in the same file at the same time: each reads, lets the other go on, and writes. */
import { Sqlite } from "@sluice/engines"
import { Effect, Schedule } from "effect"
import { SqlClient } from "effect/sql"

const [filename, name, times] = process.argv.slice(2) as [string, string, string]

const count = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`INSERT INTO here ${sql.insert({ name })}`
  yield* Effect.repeat(sql`SELECT name FROM here`, { until: (rows) => rows.length === 2, schedule: Schedule.spaced("2 millis") })
  const add = sql.withTransaction(
    Effect.gen(function* () {
      const [row] = yield* sql<{ n: number }>`SELECT n FROM counter`
      yield* Effect.sleep("1 millis")
      yield* sql`UPDATE counter SET n = ${row!.n + 1}`
    })
  )
  yield* Effect.repeat(add, { times: Number(times) - 1 })
})

await Effect.runPromise(count.pipe(Effect.provide(Sqlite.layer({ filename }))))
