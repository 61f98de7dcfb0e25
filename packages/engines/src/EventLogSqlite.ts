/**
 * The event log in a SQLite file, for one process.
 *
 * A topic is one partition. Offsets count through the whole log, so those of a topic ascend with gaps, and none is ever given twice. A
 * `publish` inside a transaction of the same `SqlClient` is part of it, and so is the `commit` of a batch: work and commit together
 * happen once. A publish wakes the consumers of this process as soon as it is committed; what another process published is found by
 * looking again every `pollInterval`, and two processes may both be given the same batch.
 *
 * An event is deleted when it is older than `retention` and every group that ever read its topic has committed it.
 */
import { Clock, Duration, Effect, Latch, Layer, Schedule, Semaphore, Stream } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { EventLog, EventLogError, type LoggedEvent, type NewEvent } from "./EventLog.ts"

export interface Options {
  readonly pollInterval?: Duration.Input
  readonly retention?: Duration.Input
}

interface Row {
  readonly offset: number
  readonly key: string
  readonly value: string
  readonly headers: string
  readonly atMs: number
}

const deletedAtOnce = 500

const toError = Effect.mapError((cause: SqlError.SqlError) => new EventLogError({ cause }))

const createTables = Effect.fnUntraced(function* (sql: SqlClient.SqlClient) {
  yield* sql`CREATE TABLE IF NOT EXISTS log_events (
    "offset" INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
    headers TEXT NOT NULL, at_ms INTEGER NOT NULL
  ) STRICT`
  yield* sql`CREATE INDEX IF NOT EXISTS log_events_by_topic ON log_events (topic)`
  yield* sql`CREATE TABLE IF NOT EXISTS log_cursors (
    topic TEXT NOT NULL, grp TEXT NOT NULL, next_offset INTEGER NOT NULL, PRIMARY KEY (topic, grp)
  ) STRICT, WITHOUT ROWID`
})

