/**
 * The tables of the write side.
 *
 *     customers         id, name, level, version             version rises when name or level change
 *     addresses         customer_id, street, city, zipcode   one a customer
 *     categories        id, name
 *     products          id, category_id, name, price, version
 *     orders            id, customer_id, state, version, total, coupon_code, placed_at_ms    the authority on an order's state
 *     order_lines       (order_id, line), product_id, name, category, price, quantity        what was sold, as it was then
 *     order_history     (order_id, version), state, at_ms    one row a version
 *     payments          order_id, amount, paid_at_ms
 *     order_keys        (customer_id, idempotency_key), body_hash, order_id, total, created_at_ms
 *     coupon_spendings  code, order_id, spent_at_ms          a coupon is spent by one order
 *     outbox            id, shard, event_key, payload, created_at_ms, published_at_ms, trace null: still to be published
 *     outbox_leases     shard, owner, expires_at_ms
 *     outbox_relays     owner, expires_at_ms                 who shares the shards
 *
 * Ids of callers are ASCII and compared byte by byte. Order ids ascend with time, so new rows are written side by side.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { insertAll } from "./Statements.ts"

/** Parts of the outbox, each published by one relay at a time. */
export const shards = 16

export const ordersMigration = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const type = (mysql: string, sqlite: string) => sql.literal(sql.onDialectOrElse({ mysql: () => mysql, orElse: () => sqlite }))
  const ascii = (length: number) => type(`VARCHAR(${length}) CHARACTER SET ascii COLLATE ascii_bin`, "TEXT")
  const text = (length: number) => type(`VARCHAR(${length}) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`, "TEXT")
  const hash = type("CHAR(64) CHARACTER SET ascii COLLATE ascii_bin", "TEXT")
  const json = type("MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "TEXT")
  const serial = type("BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY", "INTEGER PRIMARY KEY AUTOINCREMENT")
  /** MariaDB takes indexes with the table, SQLite beside it. */
  const index = (name: string, columns: string) =>
    sql.literal(sql.onDialectOrElse({ mysql: () => `, INDEX ${name} (${columns})`, orElse: () => "" }))
  const indexBeside = (table: string, name: string, columns: string) =>
    sql.onDialectOrElse({
      mysql: () => Effect.void,
      orElse: () => Effect.asVoid(sql.unsafe(`CREATE INDEX IF NOT EXISTS ${name} ON ${table} (${columns})`))
    })

  yield* sql`CREATE TABLE IF NOT EXISTS customers (
    id ${ascii(64)} NOT NULL PRIMARY KEY, name ${text(200)} NOT NULL, level ${text(50)} NOT NULL, version INTEGER NOT NULL
  )`
  yield* sql`CREATE TABLE IF NOT EXISTS addresses (
    customer_id ${ascii(64)} NOT NULL PRIMARY KEY,
    street ${text(200)} NOT NULL, city ${text(100)} NOT NULL, zipcode ${text(20)} NOT NULL,
    FOREIGN KEY (customer_id) REFERENCES customers (id)
  )`
  yield* sql`CREATE TABLE IF NOT EXISTS categories (
    id ${serial}, name ${text(100)} NOT NULL, CONSTRAINT categories_name UNIQUE (name)
  )`
  yield* sql`CREATE TABLE IF NOT EXISTS products (
    id ${ascii(64)} NOT NULL PRIMARY KEY, category_id BIGINT NOT NULL, name ${text(200)} NOT NULL,
    price BIGINT NOT NULL CHECK (price >= 0), version INTEGER NOT NULL,
    FOREIGN KEY (category_id) REFERENCES categories (id)
  )`
  yield* sql`CREATE TABLE IF NOT EXISTS orders (
    id ${ascii(64)} NOT NULL PRIMARY KEY, customer_id ${ascii(64)} NOT NULL, state ${ascii(16)} NOT NULL,
    version INTEGER NOT NULL, total BIGINT NOT NULL, coupon_code ${ascii(19)}, placed_at_ms BIGINT NOT NULL,
    FOREIGN KEY (customer_id) REFERENCES customers (id) ${index("orders_customer", "customer_id")}
  )`
  yield* indexBeside("orders", "orders_customer", "customer_id")
  yield* sql`CREATE TABLE IF NOT EXISTS order_lines (
    order_id ${ascii(64)} NOT NULL, line INTEGER NOT NULL, product_id ${ascii(64)} NOT NULL, name ${text(200)} NOT NULL,
    category ${text(100)} NOT NULL, price BIGINT NOT NULL, quantity INTEGER NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (order_id, line), FOREIGN KEY (order_id) REFERENCES orders (id)
  )`
  yield* sql`CREATE TABLE IF NOT EXISTS order_history (
    order_id ${ascii(64)} NOT NULL, version INTEGER NOT NULL, state ${ascii(16)} NOT NULL, at_ms BIGINT NOT NULL,
    PRIMARY KEY (order_id, version), FOREIGN KEY (order_id) REFERENCES orders (id)
  )`
  yield* sql`CREATE TABLE IF NOT EXISTS payments (
    order_id ${ascii(64)} NOT NULL PRIMARY KEY, amount BIGINT NOT NULL, paid_at_ms BIGINT NOT NULL,
    FOREIGN KEY (order_id) REFERENCES orders (id)
  )`
  yield* sql`CREATE TABLE IF NOT EXISTS order_keys (
    customer_id ${ascii(64)} NOT NULL, idempotency_key ${ascii(255)} NOT NULL, body_hash ${hash} NOT NULL,
    order_id ${ascii(64)} NOT NULL, total BIGINT NOT NULL, created_at_ms BIGINT NOT NULL,
    PRIMARY KEY (customer_id, idempotency_key) ${index("order_keys_age", "created_at_ms")}
  )`
  yield* indexBeside("order_keys", "order_keys_age", "created_at_ms")
  yield* sql`CREATE TABLE IF NOT EXISTS coupon_spendings (
    code ${ascii(19)} NOT NULL PRIMARY KEY, order_id ${ascii(64)} NOT NULL, spent_at_ms BIGINT NOT NULL,
    CONSTRAINT coupon_spendings_order UNIQUE (order_id)
  )`
  yield* sql`CREATE TABLE IF NOT EXISTS outbox (
    id ${serial}, shard INTEGER NOT NULL, event_key ${ascii(64)} NOT NULL, payload ${json} NOT NULL,
    created_at_ms BIGINT NOT NULL, published_at_ms BIGINT ${index("outbox_state", "published_at_ms, id, shard")}
  )`
  yield* indexBeside("outbox", "outbox_state", "published_at_ms, id, shard")
  yield* sql`CREATE TABLE IF NOT EXISTS outbox_leases (
    shard INTEGER NOT NULL PRIMARY KEY, owner ${ascii(64)} NOT NULL, expires_at_ms BIGINT NOT NULL
  )`
  yield* sql`CREATE TABLE IF NOT EXISTS outbox_relays (
    owner ${ascii(64)} NOT NULL PRIMARY KEY, expires_at_ms BIGINT NOT NULL
  )`
  yield* insertAll(
    sql,
    "outbox_leases",
    Array.from({ length: shards }, (_, shard) => ({ shard, owner: "", expires_at_ms: 0 })),
    "shard"
  )
  yield* outboxTraceMigration
})

/** In which trace an event was written, where it is traced. */
export const outboxTraceMigration = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql.onDialectOrElse({
    mysql: () => sql`ALTER TABLE outbox ADD COLUMN IF NOT EXISTS trace CHAR(55) CHARACTER SET ascii`,
    orElse: () =>
      Effect.flatMap(sql`SELECT 1 FROM pragma_table_info('outbox') WHERE name = 'trace'`, (found) =>
        found.length > 0 ? Effect.succeed(found) : sql`ALTER TABLE outbox ADD COLUMN trace TEXT`
      )
  })
})
