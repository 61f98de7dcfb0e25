/**
 * The order view as one denormalised table, on MariaDB or on SQLite.
 *
 *     order_view              order_id, version, customer_id, customer_version, state, placed_at_ms, document, customer
 *     order_view_profiles     customer_id, version, customer        only of customers whose change was seen
 *     order_view_g1, ...      the same, of later generations
 *     order_view_generations  one row: revision, state, expires_at_ms
 *
 * Every statement commits by itself. A profile is stored before it is given to the customer's orders, and who writes an order looks for a
 * newer profile after it: whichever of the two comes last sees the other.
 */
import type { OrderEvent } from "@sluice/domain"
import { Array, Effect, Layer, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import {
  firstState,
  GenerationStore,
  generationsAmong,
  layer as layerOf,
  namesOf,
  StateJson,
  type View
} from "./OrderGenerations.ts"
import { byAsked, fromKept, type Kept, OrderViewError, OrderViews, type PageOptions, partsOf } from "./OrderViews.ts"
import { changedBy, insertAll, nowMs } from "./Statements.ts"

const prefix = "order_view"

const createView = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, generation: number) {
  const type = (mysql: string, sqlite: string) => sql.literal(sql.onDialectOrElse({ mysql: () => mysql, orElse: () => sqlite }))
  const ascii = (length: number) => type(`VARCHAR(${length}) CHARACTER SET ascii COLLATE ascii_bin`, "TEXT")
  const json = type("MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "TEXT")
  const names = namesOf(prefix, generation)
  const [orders, profiles] = [sql(names.orders), sql(names.profiles)]
  yield* sql`CREATE TABLE IF NOT EXISTS ${orders} (
    order_id ${ascii(64)} NOT NULL PRIMARY KEY, version INTEGER NOT NULL,
    customer_id ${ascii(64)} NOT NULL, customer_version INTEGER NOT NULL,
    state ${ascii(16)} NOT NULL, placed_at_ms BIGINT NOT NULL, document ${json} NOT NULL, customer ${json} NOT NULL
  )`
  yield* sql`CREATE TABLE IF NOT EXISTS ${profiles} (
    customer_id ${ascii(64)} NOT NULL PRIMARY KEY, version INTEGER NOT NULL, customer ${json} NOT NULL
  )`
  const byCustomer = sql(`${names.orders}_customer`)
  yield* sql`CREATE INDEX IF NOT EXISTS ${byCustomer} ON ${orders} (customer_id, placed_at_ms, order_id)`
  yield* sql`CREATE INDEX IF NOT EXISTS ${sql(`${names.orders}_state`)} ON ${orders} (customer_id, state, placed_at_ms, order_id)`
})

export const orderViewMigration = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* createView(sql, 0)
  yield* orderGenerationsMigration
})

/** Of folders and databases that had their view before it had generations. */
export const orderGenerationsMigration = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const json = sql.literal(sql.onDialectOrElse({ mysql: () => "MEDIUMTEXT CHARACTER SET utf8mb4", orElse: () => "TEXT" }))
  yield* sql`CREATE TABLE IF NOT EXISTS order_view_generations (
    id INTEGER NOT NULL PRIMARY KEY, revision BIGINT NOT NULL, state ${json} NOT NULL, expires_at_ms BIGINT NOT NULL
  )`
  const first = { id: 1, revision: 0, state: JSON.stringify(firstState), expires_at_ms: 0 }
  yield* insertAll(sql, "order_view_generations", [first], "id")
})

/** Bounds a statement's parameters and its size. */
const rowsAtOnce = 500

const refused = ({ reason }: SqlError.SqlError): boolean => {
  const state = (reason.cause as { readonly sqlState?: string } | undefined)?.sqlState
  return reason._tag === "ConstraintError" || (state !== undefined && /^(22|23|44|45)/.test(state))
}

const failing = Effect.mapError((cause: SqlError.SqlError) => new OrderViewError({ refused: refused(cause), cause }))

