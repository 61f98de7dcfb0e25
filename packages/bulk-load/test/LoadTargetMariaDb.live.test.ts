import { connectionOptions } from "@sluice/engines/MariaDb"
import { freshDatabase } from "@sluice/testkit/database"
import { liveUrl, whenLive } from "@sluice/testkit/live"
import { suite } from "@sluice/testkit/suites/bulkLoad"
import { Redacted } from "effect"
import mysql from "mysql2/promise"
import { LoadTargetMariaDb } from "../src/index.ts"

const acquire = (inserts: boolean) => async () => {
  const database = await freshDatabase(liveUrl("SLUICE_MARIADB_URL"))
  const url = Redacted.make(database.url)
  const connection = await mysql.createConnection(connectionOptions(url))
  return {
    target: {
      layer: LoadTargetMariaDb.layer(url, { inserts }),
      query: async (sql: string) => (await connection.query(sql))[0] as Array<Record<string, unknown>>
    },
    release: async () => {
      await connection.end()
      await database.drop()
    }
  }
}

await whenLive(() => {
  suite("MariaDB by INSERT", acquire(true), "BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY")
  suite("MariaDB by LOAD DATA", acquire(false), "BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY")
})
