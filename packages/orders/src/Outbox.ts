/**
 * Events that are written in the transaction of what they tell about, and wait there to be published.
 *
 * An event is in the outbox if and only if its change is committed. Those of one key have ascending ids in the order of their commits,
 * since each change holds its row's lock while it writes its event. Ids of different keys may commit in any order: what is to be
 * published is found by its state, never by a cursor over ids. Whoever waits is woken by a commit, where there are signals also by one
 * of another process.
 */
import { crc32 } from "node:zlib"
import type { OrderEvent } from "@sluice/domain"
import { Signals } from "@sluice/engines"
import { Clock, Context, type Duration, Effect, Latch, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { shards } from "./OrdersSchema.ts"
import { insertAll } from "./Statements.ts"

export interface OutboxRow {
  readonly id: number
  readonly event_key: string
  readonly payload: string
  /** The `traceparent` of the change, where it is traced. */
  readonly trace: string | null
}

export interface Backlog {
  /** Events written and not yet published. */
  readonly events: number
  /** Age of the oldest of them; 0 when there is none. */
  readonly milliseconds: number
}

export class Outbox extends Context.Service<
  Outbox,
  {
    /** To be called in the transaction that makes the change; `traces` by the index of the event. */
    readonly append: (
      events: ReadonlyArray<OrderEvent>,
      traces?: ReadonlyArray<string | undefined>
    ) => Effect.Effect<void, SqlError.SqlError>
    /** The oldest unpublished events of these shards. */
    readonly next: (shards: ReadonlyArray<number>, limit: number) => Effect.Effect<ReadonlyArray<OutboxRow>, SqlError.SqlError>
    /** They are published: takes them out, or keeps them for as long as `retention` says. */
    readonly published: (ids: ReadonlyArray<number>, keep: boolean) => Effect.Effect<void, SqlError.SqlError>
    /** Deletes a few of what was published before; gives how many. */
    readonly sweep: (beforeMs: number) => Effect.Effect<number, SqlError.SqlError>
    readonly backlog: Effect.Effect<Backlog, SqlError.SqlError>
    /** Says that what comes from now on is to wake who waits. */
    readonly attend: () => void
    /** Until something was committed since `attend`, at most that long. */
    readonly awaitNews: (atMost: Duration.Input) => Effect.Effect<void>
  }
>()("sluice/Outbox") {}

export const shardOf = (key: string): number => crc32(key) % shards

export const keyOf = (event: OrderEvent): string => (event.type === "OrderChanged" ? event.order.orderId : event.customer.id)

const deletedAtOnce = 500

export const outboxChannel = "sluice.outbox"

const make = (sql: SqlClient.SqlClient, news: Latch.Latch, signals: Signals.Signals): Outbox["Service"] => {
  const wake = Effect.sync(() => {
    news.openUnsafe()
    signals.send(outboxChannel, [])
  })
  const limited = (limit: number) => sql.literal(`LIMIT ${Math.trunc(limit)}`)

  return {
    append: (events, traces = []) =>
      events.length === 0
        ? Effect.void
        : insertAll(
            sql,
            "outbox",
            events.map((event, i) => {
              const key = keyOf(event)
              return {
                shard: shardOf(key),
                event_key: key,
                payload: JSON.stringify(event),
                created_at_ms: event.committedAtMs,
                published_at_ms: null,
                trace: traces[i] ?? null
              }
            })
          ).pipe(Effect.andThen(sql.afterCommit(wake))),
    next: (held, limit) =>
      held.length === 0
        ? Effect.succeed([])
        : held.length === shards
          ? sql<OutboxRow>`SELECT id, event_key, payload, trace FROM outbox WHERE published_at_ms IS NULL ORDER BY id ${limited(limit)}`
          : sql<OutboxRow>`SELECT id, event_key, payload, trace FROM outbox WHERE published_at_ms IS NULL AND ${sql.in("shard", held)}
              ORDER BY id ${limited(limit)}`.unprepared,
    published: Effect.fnUntraced(function* (ids, keep) {
      const now = yield* Clock.currentTimeMillis
      for (let i = 0; i < ids.length; i += deletedAtOnce) {
        const some = sql.in("id", ids.slice(i, i + deletedAtOnce))
        if (keep) yield* sql`UPDATE outbox SET published_at_ms = ${now} WHERE ${some}`.unprepared
        else yield* sql`DELETE FROM outbox WHERE ${some}`.unprepared
      }
    }),
    sweep: Effect.fnUntraced(function* (beforeMs) {
      const old = yield* sql<{ id: number }>`SELECT id FROM outbox WHERE published_at_ms < ${beforeMs} ${limited(deletedAtOnce)}`
      if (old.length > 0) {
        yield* sql`DELETE FROM outbox WHERE ${sql.in(
          "id",
          old.map(({ id }) => id)
        )}`.unprepared
      }
      return old.length
    }),
    backlog: Effect.gen(function* () {
      const [row] = yield* sql<{ events: number; oldest: number | null }>`SELECT COUNT(*) AS events, MIN(created_at_ms) AS oldest
        FROM outbox WHERE published_at_ms IS NULL`
      const oldest = row?.oldest ?? null
      return {
        events: Number(row?.events ?? 0),
        milliseconds: oldest === null ? 0 : Math.max(0, (yield* Clock.currentTimeMillis) - oldest)
      }
    }),
    attend: () => {
      news.closeUnsafe()
    },
    awaitNews: (atMost) => Effect.asVoid(Effect.timeoutOption(news.await, atMost))
  }
}

export const makeOutbox = (sql: SqlClient.SqlClient) => make(sql, Latch.makeUnsafe(), Signals.none)

export const layer: Layer.Layer<Outbox, never, SqlClient.SqlClient> = Layer.effect(
  Outbox,
  Effect.gen(function* () {
    const news = Latch.makeUnsafe()
    const signals = yield* Signals.Signals
    yield* signals.listen(outboxChannel, () => news.openUnsafe())
    return make(yield* SqlClient.SqlClient, news, signals)
  })
)
