import { assert, describe, it } from "@effect/vitest"
import { Redis } from "@sluice/engines"
import { liveUrl, whenLive } from "@sluice/testkit/live"
import { drain, sale, waitingAt } from "@sluice/testkit/suites/waitingRoomKit"
import { WaitingRoomRedis } from "@sluice/waiting-room"
import { Effect, Layer, Redacted } from "effect"

await whenLive(() => {
  const layer = WaitingRoomRedis.layer.pipe(
    Layer.provideMerge(Redis.layer({ urls: [Redacted.make(liveUrl("SLUICE_REDIS_URL"))] }))
  )

  describe("a room on Redis that was lost while nobody looked", () => {
    it.live("holds for the crowd from the first who comes back, once", () =>
      Effect.gen(function* () {
        const { call } = yield* Redis
        const on = yield* sale()
        const engine = { elapse: (ms: number) => Effect.sleep(ms) }
        const [a, b, c] = yield* on.places("a", "b", "c")
        yield* call("DEL", ...["c", "w", "s"].map((part) => `sluice:{${on.id}}:${part}`))
        yield* on.rebuild({}, [], [], 400)
        yield* engine.elapse(450)
        const [late] = yield* on.places("late")
        assert.deepStrictEqual(yield* on.look(b!), [waitingAt(1, b!.seq)])
        assert.isNull((yield* on.room.look(on.id, [late!])).pace.ratePerSecond)
        assert.isEmpty(yield* drain(engine, on))
        assert.deepStrictEqual(yield* on.look(a!), [waitingAt(1, a!.seq)])
        yield* engine.elapse(450)
        const first = yield* drain(engine, on, 1)
        // Whoever comes back later finds the old place, and stops nobody.
        yield* on.look(c!)
        assert.deepStrictEqual(
          [...first, ...(yield* drain(engine, on))].map(({ userId }) => userId),
          ["a", "b", "c", "late"]
        )
      }).pipe(Effect.provide(layer))
    )
  })
})
