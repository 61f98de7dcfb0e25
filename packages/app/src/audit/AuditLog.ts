/**
 * What admins changed: who, when, what, and how it ended; one table in the SQL store, the same for all processes.
 *
 * An entry follows its change and never decides about it: `record` can't fail. It returns when the entry is stored, or after a second at
 * most; an entry that can't be stored then is in the log of the process at once and is tried again until it is stored or the process ends.
 * Entries are kept for `retention`, a million at most.
 */
import { Unavailable } from "@sluice/domain"
import { Clock, Context, Deferred, Duration, Effect, Layer, Queue, Schedule } from "effect"
import { SqlClient, type SqlError } from "effect/sql"

export interface Change {
  /** The address it came from. */
  readonly actor: string
  readonly action: string
  readonly target: string
  readonly change: Readonly<Record<string, unknown>>
  /** `done`, the code of a problem, or `unknown`: nobody waited for the answer. */
  readonly outcome: string
}

export interface Entry extends Change {
  readonly id: number
  /** When the change ended. */
  readonly at: string
}

export interface Page {
  /** The newest first. */
  readonly entries: ReadonlyArray<Entry>
  /** The `before` of the next page. */
  readonly next: number | null
}

export class AuditLog extends Context.Service<
  AuditLog,
  {
    readonly record: (change: Change) => Effect.Effect<void>
    /** At most `limit` entries older than `before`. */
    readonly page: (limit: number, before?: number) => Effect.Effect<Page, Unavailable>
  }
>()("sluice/AuditLog") {}

export const auditMigration = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const type = (mysql: string, sqlite: string) => sql.literal(sql.onDialectOrElse({ mysql: () => mysql, orElse: () => sqlite }))
  const text = (length: number) => type(`VARCHAR(${length}) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`, "TEXT")
  yield* sql`CREATE TABLE IF NOT EXISTS sluice_audit (
    id ${type("BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY", "INTEGER PRIMARY KEY AUTOINCREMENT")},
    at_ms BIGINT NOT NULL,
    actor ${text(64)} NOT NULL,
    action ${text(64)} NOT NULL,
    target ${text(255)} NOT NULL,
    changed ${type("MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "TEXT")} NOT NULL,
    outcome ${text(64)} NOT NULL
  )`
})

type Row = {
  readonly at_ms: number
  readonly actor: string
  readonly action: string
  readonly target: string
  readonly changed: string
  readonly outcome: string
}

interface Pending {
  readonly row: Row
  /** It is stored, or will be later. */
  readonly settled: Deferred.Deferred<void>
}

const maxEntries = 1_000_000
/** Entries that wait to be stored; with more of them the log of the process is all that has them. */
const maxPending = 10_000
const batch = 100
const sweepBatch = 500

const toRow = (atMs: number, { action, actor, change, outcome, target }: Change): Row => ({
  at_ms: atMs,
  actor: actor.slice(0, 64),
  action,
  target: target.slice(0, 255),
  changed: JSON.stringify(change),
  outcome
})

const toEntry = ({ action, actor, at_ms, changed, id, outcome, target }: Row & { readonly id: number }): Entry => ({
  id,
  at: new Date(at_ms).toISOString(),
  actor,
  action,
  target,
  change: JSON.parse(changed),
  outcome
})

