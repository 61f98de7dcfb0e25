/**
 * Compares the order view with the write side, order by order and field by field, and finds the orders that only one of them has.
 *
 * Both sides are read by id, in pages, side by side. What differs at first sight may be on its way: it counts only when it still differs
 * after a pause, both sides read anew, and its change has not gone on meanwhile.
 */
import { Count, type OrderChanged, type OrderId, Unavailable } from "@sluice/domain"
import { Effect, Schema } from "effect"
import { OrdersRead } from "./OrdersRead.ts"
import { OrderViews, type StoredOrder } from "./OrderViews.ts"
import { placesBetween } from "./Sample.ts"

export const Difference = Schema.Struct({
  orderId: Schema.String,
  /** Such as `lines[0].price`; empty where one side has not the order at all. */
  path: Schema.String,
  written: Schema.NullOr(Schema.String),
  read: Schema.NullOr(Schema.String)
})
export type Difference = typeof Difference.Type

export const VerifyReport = Schema.Struct({
  /** Orders of the write side. */
  checked: Count,
  /** Orders that differ, also those that were repaired. */
  differing: Count,
  /** Those of them that the view has and the write side has not. */
  onlyInView: Count,
  repaired: Count,
  /** The first of them. */
  differences: Schema.Array(Difference),
  /** Where to go on, when only a part was asked for and there is more. */
  next: Schema.NullOr(Schema.String)
})
export type VerifyReport = typeof VerifyReport.Type

const shown = 200
const pageSize = 200
/** Orders that wait together for a second look. */
const suspectsAtOnce = 5_000
/** Looks at an order whose write side changes from look to look; after them it differs only if the view stands still meanwhile. */
const looks = 5
const samplePlaces = 500

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

type Written = OrderChanged | undefined

/** Of what the view shows, and of what it finds the order by. */
const compare = (change: Written, stored: StoredOrder | undefined): ReadonlyArray<Field> => {
  const shownFields = differences(change?.order, stored && parse(stored.json))
  if (change === undefined || stored === undefined || shownFields.length > 0) return shownFields
  const { customer, placedAt, version } = change.order
  return differences(
    { version, customerId: customer.id, placedAtMs: Date.parse(placedAt) },
    { version: stored.version, customerId: stored.customerId, placedAtMs: stored.placedAtMs },
    "(index)"
  )
}

/** Another one, and the write side has moved on. */
const stampOf = (change: Written) => (change === undefined ? "none" : `${change.order.version}.${change.customerVersion}`)

export interface VerifyOptions {
  /** About this many, taken by chance; without it all. */
  readonly sample?: number | undefined
  readonly repair: boolean
  /** From the order after this one. */
  readonly after?: string | undefined
  /** Stops after about this many; `next` says where. */
  readonly limit?: number | undefined
  /** How long a change may take to arrive. */
  readonly pauseMs?: number
  /** Hears how many orders of the write side were compared so far. */
  readonly onProgress?: (checked: number) => void
}

interface Seen {
  readonly stamp: string
  readonly json: string | undefined
}

interface Looked {
  readonly orderId: OrderId
  readonly change: Written
  readonly fields: ReadonlyArray<Field>
  readonly seen: Seen
}

const look = Effect.fnUntraced(function* (ids: ReadonlyArray<OrderId>) {
  const write = yield* OrdersRead
  const views = yield* OrderViews
  const written = new Map((yield* write.byIds(ids)).map((change) => [change.order.orderId, change]))
  const stored = yield* views.find(ids)
  return ids.map((orderId, i): Looked => {
    const change = written.get(orderId)
    return { orderId, change, fields: compare(change, stored[i]), seen: { stamp: stampOf(change), json: stored[i]?.json } }
  })
})

