/** What goes wrong between an order and its publication on MariaDB, each trap built up so that it is red without its cure. */
import { connect, createServer, type Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Issuances } from "@sluice/coupons"
import { OrderInProgress, Unavailable } from "@sluice/domain"
import { MariaDb, Migrations } from "@sluice/engines"
import { type Database, freshDatabase } from "@sluice/testkit/database"
import { liveUrl, whenLive } from "@sluice/testkit/live"
import { eventually, recorder, recordingLog, services, shop } from "@sluice/testkit/suites/ordersKit"
import { Deferred, Effect, Fiber, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import mysql from "mysql2/promise"
import { Orders, Outbox, ordersMigration, Relay } from "../src/index.ts"

const database = Effect.acquireRelease(
  Effect.promise(() => freshDatabase(liveUrl("SLUICE_MARIADB_URL"))),
  ({ drop }) => Effect.promise(drop)
)

const servicesOn = (url: string) =>
  services.pipe(
    Layer.provideMerge(
      Layer.effectDiscard(
        Migrations.run({ "0002_issuances": Issuances.issuancesMigration, "0010_orders": ordersMigration })
      ).pipe(Layer.provideMerge(MariaDb.layer({ url: Redacted.make(url) })))
    )
  )

type Services = Layer.Success<ReturnType<typeof servicesOn>>

const onMariaDb = <A, E>(test: (database: Database) => Effect.Effect<A, E, Services>) =>
  Effect.gen(function* () {
    const fresh = yield* database
    return yield* Effect.provide(test(fresh), servicesOn(fresh.url))
  }).pipe(Effect.scoped, Effect.orDie)

/** A connection that nobody else uses. */
const session = (url: string) =>
  Effect.acquireRelease(
    Effect.promise(() => mysql.createConnection({ uri: url })),
    (connection) => Effect.promise(() => connection.end().catch(() => {}))
  )

const relayTo = (record: ReturnType<typeof recorder>) =>
  Effect.forkChild(Relay.run({ lease: "1 second" }).pipe(Effect.provide(recordingLog(record))))

await whenLive(() => {
  describe("traps on MariaDB", () => {
    it.live("an event with a lower id that is committed later is published all the same", () =>
      onMariaDb(({ url }) =>
        Effect.gen(function* () {
          const { order } = yield* shop
          const orders = yield* Orders.Orders
          const record = recorder()
          const fiber = yield* relayTo(record)
          const late = yield* session(url)
          yield* Effect.promise(async () => {
            await late.query("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
            await late.beginTransaction()
            await late.query("INSERT INTO outbox (shard, event_key, payload, created_at_ms) VALUES (0, 'late', '{}', 1)")
          })
          const { orderId } = yield* orders.place(order())
          const keys = Effect.sync(() => record.published.map(({ key }) => key))
          yield* eventually("the later one", keys, (published) => published.includes(orderId))
          assert.notInclude(yield* keys, "late")
          yield* Effect.promise(() => late.commit())
          yield* eventually("the late one", keys, (published) => published.includes("late"))
          const ids = record.published.map(({ headers }) => Number(headers?.id))
          assert.isBelow(ids.at(-1)!, Math.max(...ids), "the id of the late one is the lower one")
          yield* Fiber.interrupt(fiber)
        }).pipe(Effect.scoped)
      )
    )

    it.live("orders are placed while a relay publishes, however long that takes", () =>
      onMariaDb(({ url }) =>
        Effect.gen(function* () {
          const { order } = yield* shop
          const orders = yield* Orders.Orders
          const [publishing, finish] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
          const record = recorder()
          record.delay = Effect.andThen(Deferred.succeed(publishing, undefined), Deferred.await(finish))
          yield* orders.place(order())
          const fiber = yield* Effect.forkChild(Relay.run({ lease: "20 seconds" }).pipe(Effect.provide(recordingLog(record))))
          yield* Deferred.await(publishing)
          const started = performance.now()
          for (let i = 0; i < 10; i++) yield* orders.place(order())
          assert.isBelow(performance.now() - started, 1000)
          const other = yield* session(url)
          const [unlocked] = yield* Effect.promise(() => other.query("SELECT id FROM outbox FOR UPDATE NOWAIT"))
          assert.strictEqual((unlocked as ReadonlyArray<unknown>).length, 12, "what is being published is not locked")
          yield* Deferred.succeed(finish, undefined)
          yield* eventually(
            "published",
            Effect.sync(() => record.published.length),
            (n) => n === 12
          )
          yield* Fiber.interrupt(fiber)
        }).pipe(Effect.scoped)
      )
    )

    it.live("a key whose first order is not committed yet is in progress, and holds up no other order", () =>
      onMariaDb(({ url }) =>
        Effect.gen(function* () {
          const { order, customerId } = yield* shop
          const orders = yield* Orders.Orders
          const first = yield* session(url)
          yield* Effect.promise(async () => {
            await first.beginTransaction()
            await first.query(
              "INSERT INTO order_keys (customer_id, idempotency_key, body_hash, order_id, total, created_at_ms) VALUES (?, 'k', '', 'o', 1, 1)",
              [customerId]
            )
          })
          const [same, other, none] = yield* Effect.all(
            [Effect.flip(orders.place(order(), "k")), orders.place(order(), "other"), orders.place(order())],
            { concurrency: 3 }
          )
          assert.instanceOf(same, OrderInProgress)
          assert.deepStrictEqual([other.version, none.version], [1, 1])
          yield* Effect.promise(() => first.rollback())
          assert.strictEqual((yield* orders.place(order(), "k")).total, 400)
        }).pipe(Effect.scoped)
      )
    )

    it.live("a connection that is cut at COMMIT: what is answered is what is true, and nothing is placed twice", () =>
      Effect.gen(function* () {
        const fresh = yield* database
        const proxy = yield* cuttingProxy(fresh.url)
        yield* Effect.gen(function* () {
          const { order, customerId } = yield* shop
          const orders = yield* Orders.Orders
          const sql = yield* SqlClient.SqlClient
          const count = Effect.map(
            sql<{ n: number }>`SELECT COUNT(*) AS n FROM orders WHERE customer_id = ${customerId}`,
            ([row]) => row!.n
          )
          proxy.cut("after")
          const answered = yield* orders.place(order(), "after")
          assert.strictEqual(proxy.cuts, 1)
          assert.strictEqual(yield* count, 1)
          assert.deepStrictEqual(yield* orders.place(order(), "after"), answered)
          proxy.cut("before")
          assert.instanceOf(yield* Effect.flip(orders.place(order(), "before")), Unavailable)
          assert.strictEqual(proxy.cuts, 2)
          assert.strictEqual(yield* count, 1)
          yield* orders.place(order(), "before")
          assert.strictEqual(yield* count, 2)
          proxy.cut("after")
          assert.strictEqual((yield* orders.change(answered.orderId, "paid")).version, 2)
          assert.strictEqual(proxy.cuts, 3)
          assert.strictEqual((yield* (yield* Outbox.Outbox).backlog).events, 4)
        }).pipe(Effect.provide(servicesOn(proxy.url)))
      }).pipe(Effect.scoped, Effect.orDie)
    )
  })
})

/** Stands before the server and ends a connection at a COMMIT: before the server has heard it, or after it has answered. */
const cuttingProxy = (url: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const target = new URL(url)
      const open = new Set<Socket>()
      const state = { cuts: 0, at: undefined as "before" | "after" | undefined }
      const server = createServer((client) => {
        const upstream = connect(Number(target.port), target.hostname)
        let isDeaf = false
        const end = () => {
          client.destroy()
          upstream.destroy()
        }
        for (const socket of [client, upstream]) {
          open.add(socket)
          socket.on("error", end).on("close", end)
        }
        client.on("data", (data) => {
          if (state.at !== undefined && data.includes("COMMIT")) {
            state.cuts++
            isDeaf = state.at === "after"
            state.at = undefined
            if (!isDeaf) return end()
          }
          upstream.write(data)
        })
        upstream.on("data", (data) => (isDeaf ? end() : client.write(data)))
      })
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      const through = new URL(url)
      through.port = String((server.address() as { readonly port: number }).port)
      return {
        url: through.href,
        get cuts() {
          return state.cuts
        },
        cut: (at: "before" | "after") => {
          state.at = at
        },
        close: () => {
          server.close()
          for (const socket of open) socket.destroy()
        }
      }
    }),
    ({ close }) => Effect.sync(close)
  )
