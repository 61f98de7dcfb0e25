/**
 * Compares the order view with the write side, order by order and field by field, from the write side's orders.
 *
 * What differs at first sight may be on its way: it counts only when it still differs after a pause, both sides read anew. It does not
 * look for orders that the view has and the write side has not.
 */
import { type OrderChanged, Unavailable } from "@sluice/domain"
import { Effect, Schema, Stream } from "effect"
import { OrdersRead } from "./OrdersRead.ts"
import { OrderViews } from "./OrderViews.ts"

export const Difference = Schema.Struct({
  orderId: Schema.String,
  /** Such as `lines[0].price`; empty where the whole order is missing in the view. */
  path: Schema.String,
  written: Schema.NullOr(Schema.String),
  read: Schema.NullOr(Schema.String)
})
export type Difference = typeof Difference.Type

export const VerifyReport = Schema.Struct({
  checked: Schema.Int,
  /** Orders that differ, also those that were repaired. */
  differing: Schema.Int,
  repaired: Schema.Int,
  /** The first of them. */
  differences: Schema.Array(Difference)
})
export type VerifyReport = typeof VerifyReport.Type

const shown = 200
const pageSize = 500

const text = (value: unknown) => (value === undefined ? null : JSON.stringify(value))

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null

type Field = Pick<Difference, "path" | "written" | "read">

export const differences = (written: unknown, read: unknown, path = ""): ReadonlyArray<Field> => {
  if (!isObject(written) || !isObject(read) || Array.isArray(written) !== Array.isArray(read)) {
    return Object.is(written, read) ? [] : [{ path, written: text(written), read: text(read) }]
  }
  const names = new Set([...Object.keys(written), ...Object.keys(read)])
  const below = (name: string) => (Array.isArray(written) ? `${path}[${name}]` : path === "" ? name : `${path}.${name}`)
  return [...names].flatMap((name) => differences(written[name], read[name], below(name)))
}

const parse = (json: string): unknown => {
  try {
    return JSON.parse(json)
  } catch {
    return json
  }
}

const compare = Effect.fnUntraced(function* (orders: ReadonlyArray<OrderChanged>) {
  const views = yield* OrderViews
  const found = yield* views.find(orders.map(({ order }) => order.orderId))
  return orders.flatMap((change, i) => {
    const stored = found[i]
    const fields = differences(change.order, stored && parse(stored.json))
    return fields.length === 0 ? [] : [{ change, fields }]
  })
})

export interface VerifyOptions {
  /** About this many, taken by chance; without it all. */
  readonly sample?: number | undefined
  readonly repair: boolean
  /** How long a change may take to arrive. */
  readonly pauseMs?: number
}

export const verify = Effect.fn("verifyOrders")(
  function* ({ pauseMs = 2_000, repair, sample }: VerifyOptions) {
    const write = yield* OrdersRead
    const views = yield* OrderViews
    const share = sample === undefined ? 1 : sample / Math.max(1, yield* write.count)
    const report = { checked: 0, differing: 0, repaired: 0, differences: [] as Difference[] }

    const page = Effect.fnUntraced(function* (orders: ReadonlyArray<OrderChanged>) {
      report.checked += orders.length
      const suspects = yield* compare(orders)
      if (suspects.length === 0) return
      yield* Effect.sleep(pauseMs)
      const differing = yield* compare(yield* write.byIds(suspects.map(({ change }) => change.order.orderId)))
      report.differing += differing.length
      for (const { change, fields } of differing) {
        for (const field of fields) {
          if (report.differences.length < shown) report.differences.push({ orderId: change.order.orderId, ...field })
        }
      }
      if (!repair || differing.length === 0) return
      const changes = differing.map(({ change }) => change)
      yield* views.mend(changes)
      report.repaired += differing.length - (yield* compare(changes)).length
    })

    yield* write.currentOrders({ pageSize }).pipe(
      Stream.filter(() => Math.random() < share),
      Stream.grouped(pageSize),
      Stream.runForEach(page)
    )
    return report satisfies VerifyReport
  },
  Effect.mapError(
    (error) => new Unavailable({ engine: error._tag === "OrderViewError" ? "order-view" : "sql", retryAfterSeconds: 1 })
  )
)
