/**
 * Puts the orders into MariaDB, in the normal form and as documents, into MongoDB, and into a file of SQLite, in constant memory. MariaDB's
 * tables are filled by the product's own bulk load, which compares what the table holds with what was sent.
 */
import { once } from "node:events"
import { DatabaseSync } from "node:sqlite"
import { BulkLoader, LoadTargetMariaDb, RowSource } from "@sluice/bulk-load"
import { Effect, Redacted, Stream } from "effect"
import { type Db, MongoClient } from "mongodb"
import mysql, { type Connection } from "mysql2"
import { categories, category, item, order, type Size, user, view } from "./model.ts"

const tables = `
CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(100) NOT NULL, age INT NOT NULL, level VARCHAR(20) NOT NULL);
CREATE TABLE address (id BIGINT PRIMARY KEY, user_id BIGINT NOT NULL, street VARCHAR(100) NOT NULL, city VARCHAR(100) NOT NULL,
  zipcode VARCHAR(10) NOT NULL);
CREATE TABLE category (id BIGINT PRIMARY KEY, name VARCHAR(100) NOT NULL);
CREATE TABLE items (id BIGINT PRIMARY KEY, category_id BIGINT NOT NULL, name VARCHAR(100) NOT NULL, price BIGINT NOT NULL);
CREATE TABLE orders (id BIGINT PRIMARY KEY, user_id BIGINT NOT NULL, placed_at DATETIME(3) NOT NULL);
CREATE TABLE order_items (id BIGINT PRIMARY KEY, order_id BIGINT NOT NULL, item_id BIGINT NOT NULL, quantity INT NOT NULL);
CREATE TABLE payment (id BIGINT PRIMARY KEY, order_id BIGINT NOT NULL, status VARCHAR(20) NOT NULL, paid_at DATETIME(3) NOT NULL);
CREATE TABLE documents (id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY,
  customer_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, placed_at CHAR(24) CHARACTER SET ascii NOT NULL,
  document LONGTEXT NOT NULL, INDEX by_customer (customer_id, placed_at, id))`

export const normalForm = ["users", "address", "category", "items", "orders", "order_items", "payment"]

const indexes = [
  "ALTER TABLE orders ADD INDEX by_user (user_id, placed_at)",
  "ALTER TABLE order_items ADD INDEX by_order (order_id)",
  "ALTER TABLE payment ADD INDEX by_order (order_id)",
  "ALTER TABLE address ADD INDEX by_user (user_id)"
]

export const connect = (url: string, database: string): Connection => {
  const { hostname, password, port, username } = new URL(url)
  return mysql.createConnection({
    host: hostname,
    port: Number(port),
    user: username,
    password,
    database,
    multipleStatements: true
  })
}

export const query = (connection: Connection, sql: string) =>
  new Promise<ReadonlyArray<Record<string, unknown>>>((resolve, reject) => {
    connection.query(sql, (error, rows) => (error ? reject(error) : resolve(rows as never)))
  })

const seconds = (ms: number) => new Date(ms).toISOString().slice(0, 23).replace("T", " ")

type Row = ReadonlyArray<string | number>

interface Rows {
  readonly columns: ReadonlyArray<string>
  readonly rows: Iterable<Row>
}

/** Rows of each number from 1 to `last`. */
const rowsOf = (columns: string, last: number, of: (id: number) => Iterable<Row>): Rows => ({
  columns: columns.split(" "),
  rows: {
    *[Symbol.iterator]() {
      for (let id = 1; id <= last; id++) yield* of(id)
    }
  }
})

const load = (url: string, table: string, { columns, rows }: Rows) =>
  BulkLoader.load(RowSource.fromRows(Stream.fromIterable(rows), { columns, name: table }), { table, job: table }).pipe(
    Effect.provide(LoadTargetMariaDb.layer(Redacted.make(url))),
    Effect.runPromise
  )

