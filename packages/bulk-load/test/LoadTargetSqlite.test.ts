import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import * as Sqlite from "@sluice/engines/Sqlite"
import { suite } from "@sluice/testkit/suites/bulkLoad"
import { Layer } from "effect"
import { LoadTargetSqlite } from "../src/index.ts"

const acquire = async () => {
  const folder = mkdtempSync(join(tmpdir(), "sluice-sqlite-"))
  const filename = join(folder, "load.db")
  const db = new DatabaseSync(filename)
  return {
    target: {
      layer: LoadTargetSqlite.layer.pipe(Layer.provide(Sqlite.layer({ filename }))),
      query: async (sql: string) => db.prepare(sql).all() as Array<Record<string, unknown>>
    },
    release: async () => {
      db.close()
      rmSync(folder, { recursive: true })
    }
  }
}

suite("SQLite", acquire, "INTEGER PRIMARY KEY")
