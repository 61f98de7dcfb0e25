/** Signals over Redis, by publish and subscribe. While Redis is away nothing is heard, and nobody is told so: they do without. */
import { randomUUID } from "node:crypto"
import { Effect, Layer } from "effect"
import { Redis } from "./Redis.ts"
import { gathered, Signals } from "./Signals.ts"

const everyMs = 10
/** With more words at once others would wait for Redis. */
const maxWords = 2000

export const layer: Layer.Layer<never, never, Redis> = Layer.effect(
  Signals,
  Effect.gen(function* () {
    const redis = yield* Redis
    const fork = Effect.runForkWith(yield* Effect.context<never>())
    const own = randomUUID()
    return {
      send: gathered(everyMs, (channel, words) => {
        fork(Effect.ignore(redis.call("PUBLISH", channel, [own, ...words.slice(0, maxWords)].join(" "))))
      }),
      listen: (channel, hear) =>
        redis.subscribe(channel, (text) => {
          const [from, ...words] = text.split(" ")
          if (from !== own) hear(words)
        })
    }
  })
)
