import { assert, describe, it } from "@effect/vitest"
import { Campaigns, DeadLetters, Issuances, Issuer } from "@sluice/coupons"
import { CouponWonJson, winsTopic } from "@sluice/domain"
import { EventLog, EventLogSqlite, Migrations, Sqlite } from "@sluice/engines"
import { eventually, winOf } from "@sluice/testkit/suites/dropKit"
import { WaitingRoom } from "@sluice/waiting-room"
import { Deferred, Effect, Fiber, Layer, Schema } from "effect"
import { SqlError } from "effect/sql"

const migrated = Layer.effectDiscard(
  Migrations.run({ "0001_campaigns": Campaigns.campaignsMigration, "0002_issuances": Issuances.issuancesMigration })
)
const stores = Layer.suspend(() =>
  Layer.mergeAll(Campaigns.layer, Issuances.layer, DeadLetters.layer.pipe(Layer.provideMerge(EventLogSqlite.layer()))).pipe(
    Layer.provideMerge(migrated),
    Layer.provideMerge(Sqlite.layer({ filename: ":memory:" }))
  )
)

type Store = Issuances.Issuances["Service"]
type Issue = Store["issue"]

/** The issuer alone, with a store of issuances that does its own to each batch, and a room that hears and says nothing. */
const issuer = (issueOf: (real: Issue) => Issue, heard: Effect.Effect<void> = Effect.void) =>
  Effect.gen(function* () {
    const real = yield* Issuances.Issuances
    const store = Layer.succeed(Issuances.Issuances, {
      ...real,
      issue: (wins) => Effect.suspend(() => issueOf(real.issue)(wins))
    })
    const room = Layer.mock(WaitingRoom)({ settle: () => Effect.as(heard, 0), restore: () => Effect.void })
    return yield* Effect.forkScoped(Issuer.run.pipe(Effect.provide([store, room])))
  })

/** What a trigger or a constraint of the database itself says. */
const refusal = new SqlError.SqlError({
  reason: new SqlError.UnknownError({ cause: { sqlState: "45000" }, message: "not for you", operation: "execute" })
})
const away = new SqlError.SqlError({ reason: new SqlError.ConnectionError({ cause: new Error("away"), operation: "execute" }) })

const id = "sale"
const onSale = Effect.gen(function* () {
  const campaigns = yield* Campaigns.Campaigns
  const campaign = { id, name: "a sale", stock: 100, ratePerSecond: 1, opensAtMs: null, closesAtMs: null, paused: false }
  const more = { maxWaiting: null, createdAtMs: 0, ticketsExpireAtMs: 0, revision: 1, generation: 1 }
  yield* campaigns.insert({ ...campaign, ...more })
})
const publish = (serials: ReadonlyArray<number>) =>
  EventLog.use((log) =>
    log.publish(
      winsTopic,
      serials.map((serial) => ({ key: `u${serial}`, value: Schema.encodeSync(CouponWonJson)(winOf(id, serial)) }))
    )
  )
const lag = Effect.map(
  EventLog.use((log) => log.lag(winsTopic, Issuer.issuerGroup)),
  ({ events }) => events
)
const allTaken = eventually("the log is read", lag, (events) => events === 0)
const issuedSerials = Issuances.Issuances.use((store) =>
  Effect.map(store.bySerial(id, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), (rows) => rows.map(({ serial }) => serial))
)
const buried = DeadLetters.use((dead) =>
  Effect.map(dead.list(winsTopic, 100), ({ deadLetters }) =>
    deadLetters.map(({ attempts, key, reason }) => [key, reason, attempts])
  )
)

describe("issuer", () => {
  it.live("moves on in the log only when the wins are written and the room has heard of them", () =>
    Effect.gen(function* () {
      const log = yield* EventLog
      const told: Array<string> = []
      const note = (when: string) =>
        Effect.map(Effect.orDie(log.lag(winsTopic, Issuer.issuerGroup)), ({ events }) => {
          told.push(`${when}: ${events} in the log`)
        })
      yield* onSale
      yield* publish([1])
      let calls = 0
      yield* issuer(
        (real) => (wins) => {
          calls++
          return calls === 1
            ? Effect.andThen(note("the database is away"), Effect.fail(away))
            : Effect.tap(real(wins), note("written"))
        },
        note("the room hears")
      )
      yield* allTaken
      assert.deepStrictEqual(told, [
        "the database is away: 1 in the log",
        "written: 1 in the log",
        "the room hears: 1 in the log"
      ])
      assert.deepStrictEqual(yield* issuedSerials, [1])
    }).pipe(Effect.scoped, Effect.provide(stores))
  )

  it.live("that dies before its transaction has ended leaves the wins to the next one", () =>
    Effect.gen(function* () {
      yield* onSale
      yield* publish([1, 2])
      const reached = yield* Deferred.make<void>()
      const dying = yield* issuer(() => () => Effect.andThen(Deferred.succeed(reached, undefined), Effect.never))
      yield* Deferred.await(reached)
      yield* Fiber.interrupt(dying)
      assert.strictEqual(yield* lag, 2)
      yield* issuer((real) => real)
      yield* allTaken
      assert.deepStrictEqual(yield* issuedSerials, [1, 2])
    }).pipe(Effect.scoped, Effect.provide(stores))
  )

  it.live("tries a win again that the database refuses once", () =>
    Effect.gen(function* () {
      yield* onSale
      yield* publish([1])
      let calls = 0
      yield* issuer((real) => (wins) => (++calls === 1 ? Effect.fail(refusal) : real(wins)))
      yield* allTaken
      assert.deepStrictEqual([yield* issuedSerials, yield* buried], [[1], []])
    }).pipe(Effect.scoped, Effect.provide(stores))
  )

  it.live("sets aside the one that the database goes on refusing, and no other of its batch", () =>
    Effect.gen(function* () {
      yield* onSale
      yield* publish([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
      const alone: Array<number> = []
      yield* issuer((real) => (wins) => {
        if (!wins.some(({ serial }) => serial === 7)) return real(wins)
        if (wins.length === 1) alone.push(7)
        return Effect.fail(refusal)
      })
      yield* allTaken
      assert.deepStrictEqual(yield* issuedSerials, [1, 2, 3, 4, 5, 6, 8, 9, 10])
      assert.deepStrictEqual(alone, [7, 7, 7])
      assert.deepStrictEqual(yield* buried, [["u7", "not for you", 3]])
    }).pipe(Effect.scoped, Effect.provide(stores))
  )

  it.live("says of what it can't read, and of what can never be issued, that it was tried once", () =>
    Effect.gen(function* () {
      const log = yield* EventLog
      yield* log.publish(winsTopic, [{ key: "a", value: "{ not json" }])
      yield* publish([1])
      yield* issuer((real) => real)
      yield* allTaken
      assert.deepStrictEqual(yield* buried, [
        ["a", "not a CouponWon of version 1", 1],
        ["u1", "unknown campaign", 1]
      ])
    }).pipe(Effect.scoped, Effect.provide(stores))
  )
})
