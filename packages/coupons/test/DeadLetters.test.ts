import { assert, describe, it } from "@effect/vitest"
import { DeadLetters } from "@sluice/coupons"
import { winsTopic } from "@sluice/domain"
import { deadLetter, deadLetterTopic, EventLog, EventLogError, EventLogSqlite, Sqlite } from "@sluice/engines"
import { Effect, Layer } from "effect"

const log = EventLogSqlite.layer().pipe(Layer.provide(Sqlite.layer({ filename: ":memory:" })))
const live = DeadLetters.layer.pipe(Layer.provideMerge(log))

/** The log, with some of its methods replaced. */
const faulty = (change: (log: EventLog["Service"]) => Partial<EventLog["Service"]>) =>
  DeadLetters.layer.pipe(
    Layer.provideMerge(
      Layer.effect(
        EventLog,
        Effect.map(EventLog, (real) => ({ ...real, ...change(real) }))
      ).pipe(Layer.provide(log))
    )
  )

const failed = (n: number) => ({
  topic: winsTopic,
  partition: 2,
  offset: String(40 + n),
  key: `c${n}`,
  value: `win ${n}`,
  headers: { trace: "t1" },
  atMs: 0
})

const bury = (count: number) =>
  Effect.gen(function* () {
    const { publish } = yield* EventLog
    for (let n = 0; n < count; n++) yield* publish(...deadLetter(failed(n), { reason: `broken ${n}`, attempts: 3 }))
  })

const onTopic = (topic: string) => Effect.flatMap(EventLog, ({ peek }) => peek({ topic, group: "nobody", limit: 1000 }))

describe("DeadLetters", () => {
  it.effect("lists the oldest first, with reason and origin", () =>
    Effect.gen(function* () {
      yield* bury(3)
      const { deadLetters, total } = yield* (yield* DeadLetters).list(winsTopic, 2)
      assert.strictEqual(total, 3)
      assert.deepStrictEqual(
        deadLetters.map(({ attempts, key, origin, reason, value }) => [key, value, reason, attempts, origin]),
        [
          ["c0", "win 0", "broken 0", 3, "2:40"],
          ["c1", "win 1", "broken 1", 3, "2:41"]
        ]
      )
      assert.match(deadLetters[0]!.failedAt!, /^\d{4}-\d{2}-\d{2}T/)
    }).pipe(Effect.provide(live))
  )

  it.effect("replays each under its own key, as it was before it failed", () =>
    Effect.gen(function* () {
      yield* bury(250)
      const dead = yield* DeadLetters
      assert.deepStrictEqual(yield* dead.replay(winsTopic, 1), { topic: winsTopic, replayed: 1, remaining: 249, refused: [] })
      assert.deepStrictEqual(yield* dead.replay(winsTopic, undefined), {
        topic: winsTopic,
        replayed: 249,
        remaining: 0,
        refused: []
      })
      assert.deepStrictEqual(yield* dead.replay(winsTopic, undefined), {
        topic: winsTopic,
        replayed: 0,
        remaining: 0,
        refused: []
      })
      const back = yield* onTopic(winsTopic)
      assert.deepStrictEqual(
        back.map(({ headers, key, value }) => ({ headers, key, value })),
        Array.from({ length: 250 }, (_, n) => ({ headers: { trace: "t1" }, key: `c${n}`, value: `win ${n}` }))
      )
      assert.strictEqual((yield* dead.list(winsTopic, 10)).total, 0)
    }).pipe(Effect.provide(live))
  )

  it.effect("leaves one of which only the beginning was kept, says why, and brings the others back", () =>
    Effect.gen(function* () {
      const { publish } = yield* EventLog
      yield* publish(...deadLetter({ ...failed(9), value: "x".repeat(2_000_000) }, { reason: "nonsense", attempts: 1 }))
      yield* bury(2)
      const dead = yield* DeadLetters
      const reason = "it is larger than the log takes, so only the beginning of its 2000000 bytes was kept"
      const refused = [{ key: "c9", origin: "2:49", reason }]
      assert.deepStrictEqual(yield* dead.replay(winsTopic, 1), { topic: winsTopic, replayed: 0, remaining: 3, refused })
      assert.deepStrictEqual(yield* dead.replay(winsTopic, undefined), { topic: winsTopic, replayed: 2, remaining: 1, refused })
      assert.deepStrictEqual(
        (yield* onTopic(winsTopic)).map(({ value }) => value),
        ["win 0", "win 1"]
      )
      const { deadLetters } = yield* dead.list(winsTopic, 10)
      assert.deepStrictEqual(
        deadLetters.map(({ origin, reason, value }) => [origin, reason, value.length]),
        [["2:49", "nonsense", 2000]]
      )
    }).pipe(Effect.provide(live))
  )

  it.effect("dying between publish and commit brings an event back twice, never not at all", () => {
    let broken = true
    const layer = faulty((real) => ({
      commit: (group, events) =>
        Effect.suspend(() => (broken ? Effect.fail(new EventLogError({ cause: "cut" })) : real.commit(group, events)))
    }))
    return Effect.gen(function* () {
      yield* bury(2)
      const dead = yield* DeadLetters
      const error = yield* Effect.flip(dead.replay(winsTopic, undefined))
      assert.strictEqual(error._tag, "Unavailable")
      assert.strictEqual((yield* dead.list(winsTopic, 10)).total, 2)
      broken = false
      assert.strictEqual((yield* dead.replay(winsTopic, undefined)).replayed, 2)
      assert.deepStrictEqual(
        (yield* onTopic(winsTopic)).map(({ key }) => key),
        ["c0", "c1", "c0", "c1"]
      )
    }).pipe(Effect.provide(layer))
  })

  it.effect("ends although each replayed event fails again", () =>
    Effect.gen(function* () {
      yield* bury(3)
      const { remaining, replayed } = yield* (yield* DeadLetters).replay(winsTopic, undefined)
      assert.deepStrictEqual({ remaining, replayed }, { remaining: 3, replayed: 3 })
    }).pipe(
      Effect.provide(
        faulty((real) => ({
          publish: (topic, events) =>
            Effect.andThen(
              real.publish(topic, events),
              topic === winsTopic ? real.publish(deadLetterTopic(winsTopic), events) : Effect.void
            )
        }))
      )
    )
  )
})
