/** A SQLite file as the target of a load; that of a data folder only while no server holds the folder. */
import type { LoadTarget } from "@sluice/bulk-load/LoadTarget"
import { Effect, Layer } from "effect"
import { StartError } from "../StartError.ts"
import type { Database } from "./Database.ts"

export const layer = (database: Extract<Database, { kind: "sqlite" }>): Layer.Layer<LoadTarget, StartError> =>
  Layer.effectContext(Effect.fail(new StartError({ message: `${database.name}: not a target yet` })))
