import { randomUUID } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Redis, Signals, SignalsRedis } from "@sluice/engines"
import { liveUrl, whenLive } from "@sluice/testkit/live"
import { Effect, Layer, Redacted } from "effect"

/** What one process of an installation has. */
const joined = Effect.gen(function* () {
  const redis = Redis.layer({ urls: [Redacted.make(liveUrl("SLUICE_REDIS_URL"))] })
  return yield* Effect.provide(Signals.Signals, yield* Layer.build(Layer.fresh(SignalsRedis.layer.pipe(Layer.provide(redis)))))
})

const until = (holds: () => boolean) => Effect.repeat(Effect.sleep("5 millis"), { until: () => Effect.sync(holds) })

await whenLive(() => {
  describe("signals over Redis", () => {
    it.live("are heard by the other processes that listen to the channel, and not by their own", () =>
      Effect.gen(function* () {
        const [a, b] = [yield* joined, yield* joined]
        const channel = `sluice.test.${randomUUID()}`
        const heard: Array<string> = []
        yield* a.listen(channel, (words) => heard.push(`a ${words.join()}`))
        yield* b.listen(channel, (words) => heard.push(`b ${words.join()}`))
        yield* b.listen(`${channel}.other`, (words) => heard.push(`other ${words.join()}`))
        // Subscribing takes its time, and what is sent before is lost.
        while (heard.length === 0) {
          a.send(channel, ["ready"])
          yield* Effect.sleep("10 millis")
        }
        a.send(channel, ["x", "y"])
        yield* until(() => heard.some((words) => words.endsWith("x,y")))
        a.send(`${channel}.other`, ["z"])
        yield* until(() => heard.includes("other z"))
        assert.isTrue(heard.every((words) => !words.startsWith("a ")))
      })
    )
  })
})
