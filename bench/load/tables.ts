/** The table people in a database of the bench's own: made anew for each run, and looked at after it. */
import mysql from "mysql2/promise"
import type { Sums } from "./data.ts"

export interface Shape {
  /** Given ids, and a partition for each so many of them. */
  readonly partitionRows?: number
  readonly rows: number
  readonly uniqueEmail?: boolean
}

const partitionsOf = (rows: number, size: number) => {
  const count = Math.ceil(rows / size)
  const parts = Array.from(
    { length: count },
    (_, i) => `PARTITION p${i} VALUES LESS THAN (${i === count - 1 ? "MAXVALUE" : (i + 1) * size + 1})`
  )
  return ` PARTITION BY RANGE (id) (${parts.join(", ")})`
}

const createSql = ({ partitionRows, rows, uniqueEmail = false }: Shape) =>
  `CREATE TABLE people (id BIGINT NOT NULL${partitionRows === undefined ? " AUTO_INCREMENT" : ""} PRIMARY KEY, name VARCHAR(100) NOT NULL,
  email VARCHAR(190) NOT NULL, age INT NOT NULL, created_at DATETIME NOT NULL${uniqueEmail ? ", UNIQUE INDEX by_email (email)" : ""})` +
  (partitionRows === undefined ? "" : partitionsOf(rows, partitionRows))

export interface Tables {
  readonly version: string
  readonly fresh: (shape: Shape) => Promise<void>
  /** Fails unless the table holds exactly the rows that were to be loaded. */
  readonly check: (who: string, expected: Sums, withIds: boolean) => Promise<void>
  readonly count: () => Promise<number>
  readonly close: () => Promise<void>
}

export const openTables = async (url: string): Promise<Tables> => {
  const connection = await mysql.createConnection({ uri: url, supportBigNumbers: true, bigNumberStrings: true })
  const rows = async (sql: string) => (await connection.query<Array<mysql.RowDataPacket>>(sql))[0]
  const [server] = await rows("SELECT VERSION() AS version, @@local_infile AS local")
  if (Number(server!.local) !== 1) throw new Error("The server refuses LOAD DATA LOCAL: it needs local_infile=ON")
  return {
    version: String(server!.version).replace(/-.*$/, ""),
    fresh: async (shape) => {
      await connection.query("DROP TABLE IF EXISTS people")
      await connection.query(createSql(shape))
    },
    check: async (who, expected, withIds) => {
      const values = `${withIds ? "id, " : ""}name, email, age, created_at`
      const [found] = await rows(
        `SELECT COUNT(*) AS n, CAST(SUM(CRC32(CONCAT_WS('\\t', ${values}))) AS CHAR) AS checksum FROM people`
      )
      if (Number(found!.n) !== expected.rows || found!.checksum !== expected.checksum) {
        throw new Error(
          `${who}: ${found!.n} rows with checksum ${found!.checksum}, not ${expected.rows} with ${expected.checksum}`
        )
      }
    },
    count: async () => Number((await rows("SELECT COUNT(*) AS n FROM people"))[0]!.n),
    close: () => connection.end()
  }
}
