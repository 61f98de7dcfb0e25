/** A SQLite file as the target of a load; that of a data folder only while no server holds the folder. */
import * as LoadTargetSqlite from "@sluice/bulk-load/LoadTargetSqlite"
import * as Sqlite from "@sluice/engines/Sqlite"
import { Layer } from "effect"
import { lock } from "../DataDir.ts"
import type { Database } from "./Database.ts"

export const layer = ({ dataDir, file }: Extract<Database, { kind: "sqlite" }>) =>
  LoadTargetSqlite.layer.pipe(
    Layer.provide(Sqlite.layer({ filename: file })),
    Layer.provide(dataDir === undefined ? Layer.empty : Layer.effectDiscard(lock(dataDir)))
  )