const make = Effect.fnUntraced(function* (options: Options) {
  const sql = yield* SqlClient.SqlClient
  yield* createTables(sql)
  const pollInterval = options.pollInterval ?? "250 millis"
  const retentionMs = Duration.toMillis(Duration.fromInputUnsafe(options.retention ?? "1 day"))

  /** One a topic and group: who holds it has the group's current batch. */
  const turns = new Map<string, Semaphore.Semaphore>()
  const turnOf = (topic: string, group: string) => {
    const id = JSON.stringify([topic, group])
    const turn = turns.get(id) ?? Semaphore.makeUnsafe(1)
    turns.set(id, turn)
    return turn
  }

  const idle = new Map<string, Set<Latch.Latch>>()
  const wake = (topic: string) =>
    Effect.sync(() => {
      for (const latch of idle.get(topic) ?? []) latch.openUnsafe()
    })
  const wakeable = (topic: string) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const latch = Latch.makeUnsafe()
        idle.set(topic, (idle.get(topic) ?? new Set()).add(latch))
        return latch
      }),
      (latch) => Effect.sync(() => idle.get(topic)?.delete(latch))
    )

  const cursor = (topic: string, group: string) =>
    sql`coalesce((SELECT next_offset FROM log_cursors WHERE topic = ${topic} AND grp = ${group}), 0)`

  const read = (topic: string, group: string, limit: number) =>
    Effect.map(
      sql<Row>`SELECT "offset", key, value, headers, at_ms AS "atMs" FROM log_events
        WHERE topic = ${topic} AND "offset" >= ${cursor(topic, group)} ORDER BY "offset" LIMIT ${limit}`,
      (rows) =>
        rows.map(
          (row): LoggedEvent => ({
            topic,
            partition: 0,
            offset: String(row.offset),
            key: row.key,
            value: row.value,
            headers: JSON.parse(row.headers),
            atMs: row.atMs
          })
        )
    )

  const moveTo = (topic: string, group: string, nextOffset: number) =>
    sql`INSERT INTO log_cursors (topic, grp, next_offset) VALUES (${topic}, ${group}, ${nextOffset})
      ON CONFLICT (topic, grp) DO UPDATE SET next_offset = max(next_offset, excluded.next_offset)`

  const publish = Effect.fn("EventLog.publish")(function* (topic: string, events: ReadonlyArray<NewEvent>) {
    if (events.length === 0) return
    const atMs = yield* Clock.currentTimeMillis
    // One parameter whatever the number of events: one prepared statement, and no limit on parameters.
    const rows = JSON.stringify(events.map((event) => [event.key, event.value, JSON.stringify(event.headers ?? {})]))
    yield* sql`INSERT INTO log_events (topic, key, value, headers, at_ms)
      SELECT ${topic}, e.value ->> 0, e.value ->> 1, e.value ->> 2, ${atMs} FROM json_each(${rows}) AS e ORDER BY e.key`
    yield* sql.afterCommit(wake(topic))
  }, toError)

  const batches = (options: { readonly topic: string; readonly group: string; readonly maxBatch: number }) =>
    Effect.gen(function* () {
      const { group, maxBatch, topic } = options
      const turn = turnOf(topic, group)
      const published = yield* wakeable(topic)
      let held: ReadonlyArray<LoggedEvent> | undefined
      const release = (events: ReadonlyArray<LoggedEvent> | undefined) =>
        Effect.suspend(() => {
          if (held === undefined || held !== events) return Effect.void
          held = undefined
          return Effect.asVoid(turn.release(1))
        })
      yield* Effect.addFinalizer(() => release(held))
      // From now on the group has a cursor, and what it has yet to read is kept.
      yield* toError(moveTo(topic, group, 0))

      const look = Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          yield* restore(turn.take(1))
          published.closeUnsafe()
          const events = yield* Effect.onError(restore(read(topic, group, maxBatch)), () => turn.release(1))
          if (events.length === 0) {
            yield* turn.release(1)
            return undefined
          }
          held = events
          const done = moveTo(topic, group, Number(events.at(-1)!.offset) + 1).pipe(
            Effect.andThen(sql.afterCommit(release(events))),
            Effect.uninterruptible,
            toError
          )
          return { events, commit: done }
        })
      ).pipe(Effect.retry({ while: (error) => error.isRetryable, schedule: Schedule.jittered(Schedule.spaced("250 millis")) }))

      const next = Effect.gen(function* () {
        while (true) {
          const batch = yield* look
          if (batch !== undefined) return batch
          yield* Effect.timeoutOption(published.await, pollInterval)
        }
      })
      return Stream.fromEffectRepeat(toError(next))
    }).pipe(Stream.unwrap)

  const peek = (options: { readonly topic: string; readonly group: string; readonly limit: number }) =>
    toError(read(options.topic, options.group, options.limit))

  const commit = Effect.fnUntraced(function* (group: string, events: ReadonlyArray<LoggedEvent>) {
    const next = new Map<string, number>()
    for (const { offset, topic } of events) next.set(topic, Math.max(next.get(topic) ?? 0, Number(offset) + 1))
    yield* Effect.forEach(next, ([topic, offset]) => moveTo(topic, group, offset), { discard: true })
  }, toError)

  const lag = Effect.fnUntraced(function* (topic: string, group: string) {
    const [row] = yield* sql<{ readonly events: number }>`SELECT count(*) AS events FROM log_events
      WHERE topic = ${topic} AND "offset" >= ${cursor(topic, group)}`
    const [oldest] = yield* read(topic, group, 1)
    if (row === undefined || oldest === undefined) return { events: 0, milliseconds: 0 }
    return { events: row.events, milliseconds: Math.max(0, (yield* Clock.currentTimeMillis) - oldest.atMs) }
  }, toError)

  const sweep = Effect.gen(function* () {
    const olderThan = (yield* Clock.currentTimeMillis) - retentionMs
    const floors = yield* sql<{ readonly topic: string; readonly floor: number }>`
      SELECT topic, min(next_offset) AS floor FROM log_cursors GROUP BY topic`
    for (const { floor, topic } of floors) {
      let deleted = deletedAtOnce
      while (deleted === deletedAtOnce) {
        const gone = yield* sql`DELETE FROM log_events WHERE at_ms < ${olderThan} AND "offset" IN (
          SELECT "offset" FROM log_events WHERE topic = ${topic} AND "offset" < ${floor} ORDER BY "offset" LIMIT ${deletedAtOnce}
        ) RETURNING "offset"`
        deleted = gone.length
        yield* Effect.yieldNow
      }
    }
  })
  yield* sweep.pipe(
    Effect.catch((error) => Effect.logWarning("old events were not deleted", error)),
    Effect.delay("1 minute"),
    Effect.forever,
    Effect.forkScoped
  )

  return EventLog.of({ ensureTopics: () => Effect.void, publish, batches, peek, commit, lag })
})

/** Creates its tables where they are missing. */
export const layer = (options: Options = {}): Layer.Layer<EventLog, EventLogError, SqlClient.SqlClient> =>
  Layer.effect(EventLog, toError(make(options)))
