import { assert, describe, it } from "@effect/vitest"
import { Redis, type RedisError } from "@sluice/engines"
import { liveUrl, whenLive } from "@sluice/testkit/live"
import { eventually } from "@sluice/testkit/processes"
import { type Proxy, proxyOf } from "@sluice/testkit/proxy"
import { startRedisCluster } from "@sluice/testkit/redisCluster"
import { Duration, Effect, Redacted, Schedule } from "effect"
import { Redis as Client } from "ioredis"
import { failuresOf } from "../src/EngineMetrics.ts"

const layerOf = (urls: ReadonlyArray<string>, commandTimeout: Duration.Input = "3 seconds") =>
  Redis.layer({ urls: urls.map((url) => Redacted.make(url)), commandTimeout })

const through = (server: string) =>
  Effect.acquireRelease(
    Effect.promise(() => proxyOf(server)),
    (proxy) => Effect.promise(() => proxy.close().catch(() => {}))
  )

const newKey = (tag: string) => `{${tag}}:${crypto.randomUUID()}`

/** One call whose answer is lost: it fails, and ran once. */
const losesAnAnswer = Effect.fnUntraced(function* (key: string, proxies: ReadonlyArray<Proxy>) {
  const redis = yield* Redis
  const add = redis.script("test_add", "return redis.call('INCR', KEYS[1])")
  assert.strictEqual(yield* add([key], []), 1)
  const before = failuresOf("redis", "connection")
  for (const proxy of proxies) proxy.loseAnswer(/evalsha/i)
  const [took] = yield* Effect.timed(Effect.flip(add([key], [])))
  assert.isBelow(Duration.toMillis(took), 1000)
  assert.isAbove(failuresOf("redis", "connection"), before)
  for (const proxy of proxies) proxy.loseAnswer(/^$/)
  const seen = yield* Effect.retry(redis.call("GET", key), Schedule.spaced("20 millis"))
  assert.strictEqual(seen, "2")
})

const isAway = (call: Effect.Effect<unknown, RedisError>) =>
  Effect.gen(function* () {
    yield* Effect.promise(() => eventually("it is noticed", () => Effect.runPromise(Effect.isFailure(call))))
    const [took] = yield* Effect.timed(Effect.flip(call))
    assert.isBelow(Duration.toMillis(took), 300)
  })

await whenLive(() => {
  const server = liveUrl("SLUICE_REDIS_URL").split(",")[0]!

  describe("Redis", () => {
    it.live("does not send again what may have run", () =>
      Effect.gen(function* () {
        const proxy = yield* through(server)
        yield* losesAnAnswer(newKey("once"), [proxy]).pipe(Effect.provide(layerOf([proxy.url])))
      }).pipe(Effect.scoped)
    )

    it.live("fails at once while the server is away", () =>
      Effect.gen(function* () {
        const proxy = yield* through(server)
        yield* Effect.gen(function* () {
          const redis = yield* Redis
          yield* redis.ping
          yield* Effect.promise(proxy.close)
          yield* isAway(redis.call("GET", "any"))
          yield* Effect.flip(redis.ping)
          yield* Effect.flip(redis.runId)
        }).pipe(Effect.provide(layerOf([proxy.url])))
      }).pipe(Effect.scoped)
    )

    it.live("fails within the command timeout where the server is silent", () =>
      Effect.gen(function* () {
        const proxy = yield* through(server)
        yield* Effect.gen(function* () {
          const redis = yield* Redis
          const before = failuresOf("redis", "timeout")
          proxy.silence()
          const [took] = yield* Effect.timed(Effect.flip(redis.call("GET", "any")))
          assert.isBelow(Duration.toMillis(took), 1500)
          assert.strictEqual(failuresOf("redis", "timeout"), before + 1)
          proxy.heal()
          yield* Effect.retry(redis.ping, Schedule.spaced("20 millis"))
        }).pipe(Effect.provide(layerOf([proxy.url], "500 millis")))
      }).pipe(Effect.scoped)
    )
  })

  const cluster = Effect.acquireRelease(
    Effect.promise(() => startRedisCluster()),
    ({ stop }) => Effect.promise(stop)
  )
  const admin = (url: string) =>
    Effect.acquireRelease(
      Effect.sync(() => new Client(url)),
      (client) => Effect.sync(() => client.disconnect())
    )

  describe("Redis Cluster", () => {
    it.live("does not send again what may have run", () =>
      Effect.gen(function* () {
        const { urls } = yield* cluster
        const proxies = yield* Effect.forEach(urls, through)
        const clients = yield* Effect.forEach(urls, admin)
        yield* Effect.promise(async () => {
          const portOf = (proxy: Proxy) => Number(new URL(proxy.url).port)
          await Promise.all(clients.map((client, i) => client.config("SET", "cluster-announce-port", portOf(proxies[i]!))))
          await eventually("each knows the others by their proxies", async () => {
            const told = await Promise.all(clients.map((client) => client.cluster("SLOTS")))
            return told.every((slots) => proxies.every((proxy) => JSON.stringify(slots).includes(String(portOf(proxy)))))
          })
        })
        for (const tag of ["a", "b", "c", "d"]) {
          yield* losesAnAnswer(newKey(tag), proxies).pipe(Effect.provide(layerOf(proxies.map(({ url }) => url))))
        }
      }).pipe(Effect.scoped)
    )

    it.live("where a master is away its slots fail at once, the others serve, and the ping says so", () =>
      Effect.gen(function* () {
        const { kill, urls } = yield* cluster
        yield* Effect.gen(function* () {
          const redis = yield* Redis
          yield* redis.ping
          // Of `redis-cli --cluster create`: the first master has the first third of the slots.
          const [first, last] = ["{b}", "{a}"]
          yield* redis.call("SET", first, 1)
          yield* redis.call("SET", last, 1)
          kill(0)
          yield* isAway(redis.call("GET", first))
          yield* isAway(redis.ping)
          for (let i = 0; i < 20; i++) {
            const [took] = yield* Effect.timed(Effect.flip(redis.call("GET", first)))
            assert.isBelow(Duration.toMillis(took), 300)
          }
          assert.strictEqual(yield* redis.call("GET", last), "1")
        }).pipe(Effect.provide(layerOf(urls)))
      }).pipe(Effect.scoped)
    )
  })
})