export const fillMariaDb = async (url: string, database: string, size: Size): Promise<void> => {
  const { items, orders, users } = size
  const rows: Readonly<Record<string, Rows>> = {
    users: rowsOf("id name age level", users, (id) => [[id, user(id).name, user(id).age, user(id).level]]),
    address: rowsOf("id user_id street city zipcode", users, (id) => [
      [id, id, user(id).street, user(id).city, user(id).zipcode]
    ]),
    category: rowsOf("id name", categories, (id) => [[id, category(id).name]]),
    items: rowsOf("id category_id name price", items, (id) => [[id, item(id).category, item(id).name, item(id).price]]),
    orders: rowsOf("id user_id placed_at", orders, (id) => [[id, order(id, size).user, seconds(order(id, size).placedAtMs)]]),
    order_items: rowsOf("id order_id item_id quantity", orders, (id) =>
      order(id, size).lines.map((line) => [line.id, id, line.item, line.quantity])
    ),
    payment: rowsOf("id order_id status paid_at", orders, (id) => [[id, id, "paid", seconds(order(id, size).paidAtMs)]]),
    documents: rowsOf("id customer_id placed_at document", orders, (id) => {
      const document = view(id, size)
      return [[document.orderId, document.customer.id, document.placedAt, JSON.stringify(document)]]
    })
  }
  const connection = connect(url, database)
  try {
    await query(connection, tables)
    for (const [table, of] of Object.entries(rows))
      await load(Object.assign(new URL(url), { pathname: database }).href, table, of)
    await query(connection, `ANALYZE TABLE ${Object.keys(rows).join(", ")}`)
  } finally {
    connection.end()
  }
}

export const addIndexes = async (url: string, database: string): Promise<void> => {
  const connection = connect(url, database)
  try {
    for (const sql of indexes) await query(connection, sql)
    await query(connection, `ANALYZE TABLE ${normalForm.join(", ")}`)
  } finally {
    connection.end()
  }
}

/** Data and indexes of these tables, as the engine itself counts them. */
export const tableBytes = async (url: string, database: string, tables: ReadonlyArray<string>): Promise<number> => {
  const connection = connect(url, database)
  try {
    const names = tables.map((table) => connection.escape(table)).join(", ")
    const [row] = await query(
      connection,
      `SELECT SUM(data_length + index_length) AS bytes FROM information_schema.tables
       WHERE table_schema = ${connection.escape(database)} AND table_name IN (${names})`
    )
    return Number(row?.bytes)
  } finally {
    connection.end()
    await once(connection, "end").catch(() => {})
  }
}

export const withMongoDb = async <A>(url: string, use: (db: Db) => Promise<A>): Promise<A> => {
  const client = new MongoClient(url)
  try {
    return await use(client.db())
  } finally {
    await client.close()
  }
}

export const collection = "views"

export const fillMongoDb = (url: string, size: Size): Promise<void> =>
  withMongoDb(url, async (db) => {
    const views = db.collection<{ _id: string }>(collection)
    await views.createIndex({ "customer.id": 1, placedAt: -1, _id: -1 })
    for (let first = 1; first <= size.orders; first += 2000) {
      const documents = Array.from({ length: Math.min(2000, size.orders - first + 1) }, (_, i) => {
        const { orderId, ...rest } = view(first + i, size)
        return { _id: orderId, ...rest }
      })
      await views.insertMany(documents, { ordered: false })
    }
  })

export const collectionBytes = (url: string, name: string): Promise<number> =>
  withMongoDb(url, async (db) => {
    await db.admin().command({ fsync: 1 })
    const stats = await db.command({ collStats: name })
    return Number(stats.storageSize) + Number(stats.totalIndexSize)
  })

export const fillSqlite = (file: string, size: Size): void => {
  const db = new DatabaseSync(file)
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;
    CREATE TABLE documents (id TEXT PRIMARY KEY, customer_id TEXT NOT NULL, placed_at TEXT NOT NULL, document TEXT NOT NULL);
    CREATE INDEX by_customer ON documents (customer_id, placed_at, id); BEGIN`)
  const insert = db.prepare("INSERT INTO documents VALUES (?, ?, ?, ?)")
  for (let id = 1; id <= size.orders; id++) {
    const document = view(id, size)
    insert.run(document.orderId, document.customer.id, document.placedAt, JSON.stringify(document))
  }
  db.exec("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)")
  db.close()
}
