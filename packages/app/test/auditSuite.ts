/** What the audit log keeps on every SQL store; `engines` gives an empty one with the table. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Exit, Layer, Logger, Schedule, Scope } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { AuditLog, type Change, layer } from "../src/audit/AuditLog.ts"

const change = (target: string, more: Partial<Change> = {}): Change => ({
  actor: "10.0.0.7",
  action: "campaign.change",
  target,
  change: { ratePerSecond: { before: 100, after: 200 } },
  outcome: "done",
  ...more
})

const quiet = Logger.layer([])

/** Each line that is logged. */
const listening = (lines: Array<string>) => Logger.layer([Logger.make(({ message }) => void lines.push(JSON.stringify(message)))])

const rename = (from: string, to: string) => SqlClient.SqlClient.use((sql) => sql`ALTER TABLE ${sql(from)} RENAME TO ${sql(to)}`)

export const auditSuite = (name: string, engines: Layer.Layer<SqlClient.SqlClient, SqlError.SqlError>) => {
  const log = (retention: Duration.Input = "365 days") =>
    layer(Duration.fromInputUnsafe(retention)).pipe(Layer.provideMerge(engines))

  describe(`the audit log on ${name}`, () => {
    it.live("gives what was recorded back, the newest first and page by page", () =>
      Effect.gen(function* () {
        const audit = yield* AuditLog
        const before = yield* Clock.currentTimeMillis
        for (let i = 1; i <= 5; i++) yield* audit.record(change(`c${i}`))
        const first = yield* audit.page(2)
        assert.deepStrictEqual(
          first.entries.map(({ target }) => target),
          ["c5", "c4"]
        )
        assert.strictEqual(first.next, first.entries[1]!.id)
        const second = yield* audit.page(2, first.next!)
        const last = yield* audit.page(2, second.next!)
        assert.deepStrictEqual(
          [...second.entries, ...last.entries].map(({ target }) => target),
          ["c3", "c2", "c1"]
        )
        assert.strictEqual(last.next, null)
        assert.deepStrictEqual(yield* audit.page(2, last.entries[0]!.id), { entries: [], next: null })
        const { at, id: _, ...rest } = first.entries[0]!
        assert.deepStrictEqual(rest, change("c5"))
        assert.isAtLeast(Date.parse(at), before)
      }).pipe(Effect.provide(log()))
    )

    it.live("a page is not moved by what is recorded meanwhile", () =>
      Effect.gen(function* () {
        const audit = yield* AuditLog
        yield* Effect.forEach(["a", "b", "c"], (target) => audit.record(change(target)))
        const { next } = yield* audit.page(1)
        yield* audit.record(change("d"))
        assert.deepStrictEqual(
          (yield* audit.page(10, next!)).entries.map(({ target }) => target),
          ["b", "a"]
        )
      }).pipe(Effect.provide(log()))
    )

    it.live("takes any text, and shortens what is too long for a name", () =>
      Effect.gen(function* () {
        const audit = yield* AuditLog
        const odd = { name: "할인 🎟 '; DROP TABLE sluice_audit; --\u0000", deep: [{ a: null }] }
        yield* audit.record(change("🎟".repeat(300), { actor: "x".repeat(300), change: odd }))
        const [entry] = (yield* audit.page(1)).entries
        assert.deepStrictEqual(entry!.change, odd)
        assert.isTrue(entry!.target.startsWith("🎟🎟"))
        assert.isAtMost(entry!.target.length, 255)
      }).pipe(Effect.provide(log()))
    )

    it.live("many at once are all stored", () =>
      Effect.gen(function* () {
        const audit = yield* AuditLog
        yield* Effect.forEach(Array.from({ length: 1000 }), (_, i) => audit.record(change(`c${i}`)), {
          concurrency: "unbounded",
          discard: true
        })
        let count = 0
        for (let next: number | null | undefined; next !== null; ) {
          const page = yield* audit.page(200, next)
          count += page.entries.length
          next = page.next
        }
        assert.strictEqual(count, 1000)
      }).pipe(Effect.provide(log()))
    )

    it.live(
      "an entry that can't be stored holds nobody up, is in the process's log, and is stored when the store is back",
      () => {
        const lines: Array<string> = []
        return Effect.gen(function* () {
          const audit = yield* AuditLog
          yield* rename("sluice_audit", "sluice_audit_away")
          yield* audit.record(change("one"))
          yield* audit.record(change("two"))
          assert.strictEqual((yield* Effect.flip(audit.page(10)))._tag, "Unavailable")
          for (const target of ["one", "two"]) assert.isTrue(lines.some((line) => line.includes(`"target":"${target}"`)))
          yield* rename("sluice_audit_away", "sluice_audit")
          const { entries } = yield* audit
            .page(10)
            .pipe(Effect.repeat({ until: ({ entries }) => entries.length === 2, schedule: Schedule.spaced("50 millis") }))
          assert.deepStrictEqual(
            entries.map(({ target }) => target),
            ["two", "one"]
          )
          yield* audit.record(change("three"))
          assert.strictEqual((yield* audit.page(1)).entries[0]!.target, "three")
        }).pipe(Effect.provide(log()), Effect.provide(listening(lines)))
      }
    )

    it.live("what still waits at the end is stored then", () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const context = yield* Layer.buildWithScope(layer(Duration.days(1)), scope)
        yield* rename("sluice_audit", "sluice_audit_away")
        yield* Effect.provideContext(
          AuditLog.use((audit) => audit.record(change("late"))),
          context
        )
        yield* rename("sluice_audit_away", "sluice_audit")
        yield* Scope.close(scope, Exit.void)
        const rows = yield* SqlClient.SqlClient.use((sql) => sql<{ target: string }>`SELECT target FROM sluice_audit`)
        assert.deepStrictEqual(
          [...rows].map(({ target }) => target),
          ["late"]
        )
      }).pipe(Effect.scoped, Effect.provide(engines), Effect.provide(quiet))
    )

    it.live("keeps what is younger than the retention, and no more", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const now = yield* Clock.currentTimeMillis
        const days = (n: number) => n * 24 * 3600_000
        const row = (at_ms: number) => ({ at_ms, actor: "a", action: "b", target: String(at_ms), changed: "{}", outcome: "done" })
        const old = Array.from({ length: 1200 }, (_, i) => row(now - days(40) + i))
        const young = [row(now - days(20)), row(now)]
        yield* sql`INSERT INTO sluice_audit ${sql.insert([old[0]!, ...old.slice(1), ...young])}`.unprepared
        const kept = Effect.map(sql<{ n: number }>`SELECT COUNT(*) AS n FROM sluice_audit`, ([count]) => Number(count!.n))
        yield* Effect.scoped(
          Effect.andThen(
            Layer.build(layer(Duration.days(30))),
            kept.pipe(Effect.repeat({ until: (n) => n === 2, schedule: Schedule.spaced("20 millis") }))
          )
        )
      }).pipe(Effect.provide(engines))
    )
  })
}
