/**
 * The order view as one denormalised table, on MariaDB or on SQLite.
 *
 *     order_view           order_id, version, customer_id, customer_version, state, placed_at_ms, document, customer
 *     order_view_profiles  customer_id, version, customer        only of customers whose change was seen
 *
 * Every statement commits by itself. A profile is stored before it is given to the customer's orders, and who writes an order looks for a
 * newer profile after it: whichever of the two comes last sees the other.
 */
import type { OrderEvent } from "@sluice/domain"
import { Array, Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { byAsked, fromKept, type Kept, OrderViewError, OrderViews, type PageOptions, partsOf } from "./OrderViews.ts"

export const orderViewMigration = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const type = (mysql: string, sqlite: string) => sql.literal(sql.onDialectOrElse({ mysql: () => mysql, orElse: () => sqlite }))
  const ascii = (length: number) => type(`VARCHAR(${length}) CHARACTER SET ascii COLLATE ascii_bin`, "TEXT")
  const json = type("MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "TEXT")
  yield* sql`CREATE TABLE IF NOT EXISTS order_view (
    order_id ${ascii(64)} NOT NULL PRIMARY KEY, version INTEGER NOT NULL,
    customer_id ${ascii(64)} NOT NULL, customer_version INTEGER NOT NULL,
    state ${ascii(16)} NOT NULL, placed_at_ms BIGINT NOT NULL, document ${json} NOT NULL, customer ${json} NOT NULL
  )`
  yield* sql`CREATE TABLE IF NOT EXISTS order_view_profiles (
    customer_id ${ascii(64)} NOT NULL PRIMARY KEY, version INTEGER NOT NULL, customer ${json} NOT NULL
  )`
  yield* sql`CREATE INDEX IF NOT EXISTS order_view_customer ON order_view (customer_id, placed_at_ms, order_id)`
  yield* sql`CREATE INDEX IF NOT EXISTS order_view_state ON order_view (customer_id, state, placed_at_ms, order_id)`
})

/** Bounds a statement's parameters and its size. */
const rowsAtOnce = 500

const refused = ({ reason }: SqlError.SqlError): boolean => {
  const state = (reason.cause as { readonly sqlState?: string } | undefined)?.sqlState
  return reason._tag === "ConstraintError" || (state !== undefined && /^(22|23|44|45)/.test(state))
}

const failing = Effect.mapError((cause: SqlError.SqlError) => new OrderViewError({ refused: refused(cause), cause }))

const make = (sql: SqlClient.SqlClient): OrderViews["Service"] => {
  const isMariaDb = sql.onDialectOrElse({ mysql: () => true, orElse: () => false })

  /** `columns` are overwritten together with `version`, by a higher one; MariaDB assigns from left to right, so `version` is last. */
  const guarded = (table: string, version: string, columns: ReadonlyArray<string>, than: ">" | ">=" = ">") =>
    [...columns, version]
      .map((column) =>
        isMariaDb
          ? `${column} = IF(VALUES(${version}) ${than} ${version}, VALUES(${column}), ${column})`
          : `${column} = CASE WHEN excluded.${version} ${than} ${table}.${version} THEN excluded.${column} ELSE ${table}.${column} END`
      )
      .join(", ")
  const onTaken = (key: string, assignments: string) =>
    sql.literal(isMariaDb ? `ON DUPLICATE KEY UPDATE ${assignments}` : `ON CONFLICT (${key}) DO UPDATE SET ${assignments}`)

  const keepNewestOrder = onTaken(
    "order_id",
    `${guarded("order_view", "version", ["state", "placed_at_ms", "document"])}, ${guarded("order_view", "customer_version", ["customer"])}`
  )
  const overwriteOrder = onTaken(
    "order_id",
    `${guarded("order_view", "version", ["state", "placed_at_ms", "document"], ">=")}, ${guarded("order_view", "customer_version", ["customer"], ">=")}`
  )
  const keepNewestProfile = onTaken("customer_id", guarded("order_view_profiles", "version", ["customer"]))

  /** Gives stored profiles that are newer to orders, found by `column`. */
  const giveProfiles = (column: "order_id" | "customer_id", keys: ReadonlyArray<string>) => {
    const which = sql.in(`v.${column}`, keys)
    return isMariaDb
      ? sql`UPDATE order_view v JOIN order_view_profiles p ON p.customer_id = v.customer_id AND p.version > v.customer_version
          SET v.customer = p.customer, v.customer_version = p.version WHERE ${which}`.unprepared
      : sql`UPDATE order_view AS v SET customer = p.customer, customer_version = p.version FROM order_view_profiles p
          WHERE p.customer_id = v.customer_id AND p.version > v.customer_version AND ${which}`.unprepared
  }

  const write = Effect.fn("OrderViewsSql.write")(function* (events: ReadonlyArray<OrderEvent>, onOrder: typeof keepNewestOrder) {
    const { orders, profiles } = partsOf(events)
    for (const chunk of Array.chunksOf(profiles, rowsAtOnce)) {
      yield* sql`INSERT INTO order_view_profiles ${sql.insert(Array.map(chunk, (profile) => ({ ...profile })))} ${keepNewestProfile}`
        .unprepared
      yield* giveProfiles("customer_id", Array.dedupe(chunk.map((profile) => profile.customer_id)))
    }
    for (const chunk of Array.chunksOf(orders, rowsAtOnce)) {
      yield* sql`INSERT INTO order_view ${sql.insert(Array.map(chunk, (order) => ({ ...order })))} ${onOrder}`.unprepared
      yield* giveProfiles("order_id", Array.dedupe(chunk.map((order) => order.order_id)))
    }
  }, failing)

  const columns = sql.literal("order_id, version, customer_id, placed_at_ms, document, customer")

  return OrderViews.of({
    apply: (events) => write(events, keepNewestOrder),
    mend: (events) => write(events, overwriteOrder),
    find: (ids) =>
      ids.length === 0
        ? Effect.succeed([])
        : sql<Kept>`SELECT ${columns} FROM order_view WHERE ${sql.in("order_id", Array.dedupe(ids))}`.unprepared.pipe(
            Effect.map((rows) => byAsked(ids, rows)),
            failing
          ),
    page: ({ after, customerId, limit, state }: PageOptions) => {
      const where = [
        sql`customer_id = ${customerId}`,
        ...(state === undefined ? [] : [sql`state = ${state}`]),
        ...(after === undefined
          ? []
          : [sql`placed_at_ms <= ${after.placedAtMs}`, sql`(placed_at_ms < ${after.placedAtMs} OR order_id < ${after.orderId})`])
      ]
      return sql<Kept>`SELECT ${columns} FROM order_view WHERE ${sql.and(where)}
        ORDER BY placed_at_ms DESC, order_id DESC LIMIT ${sql.literal(String(Math.trunc(limit)))}`.pipe(
        Effect.map((rows) => rows.map(fromKept)),
        failing
      )
    },
    ping: sql`SELECT 1`.pipe(Effect.asVoid, failing)
  })
}

/** Needs `orderViewMigration` to have run. */
export const layer: Layer.Layer<OrderViews, never, SqlClient.SqlClient> = Layer.effect(
  OrderViews,
  Effect.map(SqlClient.SqlClient, make)
)
