/**
 * The order view on MongoDB.
 *
 *     order_view              _id = order id; version, customer_id, customer_version, state, placed_at_ms, document, customer
 *     order_view_profiles     _id = customer id; version, customer
 *     order_view_g1, ...      the same, of later generations
 *     order_view_generations  one document: revision, state, expires_at
 *
 * `document` and `customer` are JSON text, so that a read makes no objects of them. An upsert is by `_id` alone, with a pipeline that keeps
 * the higher version: a filter on the version would insert what is there already. The profiles of customers are kept and given to orders
 * in the same order as in the SQL view. On a sharded cluster the shard key is `{ _id: "hashed" }` as it stands.
 *
 * The indexes are made at the first write, so MongoDB may be away at the start. Which generations there are is read from the primary, by
 * writers after a write that a majority has: one that was deposed meanwhile can't hide a generation that was named before that write.
 */
import type { OrderEvent, OrderId } from "@sluice/domain"
import { MongoDb, type MongoDbError } from "@sluice/engines"
import { Array, Effect, Exit, Layer, Schema } from "effect"
import { type AnyBulkWriteOperation, type Collection, type Db, type Filter, MongoNetworkError, MongoServerError } from "mongodb"
import {
  firstState,
  GenerationStore,
  generationsAmong,
  layer as layerOf,
  namesOf,
  StateJson,
  type View
} from "./OrderGenerations.ts"
import {
  byAsked,
  type Found,
  fromKept,
  type Kept,
  OrderViewError,
  OrderViews,
  type PageOptions,
  type Parts,
  partsOf,
  type StoredOrder
} from "./OrderViews.ts"

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

const makeIndexes = (orders: Collection<OrderDocument>) =>
  orders.createIndexes([
    { key: { customer_id: 1, placed_at_ms: -1, _id: -1 } },
    { key: { customer_id: 1, state: 1, placed_at_ms: -1, _id: -1 } }
  ])

/** By customer, the version of theirs that all orders just written have at least; 0 for who has changed: their other orders have not. */
const standing = ({ orders, profiles }: Parts): ReadonlyMap<string, number> => {
  const versions = new Map<string, number>()
  for (const { customer_id, customer_version } of orders) {
    versions.set(customer_id, Math.min(customer_version, versions.get(customer_id) ?? customer_version))
  }
  for (const { customer_id } of profiles) versions.set(customer_id, 0)
  return versions
}

const orderOf = ({ _id, customer, customer_id, document, placed_at_ms, version }: OrderDocument): StoredOrder =>
  fromKept({ order_id: _id, version, customer_id, placed_at_ms, document, customer })

