import { Redis } from "@sluice/engines"
import { waitingRoomSuite } from "@sluice/testkit/suites/waitingRoom"
import { waitingRoomProperties } from "@sluice/testkit/suites/waitingRoomProperties"
import { WaitingRoomRedis } from "@sluice/waiting-room"
import { Config, Effect, Layer, Redacted } from "effect"

const redis = Layer.unwrap(
  Effect.map(Config.Redacted("SLUICE_REDIS_URL"), (urls) =>
    Redis.layer({
      urls: Redacted.value(urls)
        .split(",")
        .map((url) => Redacted.make(url))
    })
  )
)
const room = WaitingRoomRedis.layer.pipe(Layer.provideMerge(redis))

const parts = ["c", "w", "s", "u", "d", "f", "lock", "ls", "lf", "ln"]

const engine = {
  elapse: (ms: number) => Effect.sleep(ms),
  isVirtual: false,
  lose: Effect.fnUntraced(function* (campaignId: string) {
    yield* (yield* Redis).call("DEL", ...parts.map((part) => `sluice:{${campaignId}}:${part}`))
  })
}

waitingRoomSuite("Redis", room, engine)
waitingRoomProperties("Redis", room, engine, { numRuns: 150 })
