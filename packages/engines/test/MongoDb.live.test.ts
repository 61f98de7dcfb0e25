import { randomUUID } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { MongoDb } from "@sluice/engines"
import { isLive, liveUrl } from "@sluice/testkit/live"
import { Effect, Layer, Redacted } from "effect"

const live = Layer.unwrap(Effect.sync(() => MongoDb.layer({ url: Redacted.make(liveUrl("SLUICE_MONGODB_URL")) })))

describe.runIf(isLive())("MongoDb", () => {
  it.live("answers, and writes to a majority", () =>
    Effect.gen(function* () {
      const { client, ping, run } = yield* MongoDb
      yield* ping
      assert.strictEqual(client.options.writeConcern?.w, "majority")
      const name = `test-${randomUUID()}`
      const found = run(async (db) => {
        const documents = db.collection<{ _id: string; n: number }>(name)
        await documents.insertOne({ _id: "a", n: 1 })
        return documents.findOne({ _id: "a" })
      }).pipe(Effect.ensuring(Effect.ignore(run((db) => db.dropCollection(name)))))
      assert.deepStrictEqual(yield* found, { _id: "a", n: 1 })
    }).pipe(Effect.provide(live))
  )
})
