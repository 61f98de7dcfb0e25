import { assert, describe, it } from "@effect/vitest"
import { Redis } from "@sluice/engines"
import { liveUrl, whenLive } from "@sluice/testkit/live"
import { sale } from "@sluice/testkit/suites/waitingRoomKit"
import { NotLoaded, WaitingRoomRedis } from "@sluice/waiting-room"
import { Effect, Layer, Redacted } from "effect"

await whenLive(() => {
  const layer = WaitingRoomRedis.layer.pipe(
    Layer.provideMerge(Redis.layer({ urls: [Redacted.make(liveUrl("SLUICE_REDIS_URL"))] }))
  )

  describe("the counters of a room on Redis", () => {
    it.live("are counted each by itself, so a room that is wrong shows it", () =>
      Effect.gen(function* () {
        const { call } = yield* Redis
        const { id, places, room } = yield* sale({ stock: 10 })
        const [a] = yield* places("a")
        yield* room.settle(id, { issued: [{ ...a!, serial: 1 }] })
        yield* call("ZADD", `sluice:{${id}}:u`, "0", "2:7:ghost")
        const { dead, issued, issuing, remaining } = yield* room.counters(id)
        assert.deepStrictEqual([remaining, issuing, issued, dead], [9, 1, 1, 0])
      }).pipe(Effect.provide(layer))
    )

    it.live("of a room that does not count what is issued are not believed: it is built anew", () =>
      Effect.gen(function* () {
        const { call } = yield* Redis
        const { counters, id, rebuild, room } = yield* sale({ stock: 10 })
        yield* call("HDEL", `sluice:{${id}}:c`, "issued")
        assert.deepStrictEqual(yield* Effect.flip(room.counters(id)), new NotLoaded({ campaignId: id }))
        yield* rebuild({}, [{ userId: "a", seq: 1, serial: 1 }], [])
        assert.deepInclude(yield* counters, { issued: 1, remaining: 9 })
      }).pipe(Effect.provide(layer))
    )
  })
})
