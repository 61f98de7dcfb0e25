/** Opens the database of a load. Each kind is only read in when it is used: a start should not wait for the other's driver. */
import type { LoadTarget } from "@sluice/bulk-load/LoadTarget"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { named, type StartError } from "../StartError.ts"
import type { Database } from "./Database.ts"

export const targetOf = (database: Database): Layer.Layer<LoadTarget, StartError> =>
  Layer.unwrap(
    Effect.promise(async () => {
      if (database.kind === "mariadb") return (await import("@sluice/bulk-load/LoadTargetMariaDb")).layer(database.url)
      return (await import("./TargetSqlite.ts")).layer(database)
    })
  ).pipe(named(database.name))
