/**
 * The order view on MongoDB.
 *
 *     order_view           _id = order id; version, customer_id, customer_version, state, placed_at_ms, document, customer
 *     order_view_profiles  _id = customer id; version, customer
 *
 * `document` and `customer` are JSON text, so that a read makes no objects of them. An upsert is by `_id` alone, with a pipeline that keeps
 * the higher version: a filter on the version would insert what is there already. The profiles of customers are kept and given to orders
 * in the same order as in the SQL view. On a sharded cluster the shard key is `{ _id: "hashed" }` as it stands.
 *
 * The indexes are made at the first write, so MongoDB may be away at the start.
 */
import type { OrderEvent } from "@sluice/domain"
import { MongoDb, type MongoDbError } from "@sluice/engines"
import { Array, Effect, Layer } from "effect"
import { type AnyBulkWriteOperation, type Collection, type Db, type Filter, MongoServerError } from "mongodb"
import { byAsked, fromKept, type Kept, OrderViewError, OrderViews, type PageOptions, partsOf } from "./OrderViews.ts"

type OrderDocument = Omit<Kept, "order_id"> & { readonly _id: string }
type ProfileDocument = { readonly _id: string; readonly version: number; readonly customer: string }

/** Codes of documents that can't be stored, however often they are sent: bad value, type mismatch, document validation, too large. */
const refusals: ReadonlySet<unknown> = new Set([2, 14, 121, 10334, 17419, 17420])

const failing = Effect.mapError(({ cause }: MongoDbError) => {
  const refused = cause instanceof MongoServerError && refusals.has(cause.code)
  return new OrderViewError({ refused, cause })
})

/** The fields of `incoming`, where its version is higher than what stands; `$literal`, for texts may begin with a dollar. */
const newer = (version: string, incoming: Readonly<Record<string, unknown>>, than: "$gt" | "$gte" = "$gt") =>
  Object.fromEntries(
    Object.entries(incoming).map(([field, value]) => [
      field,
      { $cond: [{ [than]: [incoming[version], { $ifNull: [`$${version}`, 0] }] }, { $literal: value }, `$${field}`] }
    ])
  )

const upsertOrder = (kept: Kept, than: "$gt" | "$gte"): AnyBulkWriteOperation<OrderDocument> => {
  const { customer, customer_id, customer_version, document, order_id, placed_at_ms, state, version } = kept
  const set = {
    customer_id: { $literal: customer_id },
    ...newer("version", { version, state, placed_at_ms, document }, than),
    ...newer("customer_version", { customer_version, customer }, than)
  }
  return { updateOne: { filter: { _id: order_id }, update: [{ $set: set }], upsert: true } }
}

const make = ({ ping, run }: MongoDb["Service"], prefix: string): OrderViews["Service"] => {
  const orders = (db: Db): Collection<OrderDocument> => db.collection(prefix)
  const profiles = (db: Db): Collection<ProfileDocument> => db.collection(`${prefix}_profiles`)

  let isIndexed = false
  const indexed = async (db: Db) => {
    if (isIndexed) return
    await orders(db).createIndexes([
      { key: { customer_id: 1, placed_at_ms: -1, _id: -1 } },
      { key: { customer_id: 1, state: 1, placed_at_ms: -1, _id: -1 } }
    ])
    isIndexed = true
  }

  const giveProfiles = async (db: Db, newest: ReadonlyArray<ProfileDocument>) => {
    if (newest.length === 0) return
    const operations = newest.map(
      ({ _id, customer, version }): AnyBulkWriteOperation<OrderDocument> => ({
        updateMany: {
          filter: { customer_id: _id, customer_version: { $lt: version } },
          update: { $set: { customer, customer_version: version } }
        }
      })
    )
    await orders(db).bulkWrite(operations, { ordered: false })
  }

  const write = (events: ReadonlyArray<OrderEvent>, than: "$gt" | "$gte") =>
    run(async (db) => {
      await indexed(db)
      const parts = partsOf(events)
      if (parts.profiles.length > 0) {
        await profiles(db).bulkWrite(
          parts.profiles.map(({ customer, customer_id, version }) => ({
            updateOne: { filter: { _id: customer_id }, update: [{ $set: newer("version", { version, customer }) }], upsert: true }
          })),
          { ordered: false }
        )
      }
      if (parts.orders.length > 0)
        await orders(db).bulkWrite(
          parts.orders.map((order) => upsertOrder(order, than)),
          { ordered: false }
        )
      const customers = Array.dedupe([...parts.profiles, ...parts.orders].map(({ customer_id }) => customer_id))
      if (customers.length === 0) return
      await giveProfiles(
        db,
        await profiles(db)
          .find({ _id: { $in: customers } })
          .toArray()
      )
    }).pipe(failing)

  const projection = { version: 1, customer_id: 1, placed_at_ms: 1, document: 1, customer: 1 }
  const kept = ({ _id, ...rest }: OrderDocument): Kept => ({ ...rest, order_id: _id })

  return OrderViews.of({
    apply: (events) => write(events, "$gt"),
    mend: (events) => write(events, "$gte"),
    find: (ids) =>
      ids.length === 0
        ? Effect.succeed([])
        : run((db) =>
            orders(db)
              .find({ _id: { $in: Array.dedupe(ids) } }, { projection })
              .toArray()
          ).pipe(
            Effect.map((found) => byAsked(ids, found.map(kept))),
            failing
          ),
    page: ({ after, customerId, limit, state }: PageOptions) => {
      const filter: Filter<OrderDocument> = {
        customer_id: customerId,
        ...(state === undefined ? {} : { state }),
        ...(after === undefined
          ? {}
          : {
              placed_at_ms: { $lte: after.placedAtMs },
              $or: [{ placed_at_ms: { $lt: after.placedAtMs } }, { _id: { $lt: after.orderId } }]
            })
      }
      return run((db) =>
        orders(db).find(filter, { projection }).sort({ placed_at_ms: -1, _id: -1 }).limit(Math.trunc(limit)).toArray()
      ).pipe(
        Effect.map((found) => found.map((order) => fromKept(kept(order)))),
        failing
      )
    },
    ping: failing(ping)
  })
}

/** `collection` is where the orders are; the profiles stand beside it. */
export const layer = (collection = "order_view"): Layer.Layer<OrderViews, never, MongoDb> =>
  Layer.effect(
    OrderViews,
    Effect.map(MongoDb, (mongo) => make(mongo, collection))
  )
