/** One load into a SQLite file in a process of its own, which tests kill: `node loadOnceSqlite.ts DATABASE FILE REJECTS`. */
import * as Sqlite from "@sluice/engines/Sqlite"
import { Effect, Layer } from "effect"
import { BulkLoader, LoadTargetSqlite, TextSource } from "../src/index.ts"

const [database, file, rejects] = process.argv.slice(2) as [string, string, string]

const summary = await TextSource.fromFile(file, TextSource.formatOf(file)).pipe(
  Effect.flatMap((source) => BulkLoader.load(source, { table: "people", job: "job", chunkRows: 4000, maxRejects: 2, rejects })),
  Effect.provide(LoadTargetSqlite.layer.pipe(Layer.provide(Sqlite.layer({ filename: database })))),
  Effect.runPromise
)
process.stdout.write(JSON.stringify(summary))
