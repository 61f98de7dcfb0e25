/**
 * The libraries that Node projects fill tables with, each in its own bulk form: `node load.mjs <way> <file.csv> <rows>` reads the file by
 * lines, in batches, and inserts one batch while it reads no further. Values of this table hold no quotes, commas or newlines.
 */
import { createReadStream } from "node:fs"
import { createInterface } from "node:readline"

const [way, file, limit = "Infinity"] = process.argv.slice(2)
const url = process.env.MARIADB_URL
const { hostname: host, port, username: user, password, pathname } = new URL(url)
const database = pathname.slice(1)
const server = { host, port: Number(port), user, password, database }
const columns = ["name", "email", "age", "created_at"]

async function* batches(size, rowOf) {
  const lines = createInterface({ input: createReadStream(file, { highWaterMark: 1 << 18 }), crlfDelay: Infinity })
  let batch = []
  let rows = -1
  for await (const line of lines) {
    if (rows++ === -1) continue // the header
    batch.push(rowOf(line))
    if (batch.length === size) {
      yield batch
      batch = []
    }
    if (rows === Number(limit)) break
  }
  if (batch.length > 0) yield batch
}

const list = (line) => {
  const [name, email, age, at] = line.split(",")
  return [name, email, Number(age), at]
}
const object = (line) => {
  const [name, email, age, created_at] = line.split(",")
  return { name, email, age: Number(age), created_at }
}
const dated = (line) => {
  const row = object(line)
  row.created_at = new Date(`${row.created_at.replace(" ", "T")}Z`)
  return row
}

const ways = {
  mysql2: async () => {
    const connection = await (await import("mysql2/promise")).createConnection(server)
    for await (const rows of batches(5000, list)) await connection.query("INSERT INTO people (name, email, age, created_at) VALUES ?", [rows])
    await connection.end()
  },
  mariadb: async () => {
    const connection = await (await import("mariadb")).createConnection(server)
    const sql = "INSERT INTO people (name, email, age, created_at) VALUES (?, ?, ?, ?)"
    for await (const rows of batches(10_000, list)) await connection.batch(sql, rows)
    await connection.end()
  },
  knex: async () => {
    const knex = (await import("knex")).default({ client: "mysql2", connection: server })
    for await (const rows of batches(5000, object)) await knex.batchInsert("people", rows, 5000)
    await knex.destroy()
  },
  drizzle: async () => {
    const { drizzle } = await import("drizzle-orm/mysql2")
    const { bigint, datetime, int, mysqlTable, varchar } = await import("drizzle-orm/mysql-core")
    const people = mysqlTable("people", {
      id: bigint({ mode: "number" }).autoincrement().primaryKey(),
      name: varchar({ length: 100 }).notNull(),
      email: varchar({ length: 190 }).notNull(),
      age: int().notNull(),
      created_at: datetime({ mode: "string" }).notNull()
    })
    const pool = (await import("mysql2/promise")).createPool({ ...server, connectionLimit: 1 })
    const db = drizzle({ client: pool })
    for await (const rows of batches(5000, object)) await db.insert(people).values(rows)
    await pool.end()
  },
  typeorm: async () => {
    const { DataSource, EntitySchema } = await import("typeorm")
    const entity = new EntitySchema({
      name: "people",
      columns: {
        id: { type: "bigint", primary: true, generated: "increment" },
        name: { type: "varchar", length: 100 },
        email: { type: "varchar", length: 190 },
        age: { type: "int" },
        created_at: { type: "datetime" }
      }
    })
    const { username, ...rest } = { ...server, username: user }
    const source = await new DataSource({ type: "mariadb", ...rest, username, entities: [entity] }).initialize()
    for await (const rows of batches(5000, object)) {
      await source.createQueryBuilder().insert().into("people").values(rows).updateEntity(false).execute()
    }
    await source.destroy()
  },
  sequelize: async () => {
    const { DataTypes, Sequelize } = await import("sequelize")
    const sequelize = new Sequelize(database, user, password, { host, port: Number(port), dialect: "mysql", logging: false })
    const fields = { name: DataTypes.STRING(100), email: DataTypes.STRING(190), age: DataTypes.INTEGER, created_at: DataTypes.DATE }
    const People = sequelize.define("people", fields, { tableName: "people", timestamps: false })
    for await (const rows of batches(5000, dated)) await People.bulkCreate(rows)
    await sequelize.close()
  },
  prisma: async () => {
    const { PrismaClient } = (await import("./node_modules/.bench-prisma/index.js")).default
    const { PrismaMariaDb } = await import("@prisma/adapter-mariadb")
    const prisma = new PrismaClient({ adapter: new PrismaMariaDb({ ...server, connectionLimit: 1 }) })
    for await (const data of batches(5000, dated)) await prisma.people.createMany({ data })
    await prisma.$disconnect()
  }
}

await ways[way]()
