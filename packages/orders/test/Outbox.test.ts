import { assert, describe, it } from "@effect/vitest"
import { Migrations, Signals, Sqlite } from "@sluice/engines"
import { orderChanged } from "@sluice/testkit/suites/orderViews"
import { Effect, Fiber, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Outbox, ordersMigration } from "../src/index.ts"

const engine = Layer.suspend(() =>
  Layer.effectDiscard(Migrations.run({ "0010_orders": ordersMigration })).pipe(
    Layer.provideMerge(Sqlite.layer({ filename: ":memory:" }))
  )
)

/** Between two processes. */
const makeBus = (): Signals.Signals => {
  const listeners = new Map<string, Set<(words: ReadonlyArray<string>) => void>>()
  return {
    send: (channel, words) => listeners.get(channel)?.forEach((hear) => void hear(words)),
    listen: (channel, hear) => Effect.sync(() => void listeners.set(channel, (listeners.get(channel) ?? new Set()).add(hear)))
  }
}

describe("the outbox", () => {
  it.effect("a commit wakes who waits in another process, and a change that is not committed wakes nobody", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const build = Layer.build(Layer.fresh(Outbox.layer))
      const [here, there] = [yield* build, yield* build]
      const append = (id: string) => Effect.flatMap(Outbox.Outbox, (outbox) => outbox.append([orderChanged(id, "c")]))
      const outbox = yield* Effect.provide(Outbox.Outbox, there)
      outbox.attend()
      const waiting = yield* Effect.forkChild(outbox.awaitNews("1 hour"))
      yield* Effect.ignore(
        sql.withTransaction(Effect.andThen(append("a"), Effect.fail("changed my mind"))).pipe(Effect.provide(here))
      )
      assert.isUndefined(waiting.pollUnsafe())
      yield* sql.withTransaction(append("b")).pipe(Effect.provide(here))
      yield* Fiber.join(waiting)
    }).pipe(Effect.provide(Layer.merge(engine, Layer.succeed(Signals.Signals, makeBus()))))
  )
})
