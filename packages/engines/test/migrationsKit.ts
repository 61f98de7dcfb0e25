import { Migrations } from "@sluice/engines"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

const table = (name: string) =>
  SqlClient.SqlClient.use((sql) => Effect.asVoid(sql`CREATE TABLE IF NOT EXISTS ${sql(name)} (id INT)`))

const tables = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const found = yield* sql.onDialectOrElse({
    mysql: () => sql<{ name: string }>`SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE()`,
    orElse: () => sql<{ name: string }>`SELECT name FROM sqlite_master WHERE type = 'table'`
  })
  return found
    .map(({ name }) => name)
    .filter((name) => ["half", "other", "whole"].includes(name))
    .sort()
})

/** Dies in the second of two migrations, after its first statement, and starts anew: the tables that it left, and those of the end. */
export const halfDone = Effect.gen(function* () {
  const whole = { "0001_whole": table("whole") }
  const dies = Effect.andThen(table("half"), Effect.die("killed"))
  yield* Effect.exit(Migrations.run({ ...whole, "0002_half": dies }))
  const left = yield* tables
  const all = { ...whole, "0002_half": Effect.andThen(table("half"), table("other")) }
  yield* Migrations.run(all)
  yield* Migrations.run(all)
  return { left, tables: yield* tables }
})
