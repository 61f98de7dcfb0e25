import { createServer } from "node:net"
import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { MongoDb } from "@sluice/engines"
import { Effect, Fiber, Layer, Redacted } from "effect"
import { TestClock } from "effect/testing"

const mongoDb = (url: string) => MongoDb.layer({ url: Redacted.make(url), serverSelectionTimeout: "300 millis" })

const silentPort = Effect.acquireRelease(
  Effect.callback<ReturnType<typeof createServer>>((resume) => {
    const server = createServer((socket) => socket.on("error", () => {})).listen(0, "127.0.0.1", () =>
      resume(Effect.succeed(server))
    )
  }),
  (server) => Effect.sync(() => server.close())
).pipe(Effect.map((server) => (server.address() as { readonly port: number }).port))

describe("MongoDb", () => {
  for (const [kind, port] of Object.entries({ "is down": Effect.scoped(silentPort), "says nothing": silentPort })) {
    it.live(`builds while the server ${kind}, and calls fail in time`, () =>
      Effect.gen(function* () {
        const started = Date.now()
        yield* Effect.gen(function* () {
          const { ping, run } = yield* MongoDb
          assert.strictEqual((yield* Effect.flip(ping))._tag, "MongoDbError")
          assert.strictEqual((yield* Effect.flip(run((db) => db.collection("c").findOne())))._tag, "MongoDbError")
        }).pipe(Effect.provide(mongoDb(`mongodb://127.0.0.1:${yield* port}/sluice?directConnection=true`)))
        assert.isBelow(Date.now() - started, 2000)
      })
    )
  }

  it.effect("a call that the driver never settles fails all the same", () =>
    Effect.gen(function* () {
      const { run } = yield* MongoDb
      const calling = yield* Effect.forkChild(Effect.flip(run(() => new Promise<never>(() => {}))))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(calling))._tag, "MongoDbError")
    }).pipe(Effect.provide(mongoDb("mongodb://127.0.0.1:1/sluice")))
  )

  it.live("a URL it can't read is told without what is secret in it", () =>
    Effect.gen(function* () {
      for (const url of [
        "mongodb://u:marked-secret@",
        "mongo://u:marked-secret@h",
        "mongodb://u:marked-secret@h/?nonsense=1",
        "marked-secret"
      ]) {
        const error = yield* Effect.flip(Layer.build(mongoDb(url)))
        assert.strictEqual(error._tag, "MongoDbError")
        assert.notInclude(inspect(error, { depth: 10, showHidden: true }), "marked-secret")
      }
    })
  )
})
