/** One load in a process of its own, which tests kill: `node loadOnce.ts FILE TABLE JOB CHUNK_ROWS MAX_REJECTS REJECTS`, the address in the environment. */
import { Effect, Redacted } from "effect"
import { BulkLoader, LoadTargetMariaDb, TextSource } from "../src/index.ts"

const [file, table, job, chunkRows, maxRejects, rejects] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
  string
]

const summary = await TextSource.fromFile(file, TextSource.formatOf(file)).pipe(
  Effect.flatMap((source) =>
    BulkLoader.load(source, { table, job, chunkRows: Number(chunkRows), maxRejects: Number(maxRejects), rejects })
  ),
  Effect.provide(LoadTargetMariaDb.layer(Redacted.make(process.env.SLUICE_MARIADB_URL!))),
  Effect.runPromise
)
process.stdout.write(JSON.stringify(summary))
