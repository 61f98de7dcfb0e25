import { Redis } from "@sluice/engines"
import { whenLive } from "@sluice/testkit/live"
import { startRedisCluster } from "@sluice/testkit/redisCluster"
import { waitingRoomSuite } from "@sluice/testkit/suites/waitingRoom"
import { WaitingRoomRedis } from "@sluice/waiting-room"
import { Effect, Layer, Redacted } from "effect"
import { afterAll } from "vitest"

await whenLive(async () => {
  const cluster = await startRedisCluster()
  afterAll(cluster.stop)

  const redis = Redis.layer({ urls: cluster.urls.map((url) => Redacted.make(url)) })
  const parts = ["c", "w", "s", "u", "d", "f", "lock", "ls", "lf", "ln"]

  waitingRoomSuite("Redis Cluster", WaitingRoomRedis.layer.pipe(Layer.provideMerge(redis)), {
    elapse: (ms: number) => Effect.sleep(ms),
    isVirtual: false,
    lose: Effect.fnUntraced(function* (campaignId: string) {
      yield* (yield* Redis).call("DEL", ...parts.map((part) => `sluice:{${campaignId}}:${part}`))
    })
  })
})
