/**
 * Orders as readers ask for them, from the view alone.
 *
 * Reads of one turn of the event loop travel to the view in one call. Who names a version gets that version or a later one, waits for it
 * for a bounded time, and is told to ask again when it has not come by then: an older one is never given. Who waits is woken when
 * the order has come (see `Arrivals`), and looks again after a while in any case.
 */
import { createHash } from "node:crypto"
import { type CustomerId, type OrderId, OrderNotFound, type OrderState, Unavailable } from "@sluice/domain"
import { Batcher, Signals } from "@sluice/engines"
import { Cause, Clock, Context, Effect, Exit, Layer, Schema } from "effect"
import { Arrivals, arrivalsChannel } from "./Arrivals.ts"
import { type OrderViewError, OrderViews, type Position, type StoredOrder } from "./OrderViews.ts"

/** Not one that a page of this customer and this state has given. */
export class CursorInvalid extends Schema.TaggedError<CursorInvalid>()("CursorInvalid", {}) {}

export interface PageRequest {
  readonly customerId: CustomerId
  readonly state?: OrderState | undefined
  readonly limit: number
  readonly cursor?: string | undefined
}

export class OrderReads extends Context.Service<
  OrderReads,
  {
    readonly find: (id: OrderId, version?: number) => Effect.Effect<StoredOrder, OrderNotFound | Unavailable>
    /** As `find`, without a fiber; `done` is called once, in a later turn. */
    readonly findUnsafe: (id: OrderId, done: (exit: Exit.Exit<StoredOrder, OrderNotFound | Unavailable>) => void) => void
    /** Newest first. Following `nextCursor` gives each order once that was there at the beginning. */
    readonly page: (
      request: PageRequest
    ) => Effect.Effect<
      { readonly orders: ReadonlyArray<StoredOrder>; readonly nextCursor: string | null },
      CursorInvalid | Unavailable
    >
  }
>()("sluice/OrderReads") {}

const maxBatch = 500
/** Only for who was not woken. */
const [firstPauseMs, longestPauseMs] = [30, 100]

const unavailable = (_?: OrderViewError) => new Unavailable({ engine: "order-view", retryAfterSeconds: 1 })
const away = Effect.mapError(unavailable)

type Scope = Pick<PageRequest, "customerId" | "state">

/** Finds cursors that were changed or taken from elsewhere; one who makes their own sees nothing but their own page. */
const mark = (place: string, { customerId, state }: Scope) =>
  createHash("sha256")
    .update(JSON.stringify([place, customerId, state]))
    .digest("hex")
    .slice(0, 12)

export const toCursor = ({ orderId, placedAtMs }: Position, scope: Scope): string => {
  const place = `${placedAtMs}.${orderId}`
  return Buffer.from(`${mark(place, scope)}.${place}`).toString("base64url")
}

export const fromCursor = (cursor: string, scope: Scope): Position | undefined => {
  const text = Buffer.from(cursor, "base64url").toString("latin1")
  const [, placedAt, orderId] = /^[0-9a-f]{12}\.(\d{1,15})\.([0-9A-Za-z_-]{1,64})$/.exec(text) ?? []
  if (placedAt === undefined || orderId === undefined) return undefined
  const position = { placedAtMs: Number(placedAt), orderId }
  return toCursor(position, scope) === cursor ? position : undefined
}

const make = Effect.fnUntraced(function* ({ waitMs }: { readonly waitMs: number }) {
  const views = yield* OrderViews
  const batcher = yield* Batcher.make<OrderId, StoredOrder | undefined, OrderViewError, never>({
    run: (_, ids) => views.find(ids),
    runUnsafe: (_, ids, done) => views.findUnsafe(ids, done),
    maxBatch
  })
  const look = (id: OrderId) => away(batcher.request("", id))

  const arrivals = yield* Arrivals
  const signals = yield* Signals.Signals
  yield* signals.listen(arrivalsChannel, arrivals.announce)
  const awaited = (id: OrderId, version: number) =>
    Effect.acquireUseRelease(
      Effect.sync(() => arrivals.listen(id)),
      Effect.fnUntraced(function* ({ attend, news }) {
        const until = (yield* Clock.currentTimeMillis) + waitMs
        for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(longestPauseMs, pauseMs * 1.5)) {
          attend()
          const found = yield* look(id)
          if (found !== undefined && found.version >= version) return found
          if ((yield* Clock.currentTimeMillis) >= until) return yield* unavailable()
          yield* Effect.timeoutOption(news, pauseMs)
        }
      }),
      ({ close }) => Effect.sync(close)
    )

  const find = Effect.fnUntraced(function* (id: OrderId, version?: number) {
    const found = yield* look(id)
    if (version !== undefined && (found === undefined || found.version < version)) return yield* awaited(id, version)
    return found ?? (yield* new OrderNotFound({ orderId: id }))
  })

  const page = Effect.fnUntraced(function* ({ cursor, customerId, limit, state }: PageRequest) {
    const scope = { customerId, state }
    const after = cursor === undefined ? undefined : fromCursor(cursor, scope)
    if (cursor !== undefined && after === undefined) return yield* new CursorInvalid()
    const found = yield* away(views.page({ customerId, state, after, limit: limit + 1 }))
    const orders = found.slice(0, limit)
    return { orders, nextCursor: found.length > limit ? toCursor(orders.at(-1)!, scope) : null }
  })

  const findUnsafe: OrderReads["Service"]["findUnsafe"] = (id, done) =>
    batcher.offer("", id, (exit) => {
      if (Exit.isFailure(exit)) done(Exit.failCause(Cause.map(exit.cause, unavailable)))
      else if (exit.value === undefined) done(Exit.fail(new OrderNotFound({ orderId: id })))
      else done(Exit.succeed(exit.value))
    })

  return OrderReads.of({ find, findUnsafe, page })
})

/** `waitMs`: how long a reader waits for a version. */
export const layer = (options: { readonly waitMs: number } = { waitMs: 2_000 }): Layer.Layer<OrderReads, never, OrderViews> =>
  Layer.effect(OrderReads, make(options))