const make = Effect.fnUntraced(function* (retention: Duration.Duration) {
  const sql = yield* SqlClient.SqlClient
  const pending = yield* Queue.dropping<Pending>(maxPending)
  let isAway = false

  const insert = ([first, ...others]: ReadonlyArray<Row>) => {
    if (first === undefined) return Effect.void
    return Effect.asVoid(Effect.timeout(sql`INSERT INTO sluice_audit ${sql.insert([first, ...others])}`.unprepared, "5 seconds"))
  }

  const settle = (entries: ReadonlyArray<Pending>) =>
    Effect.forEach(entries, ({ settled }) => Deferred.succeed(settled, undefined), { discard: true })

  const logged = (rows: ReadonlyArray<Row>) =>
    Effect.forEach(rows, (row) => Effect.logWarning("An entry of the audit log can't be stored now", row), { discard: true })

  let taken: ReadonlyArray<Pending> = []
  const write = Effect.gen(function* () {
    taken = yield* Queue.takeBetween(pending, 1, batch)
    const rows = taken.map(({ row }) => row)
    yield* insert(rows).pipe(
      Effect.tapError(() =>
        Effect.suspend(() => {
          const isFirst = !isAway
          isAway = true
          return Effect.andThen(isFirst ? logged(rows) : Effect.void, settle(taken))
        })
      ),
      Effect.retry(Schedule.spaced("1 second"))
    )
    isAway = false
    yield* settle(taken)
    taken = []
  })

  /** What still waits at the end gets one more try. */
  const flush = Effect.gen(function* () {
    const rows = [...taken, ...(yield* Queue.clear(pending))].map(({ row }) => row)
    yield* insert(rows).pipe(
      Effect.timeout("1 second"),
      Effect.catch(() => logged(rows))
    )
  })

  /** The oldest, a few at a time, until what is left may stay. */
  const sweep = Effect.gen(function* () {
    const oldestKept = (yield* Clock.currentTimeMillis) - Duration.toMillis(retention)
    while (true) {
      const [newest] = yield* sql<{ id: number | null }>`SELECT MAX(id) AS id FROM sluice_audit`
      const rows = yield* sql<{ id: number; at_ms: number }>`SELECT id, at_ms FROM sluice_audit ORDER BY id LIMIT ${sql.literal(
        String(sweepBatch)
      )}`
      const old = rows.filter(({ at_ms, id }) => at_ms < oldestKept || id <= (newest?.id ?? 0) - maxEntries)
      if (old.length > 0) {
        yield* sql`DELETE FROM sluice_audit WHERE ${sql.in(
          "id",
          old.map(({ id }) => id)
        )}`.unprepared
      }
      if (old.length < sweepBatch) return
    }
  }).pipe(Effect.catch((error: SqlError.SqlError) => Effect.logDebug("The audit log could not be swept", error)))

  yield* Effect.addFinalizer(() => flush)
  yield* Effect.forkScoped(Effect.forever(write))
  yield* Effect.forkScoped(Effect.repeat(sweep, Schedule.spaced("1 hour")))

  return AuditLog.of({
    record: Effect.fnUntraced(function* (change) {
      const row = toRow(yield* Clock.currentTimeMillis, change)
      const settled = yield* Deferred.make<void>()
      if (isAway) yield* logged([row])
      const isOffered = yield* Queue.offer(pending, { row, settled })
      if (!isOffered && !isAway) yield* logged([row])
      if (isAway || !isOffered) return
      // What asks is a finalizer, where nothing is interrupted unless it may be.
      yield* Effect.timeoutOption(Effect.interruptible(Deferred.await(settled)), "1 second")
    }),
    page: (limit, before) =>
      Effect.gen(function* () {
        const older = before === undefined ? sql.literal("") : sql`WHERE id < ${before}`
        const rows = yield* sql<Row & { id: number }>`SELECT * FROM sluice_audit ${older} ORDER BY id DESC LIMIT ${sql.literal(
          String(limit + 1)
        )}`
        const entries = rows.slice(0, limit).map(toEntry)
        return { entries, next: rows.length > limit ? entries.at(-1)!.id : null }
      }).pipe(
        Effect.timeout("5 seconds"),
        Effect.mapError(() => new Unavailable({ engine: "sql", retryAfterSeconds: 1 }))
      )
  })
})

/** What admins changed, on the SQL store. */
export const layer = (retention: Duration.Duration): Layer.Layer<AuditLog, never, SqlClient.SqlClient> =>
  Layer.effect(AuditLog, make(retention))
