/** A MariaDB database for one test or one measurement, beside the one that an address names. */
import { randomBytes } from "node:crypto"
import mysql from "mysql2/promise"

export interface Database {
  readonly url: string
  readonly drop: () => Promise<void>
}

/** Needs the right to create databases whose name begins with `sluice_`, as the stack's user has it. */
export const freshDatabase = async (url: string): Promise<Database> => {
  const fresh = new URL(url)
  const name = `sluice_${randomBytes(5).toString("hex")}`
  fresh.pathname = `/${name}`
  const query = async (sql: string) => {
    const connection = await mysql.createConnection({
      host: fresh.hostname,
      port: Number(fresh.port || 3306),
      user: decodeURIComponent(fresh.username),
      password: decodeURIComponent(fresh.password)
    })
    try {
      await connection.query(sql)
    } finally {
      await connection.end()
    }
  }
  await query(`CREATE DATABASE ${name}`)
  return { url: fresh.href, drop: () => query(`DROP DATABASE ${name}`) }
}