const mend = Effect.fnUntraced(function* (orders: ReadonlyArray<Looked>) {
  const views = yield* OrderViews
  yield* views.mend(orders.flatMap(({ change }) => (change === undefined ? [] : [change])))
  yield* views.remove(orders.flatMap(({ change, orderId }) => (change === undefined ? [orderId] : [])))
  const after = yield* look(orders.map(({ orderId }) => orderId))
  return after.filter(({ fields, seen }, i) => fields.length === 0 || seen.stamp !== orders[i]!.seen.stamp).length
})

export const verify = Effect.fn("verifyOrders")(
  function* ({ after = "", limit = Number.POSITIVE_INFINITY, onProgress, pauseMs = 2_000, repair, sample }: VerifyOptions) {
    const write = yield* OrdersRead
    const views = yield* OrderViews
    const report = {
      checked: 0,
      differing: 0,
      onlyInView: 0,
      repaired: 0,
      differences: [] as Difference[],
      next: null as string | null
    }
    const suspects = new Map<OrderId, Seen>()

    const settle = Effect.gen(function* () {
      let open = suspects
      for (let round = 1; open.size > 0; round++) {
        yield* Effect.sleep(pauseMs)
        const moving = new Map<OrderId, Seen>()
        const ids = [...open.keys()]
        for (let from = 0; from < ids.length; from += pageSize) {
          const found = yield* look(ids.slice(from, from + pageSize))
          const differing = found.filter(({ fields, orderId, seen }) => {
            const before = open.get(orderId)
            if (fields.length === 0) return false
            if (seen.stamp === before?.stamp) return true
            if (round === looks) return seen.json === before?.json
            moving.set(orderId, seen)
            return false
          })
          report.differing += differing.length
          report.onlyInView += differing.filter(({ change }) => change === undefined).length
          for (const { fields, orderId } of differing) {
            for (const field of fields) if (report.differences.length < shown) report.differences.push({ orderId, ...field })
          }
          if (repair && differing.length > 0) report.repaired += yield* mend(differing)
        }
        open = moving
      }
      suspects.clear()
    })

    /** Compares what both sides have behind `from`, as far as both pages reach; gives up to where, undefined: to the end. */
    const step = Effect.fnUntraced(function* (from: string, size: number) {
      yield* Effect.yieldNow
      const written = yield* write.page(from, size)
      const stored = yield* views.scan(from, size)
      const reach = [
        ...(written.length < size ? [] : [written.at(-1)!.order.orderId]),
        ...(stored.length < size ? [] : [stored.at(-1)!.orderId])
      ].sort()[0]
      const isReached = (id: OrderId) => reach === undefined || id <= reach
      const open = new Map(stored.flatMap((order) => (isReached(order.orderId) ? [[order.orderId, order] as const] : [])))
      for (const change of written) {
        const id = change.order.orderId
        if (!isReached(id)) break
        report.checked++
        const order = open.get(id)
        if (compare(change, order).length > 0) suspects.set(id, { stamp: stampOf(change), json: order?.json })
        open.delete(id)
      }
      for (const [id, { json }] of open) suspects.set(id, { stamp: stampOf(undefined), json })
      if (suspects.size >= suspectsAtOnce) yield* settle
      onProgress?.(report.checked)
      return reach
    })

    const bounds = sample !== undefined && (yield* write.isMoreThan(sample)) ? yield* write.bounds : undefined
    if (sample === undefined || bounds === undefined) {
      let position: string | undefined = after
      let passed = 0
      do {
        position = yield* step(position, pageSize)
        passed += pageSize
      } while (position !== undefined && passed < limit)
      report.next = position ?? null
    } else {
      const size = Math.min(pageSize, Math.ceil(sample / samplePlaces))
      for (const place of placesBetween(bounds.first, bounds.last, Math.ceil(sample / size))) {
        if ((yield* step(place, size)) === undefined) yield* step("", size)
      }
    }
    yield* settle
    return report satisfies VerifyReport
  },
  Effect.mapError(
    (error) => new Unavailable({ engine: error._tag === "OrderViewError" ? "order-view" : "sql", retryAfterSeconds: 1 })
  )
)