const makeView = ({ ping, run, runUnsafe }: MongoDb["Service"], names: ReturnType<typeof namesOf>): View => {
  let [orderCollection, profileCollection]: [Collection<OrderDocument>?, Collection<ProfileDocument>?] = []
  const orders = (db: Db) => (orderCollection ??= db.collection(names.orders))
  const profiles = (db: Db) => (profileCollection ??= db.collection(names.profiles))

  let isIndexed = false
  const indexed = async (db: Db) => {
    if (isIndexed) return
    await makeIndexes(orders(db))
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
      const stands = standing(parts)
      if (stands.size === 0) return
      const newest = await profiles(db)
        .find({ _id: { $in: [...stands.keys()] } })
        .toArray()
      await giveProfiles(
        db,
        newest.filter(({ _id, version }) => version > stands.get(_id)!)
      )
    }).pipe(failing)

  /**
   * As a plain command: to make a cursor costs more than all else that a lone read does. The driver sends a command once only, but asks a
   * second time by a cursor; so what a server or a connection failed is asked that way.
   */
  const findOne = async (db: Db, _id: OrderId): Promise<ReadonlyArray<OrderDocument>> => {
    const { readConcern, readPreference } = db
    try {
      const command = { find: names.orders, filter: { _id }, limit: 1, singleBatch: true, ...(readConcern && { readConcern }) }
      return (await db.command(command, { readPreference })).cursor.firstBatch
    } catch (cause) {
      if (!(cause instanceof MongoNetworkError || cause instanceof MongoServerError)) throw cause
      return orders(db).find({ _id }, { limit: 1, singleBatch: true }).toArray()
    }
  }

  const findAll = (db: Db, ids: ReadonlyArray<OrderId>) => {
    const asked = [...new Set(ids)]
    if (asked.length === 1) return findOne(db, asked[0]!)
    return orders(db)
      .find({ _id: { $in: asked } }, { batchSize: asked.length + 1 })
      .toArray()
  }

  const answers = (ids: ReadonlyArray<OrderId>, found: ReadonlyArray<OrderDocument>): Exit.Exit<Found> => {
    try {
      return Exit.succeed(byAsked(ids, found.map(orderOf)))
    } catch (defect) {
      return Exit.die(defect)
    }
  }

  const answering = (ids: ReadonlyArray<OrderId>, found: Effect.Effect<ReadonlyArray<OrderDocument>, MongoDbError>) =>
    Effect.flatMap(failing(found), (documents) => answers(ids, documents))

  return OrderViews.of({
    apply: (events) => write(events, "$gt"),
    mend: (events) => write(events, "$gte"),
    find: (ids) =>
      ids.length === 0
        ? Effect.succeed([])
        : answering(
            ids,
            run((db) => findAll(db, ids))
          ),
    findUnsafe: (ids, done) => {
      runUnsafe(
        (db) => findAll(db, ids),
        (exit) => done(Exit.isSuccess(exit) ? answers(ids, exit.value) : answering(ids, exit))
      )
    },
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
      return run((db) => orders(db).find(filter).sort({ placed_at_ms: -1, _id: -1 }).limit(Math.trunc(limit)).toArray()).pipe(
        Effect.map((found) => found.map(orderOf)),
        failing
      )
    },
    scan: (after, limit) =>
      run((db) =>
        orders(db)
          .find({ _id: { $gt: after } })
          .sort({ _id: 1 })
          .limit(Math.trunc(limit))
          .toArray()
      ).pipe(
        Effect.map((found) => found.map(orderOf)),
        failing
      ),
    remove: (ids) => run((db) => orders(db).deleteMany({ _id: { $in: Array.dedupe(ids) } })).pipe(Effect.asVoid, failing),
    ping: failing(ping)
  })
}

interface StateDocument {
  readonly _id: "state"
  readonly revision: number
  readonly state: string
  readonly expires_at: Date
}

const isTaken = (cause: unknown) => cause instanceof MongoServerError && cause.code === 11000

const makeStore = (mongo: MongoDb["Service"], prefix: string): GenerationStore["Service"] => {
  const { run } = mongo
  const states = (db: Db): Collection<StateDocument> => db.collection(`${prefix}_generations`)
  const projection = { revision: 1, state: 1, isHeld: { $gt: ["$expires_at", "$$NOW"] } }

  return GenerationStore.of({
    read: run(async (db) => {
      const found = await states(db).findOne<StateDocument & { readonly isHeld: boolean }>({ _id: "state" }, { projection })
      return found === null
        ? { revision: 0, state: firstState, isHeld: false }
        : { revision: found.revision, state: Schema.decodeUnknownSync(StateJson)(found.state), isHeld: found.isHeld }
    }).pipe(failing),
    swap: (revision, next, leaseMs) =>
      run(async (db) => {
        const set = {
          revision: { $literal: revision + 1 },
          state: { $literal: JSON.stringify(next) },
          expires_at: { $add: ["$$NOW", Math.trunc(leaseMs)] }
        }
        try {
          const { matchedCount, upsertedCount } = await states(db).updateOne({ _id: "state", revision }, [{ $set: set }], {
            upsert: revision === 0
          })
          return matchedCount + upsertedCount > 0
        } catch (cause) {
          if (isTaken(cause)) return false
          throw cause
        }
      }).pipe(failing),
    view: (generation) => makeView(mongo, namesOf(prefix, generation)),
    create: (generation) =>
      run((db) => makeIndexes(db.collection(namesOf(prefix, generation).orders))).pipe(Effect.asVoid, failing),
    drop: (generation) =>
      run(async (db) => {
        const { orders, profiles } = namesOf(prefix, generation)
        for (const name of [orders, profiles]) await db.dropCollection(name)
      }).pipe(failing),
    stored: run(async (db) => {
      const all = await db.listCollections({}, { nameOnly: true }).toArray()
      return generationsAmong(
        prefix,
        all.map(({ name }) => name)
      )
    }).pipe(failing)
  })
}

/** `collection` is where the orders are; the profiles and the generations stand beside it. */
export const layer = (collection = "order_view"): Layer.Layer<OrderViews | GenerationStore, never, MongoDb> =>
  layerOf(
    Layer.effect(
      GenerationStore,
      Effect.map(MongoDb, (mongo) => makeStore(mongo, collection))
    )
  )
