import { randomUUID } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { MongoDb } from "@sluice/engines"
import { Config, Effect, Layer } from "effect"

const live = Layer.unwrap(Effect.map(Config.Redacted("SLUICE_MONGODB_URL"), (url) => MongoDb.layer({ url })))

describe("MongoDb", () => {
  it.live("answers, and writes to a majority", () =>
    Effect.gen(function* () {
      const { client, db, ping, run } = yield* MongoDb
      yield* ping
      assert.strictEqual(client.options.writeConcern?.w, "majority")
      const name = `test-${randomUUID()}`
      yield* Effect.addFinalizer(() => Effect.promise(() => db.dropCollection(name)))
      yield* run((opened) => opened.collection<{ _id: string; n: number }>(name).insertOne({ _id: "a", n: 1 }))
      assert.deepStrictEqual(yield* run((opened) => opened.collection<{ _id: string; n: number }>(name).findOne({ _id: "a" })), {
        _id: "a",
        n: 1
      })
    }).pipe(Effect.provide(live))
  )
})
