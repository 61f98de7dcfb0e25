/**
 * Whole orders as the write side has them now, in pages: what a rebuild is made from and what `verify` compares with.
 *
 * An order is read in several statements; all but its row in `orders` only ever gets more, so each is cut at that row's version and the
 * order is whole as of one version, whatever is changed meanwhile.
 */
import type { CustomerChanged, OrderChanged, OrderId, OrderState } from "@sluice/domain"
import { Clock, Context, Effect, Layer, Option, Stream } from "effect"
import { SqlClient, type SqlError } from "effect/sql"

export class OrdersRead extends Context.Service<
  OrdersRead,
  {
    readonly byIds: (ids: ReadonlyArray<OrderId>) => Effect.Effect<ReadonlyArray<OrderChanged>, SqlError.SqlError>
    /** By id, ascending, from the one after `after` ("" is the start): the order in which they were placed, nearly. */
    readonly page: (after: string, limit: number) => Effect.Effect<ReadonlyArray<OrderChanged>, SqlError.SqlError>
    /** All, in pages: memory stays flat. */
    readonly currentOrders: (options?: {
      readonly after?: string
      readonly pageSize?: number
    }) => Stream.Stream<OrderChanged, SqlError.SqlError>
    readonly count: Effect.Effect<number, SqlError.SqlError>
    /** The lowest id and the highest; undefined where there is no order. */
    readonly bounds: Effect.Effect<{ readonly first: OrderId; readonly last: OrderId } | undefined, SqlError.SqlError>
    /** Reads no more than that many. */
    readonly isMoreThan: (count: number) => Effect.Effect<boolean, SqlError.SqlError>
    /** Customers whose profile was changed since they were known, by id from the one after `after`. */
    readonly changedCustomers: (after: string, limit: number) => Effect.Effect<ReadonlyArray<CustomerChanged>, SqlError.SqlError>
  }
>()("sluice/OrdersRead") {}

interface OrderRow {
  readonly id: string
  readonly customer_id: string
  readonly state: OrderState
  readonly version: number
  readonly total: number
  readonly placed_at_ms: number
  readonly customer_name: string
  readonly level: string
  readonly customer_version: number
}

interface CustomerRow {
  readonly id: string
  readonly name: string
  readonly level: string
  readonly version: number
}

interface LineRow {
  readonly order_id: string
  readonly product_id: string
  readonly name: string
  readonly category: string
  readonly price: number
  readonly quantity: number
}

interface HistoryRow {
  readonly order_id: string
  readonly version: number
  readonly state: OrderState
  readonly at_ms: number
}

export const instant = (ms: number): string => new Date(ms).toISOString()

const byOrder = <Row extends { readonly order_id: string }>(rows: ReadonlyArray<Row>) => Map.groupBy(rows, (row) => row.order_id)

const fromRows = (row: OrderRow, lines: ReadonlyArray<LineRow>, history: ReadonlyArray<HistoryRow>): OrderChanged => {
  const until = history.filter(({ version }) => version <= row.version)
  const paid = until.find(({ state }) => state === "paid")
  return {
    type: "OrderChanged",
    version: 1,
    order: {
      orderId: row.id,
      version: row.version,
      state: row.state,
      placedAt: instant(row.placed_at_ms),
      customer: { id: row.customer_id, name: row.customer_name, level: row.level },
      lines: lines.map(({ category, name, price, product_id, quantity }) => ({
        productId: product_id,
        name,
        category,
        price,
        quantity
      })),
      total: row.total,
      payment: paid === undefined ? null : { paidAt: instant(paid.at_ms) },
      history: until.map(({ at_ms, state, version }) => ({ state, at: instant(at_ms), version }))
    },
    customerVersion: row.customer_version,
    committedAtMs: until.at(-1)?.at_ms ?? row.placed_at_ms
  }
}

export const makeOrdersRead = (sql: SqlClient.SqlClient): OrdersRead["Service"] => {
  const columns = sql.literal(
    "o.id, o.customer_id, o.state, o.version, o.total, o.placed_at_ms, c.name AS customer_name, c.level, c.version AS customer_version"
  )
  const whole = Effect.fnUntraced(function* (rows: ReadonlyArray<OrderRow>) {
    if (rows.length === 0) return []
    const ids = rows.map(({ id }) => id)
    const lines = byOrder(
      yield* sql<LineRow>`SELECT order_id, product_id, name, category, price, quantity FROM order_lines
        WHERE ${sql.in("order_id", ids)} ORDER BY order_id, line`.unprepared
    )
    const history = byOrder(
      yield* sql<HistoryRow>`SELECT order_id, version, state, at_ms FROM order_history
        WHERE ${sql.in("order_id", ids)} ORDER BY order_id, version`.unprepared
    )
    return rows.map((row) => fromRows(row, lines.get(row.id) ?? [], history.get(row.id) ?? []))
  })
  const page = (after: string, limit: number) =>
    Effect.flatMap(
      // The page first, by its index: joined at once, MariaDB may begin with all customers.
      sql<OrderRow>`SELECT ${columns} FROM
        (SELECT * FROM orders WHERE id > ${after} ORDER BY id LIMIT ${sql.literal(String(Math.trunc(limit)))}) o
        JOIN customers c ON c.id = o.customer_id ORDER BY o.id`,
      whole
    )
  return {
    byIds: (ids) =>
      ids.length === 0
        ? Effect.succeed([])
        : Effect.flatMap(
            sql<OrderRow>`SELECT ${columns} FROM orders o JOIN customers c ON c.id = o.customer_id
              WHERE ${sql.in("o.id", ids)} ORDER BY o.id`.unprepared,
            whole
          ),
    page,
    currentOrders: ({ after = "", pageSize = 1000 } = {}) =>
      Stream.paginate(after, (from: string) =>
        Effect.map(page(from, pageSize), (orders) => {
          const next = orders.length < pageSize ? Option.none<string>() : Option.some(orders.at(-1)!.order.orderId)
          return [orders, next] as const
        })
      ),
    count: Effect.map(sql<{ n: number }>`SELECT COUNT(*) AS n FROM orders`, (rows) => Number(rows[0]!.n)),
    bounds: Effect.map(
      sql<{ first: string | null; last: string | null }>`SELECT MIN(id) AS first, MAX(id) AS last FROM orders`,
      ([row]) => (row?.first == null || row.last == null ? undefined : { first: row.first, last: row.last })
    ),
    isMoreThan: (count) =>
      Effect.map(
        sql`SELECT id FROM orders ORDER BY id LIMIT 1 OFFSET ${sql.literal(String(Math.trunc(count)))}`,
        (rows) => rows.length > 0
      ),
    changedCustomers: Effect.fnUntraced(function* (after, limit) {
      const rows = yield* sql<CustomerRow>`SELECT id, name, level, version FROM customers
        WHERE version > 1 AND id > ${after} ORDER BY id LIMIT ${sql.literal(String(Math.trunc(limit)))}`
      const committedAtMs = yield* Clock.currentTimeMillis
      return rows.map(
        ({ version, ...customer }): CustomerChanged => ({
          type: "CustomerChanged",
          version: 1,
          customer,
          customerVersion: version,
          committedAtMs
        })
      )
    })
  }
}

export const layer: Layer.Layer<OrdersRead, never, SqlClient.SqlClient> = Layer.effect(
  OrdersRead,
  Effect.map(SqlClient.SqlClient, makeOrdersRead)
)
