import { createServer } from "node:net"
import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { MongoDb } from "@sluice/engines"
import { type Duration, Effect, Layer, Redacted } from "effect"

const mongoDb = (url: string, callTimeout: Duration.Input = "10 seconds") =>
  MongoDb.layer({ url: Redacted.make(url), serverSelectionTimeout: "300 millis", callTimeout })

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

  it.live("a call that the driver never settles fails all the same", () =>
    Effect.gen(function* () {
      const { run } = yield* MongoDb
      const started = Date.now()
      assert.strictEqual((yield* Effect.flip(run(() => new Promise<never>(() => {}))))._tag, "MongoDbError")
      assert.isBelow(Date.now() - started, 2000)
    }).pipe(Effect.provide(mongoDb("mongodb://127.0.0.1:1/sluice", "200 millis")))
  )

  it.live("a call gives its one answer, whatever comes after it, and none once it was given up", () =>
    Effect.gen(function* () {
      const { run, runUnsafe } = yield* MongoDb
      assert.strictEqual(yield* run(async () => 1), 1)
      const thrown = run(() => {
        throw new Error("at once")
      })
      assert.strictEqual((yield* Effect.flip(thrown))._tag, "MongoDbError")
      const { promise, resolve } = Promise.withResolvers<number>()
      const heard: Array<string> = []
      const answered = Effect.callback<void>((resume) => {
        runUnsafe(
          () => promise,
          (exit) => {
            heard.push(exit._tag)
            resume(Effect.void)
          }
        )
      })
      const stop = runUnsafe(
        () => promise,
        () => heard.push("given up")
      )
      stop()
      yield* answered
      resolve(1)
      // Whoever waited for it before hears it before.
      yield* Effect.promise(() => promise)
      assert.deepStrictEqual(heard, ["Failure"])
    }).pipe(Effect.provide(mongoDb("mongodb://127.0.0.1:1/sluice", "200 millis")))
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