const makeView = (sql: SqlClient.SqlClient, names: ReturnType<typeof namesOf>): View => {
  const [table, profileTable] = [sql(names.orders), sql(names.profiles)]
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
    `${guarded(names.orders, "version", ["state", "placed_at_ms", "document"])}, ${guarded(names.orders, "customer_version", ["customer"])}`
  )
  const overwriteOrder = onTaken(
    "order_id",
    `${guarded(names.orders, "version", ["customer_id", "state", "placed_at_ms", "document"], ">=")}, ${guarded(names.orders, "customer_version", ["customer"], ">=")}`
  )
  const keepNewestProfile = onTaken("customer_id", guarded(names.profiles, "version", ["customer"]))

  /** Gives stored profiles that are newer to orders, found by `column`. */
  const giveProfiles = (column: "order_id" | "customer_id", keys: ReadonlyArray<string>) => {
    const which = sql.in(`v.${column}`, keys)
    return isMariaDb
      ? sql`UPDATE ${table} v JOIN ${profileTable} p ON p.customer_id = v.customer_id AND p.version > v.customer_version
          SET v.customer = p.customer, v.customer_version = p.version WHERE ${which}`.unprepared
      : sql`UPDATE ${table} AS v SET customer = p.customer, customer_version = p.version FROM ${profileTable} p
          WHERE p.customer_id = v.customer_id AND p.version > v.customer_version AND ${which}`.unprepared
  }

  const write = Effect.fn("OrderViewsSql.write")(function* (events: ReadonlyArray<OrderEvent>, onOrder: typeof keepNewestOrder) {
    const { orders, profiles } = partsOf(events)
    for (const chunk of Array.chunksOf(profiles, rowsAtOnce)) {
      yield* sql`INSERT INTO ${profileTable} ${sql.insert(Array.map(chunk, (profile) => ({ ...profile })))} ${keepNewestProfile}`
        .unprepared
      yield* giveProfiles("customer_id", Array.dedupe(chunk.map((profile) => profile.customer_id)))
    }
    for (const chunk of Array.chunksOf(orders, rowsAtOnce)) {
      yield* sql`INSERT INTO ${table} ${sql.insert(Array.map(chunk, (order) => ({ ...order })))} ${onOrder}`.unprepared
      yield* giveProfiles("order_id", Array.dedupe(chunk.map((order) => order.order_id)))
    }
  }, failing)

  const limited = (limit: number) => sql.literal(`LIMIT ${Math.trunc(limit)}`)
  const columns = sql.literal("order_id, version, customer_id, placed_at_ms, document, customer")

  const find: View["find"] = (ids) =>
    ids.length === 0
      ? Effect.succeed([])
      : sql<Kept>`SELECT ${columns} FROM ${table} WHERE ${sql.in("order_id", Array.dedupe(ids))}`.unprepared.pipe(
          Effect.map((rows) => byAsked(ids, rows.map(fromKept))),
          failing
        )

  return OrderViews.of({
    apply: (events) => write(events, keepNewestOrder),
    mend: (events) => write(events, overwriteOrder),
    find,
    findUnsafe: (ids, done) => done(find(ids)),
    page: ({ after, customerId, limit, state }: PageOptions) => {
      const where = [
        sql`customer_id = ${customerId}`,
        ...(state === undefined ? [] : [sql`state = ${state}`]),
        ...(after === undefined
          ? []
          : [sql`placed_at_ms <= ${after.placedAtMs}`, sql`(placed_at_ms < ${after.placedAtMs} OR order_id < ${after.orderId})`])
      ]
      return sql<Kept>`SELECT ${columns} FROM ${table} WHERE ${sql.and(where)}
        ORDER BY placed_at_ms DESC, order_id DESC ${limited(limit)}`.pipe(
        Effect.map((rows) => rows.map(fromKept)),
        failing
      )
    },
    scan: (after, limit) =>
      sql<Kept>`SELECT ${columns} FROM ${table} WHERE order_id > ${after} ORDER BY order_id ${limited(limit)}`.pipe(
        Effect.map((rows) => rows.map(fromKept)),
        failing
      ),
    remove: (ids) =>
      Effect.forEach(
        Array.chunksOf(Array.dedupe(ids), rowsAtOnce),
        (chunk) => sql`DELETE FROM ${table} WHERE ${sql.in("order_id", chunk)}`.unprepared,
        { discard: true }
      ).pipe(failing),
    ping: sql`SELECT 1`.pipe(Effect.asVoid, failing)
  })
}

const makeStore = (sql: SqlClient.SqlClient): GenerationStore["Service"] => {
  const now = nowMs(sql)
  const isMariaDb = sql.onDialectOrElse({ mysql: () => true, orElse: () => false })
  const names = sql.onDialectOrElse({
    mysql: () => sql<{ name: string }>`SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE()`,
    orElse: () => sql<{ name: string }>`SELECT name FROM sqlite_master WHERE type = 'table'`
  })
  /** SQLite drops a table in one step, in which its process does nothing else; an empty one takes no time. */
  const empty = Effect.fnUntraced(function* (name: string) {
    if (isMariaDb || !(yield* names).some((row) => row.name === name)) return
    const some = sql`DELETE FROM ${sql(name)} WHERE rowid IN (SELECT rowid FROM ${sql(name)} LIMIT ${sql.literal(String(rowsAtOnce))})`
    while ((yield* changedBy(some.raw)) > 0) yield* Effect.yieldNow
  })

  return GenerationStore.of({
    read: sql<{ revision: number; state: string; held: number }>`SELECT revision, state, expires_at_ms > ${now} AS held
      FROM order_view_generations WHERE id = 1`.pipe(
      Effect.map(([row]) => ({
        revision: Number(row!.revision),
        state: Schema.decodeUnknownSync(StateJson)(row!.state),
        isHeld: Number(row!.held) === 1
      })),
      failing
    ),
    swap: (revision, next, leaseMs) =>
      changedBy(
        sql`UPDATE order_view_generations SET revision = ${revision + 1}, state = ${JSON.stringify(next)},
          expires_at_ms = ${now} + ${Math.trunc(leaseMs)} WHERE id = 1 AND revision = ${revision}`.raw
      ).pipe(
        Effect.map((changed) => changed > 0),
        failing
      ),
    view: (generation) => makeView(sql, namesOf(prefix, generation)),
    create: (generation) => createView(sql, generation).pipe(failing),
    drop: (generation) =>
      Effect.forEach(
        Object.values(namesOf(prefix, generation)),
        (name) => Effect.andThen(empty(name), sql`DROP TABLE IF EXISTS ${sql(name)}`),
        { discard: true }
      ).pipe(failing),
    stored: names.pipe(
      Effect.map((rows) =>
        generationsAmong(
          prefix,
          rows.map(({ name }) => name)
        )
      ),
      failing
    )
  })
}

/** Needs `orderViewMigration` to have run. */
export const layer: Layer.Layer<OrderViews | GenerationStore, never, SqlClient.SqlClient> = layerOf(
  Layer.effect(GenerationStore, Effect.map(SqlClient.SqlClient, makeStore))
)
