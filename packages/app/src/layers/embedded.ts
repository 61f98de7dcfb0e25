/** Every port on one SQLite file in the data folder: nothing to install, one process. */

import { join } from "node:path"
import { EventLogSqlite, Sqlite } from "@sluice/engines"
import { OrderViewsSql, ordersMigration } from "@sluice/orders"
import { JoinTraces, WaitingRoomSqlite } from "@sluice/waiting-room"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { lock } from "../DataDir.ts"
import { named } from "../StartError.ts"
import { layerHealth } from "./health.ts"
import { migrate } from "./migrations.ts"

const health = layerHealth(Effect.map(SqlClient.SqlClient, (sql) => ({ sqlite: sql`SELECT 1` })))

export const layer = (dataDir: string, isTraced = false) => {
  const locked = Layer.effectDiscard(lock(dataDir))
  const sql = Sqlite.layer({ filename: join(dataDir, "sluice.db") }).pipe(Layer.provide(locked))
  // A folder that had its waiting room before there were orders is past their numbers; once more changes nothing elsewhere.
  const migrated = migrate({
    "0050_waiting_room": WaitingRoomSqlite.waitingRoomMigration,
    "0051_orders": ordersMigration,
    "0052_order_view": OrderViewsSql.orderViewMigration
  }).pipe(Layer.provideMerge(sql))
  return Layer.mergeAll(
    WaitingRoomSqlite.layer,
    EventLogSqlite.layer(),
    OrderViewsSql.layer,
    health,
    isTraced ? JoinTraces.layerMemory : Layer.empty
  ).pipe(Layer.provideMerge(migrated), named(`SLUICE_DATA_DIR=${dataDir}`))
}
