/** Orders in processes that die at every named point, and without Kafka: each one that was answered is there, and published. */
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join as path } from "node:path"
import { ordersTopic } from "@sluice/domain"
import { type Database, freshDatabase } from "@sluice/testkit/database"
import { clusterEnv, isLive, liveUrl } from "@sluice/testkit/live"
import { call, eventually, freePort, type SluiceProcess, startSluice, stopAll } from "@sluice/testkit/processes"
import { Kafka, logLevel } from "kafkajs"
import mysql from "mysql2/promise"
import { afterEach, assert, describe, it } from "vitest"

afterEach(stopAll)

const start = (database: Database, roles: string, env: Record<string, string> = {}) =>
  startSluice({
    args: ["serve", "--roles", roles],
    env: {
      ...clusterEnv(),
      SLUICE_MARIADB_URL: database.url,
      SLUICE_DATA_DIR: mkdtempSync(path(tmpdir(), "sluice-e2e-")),
      ...env
    }
  })

const withDatabase = async (use: (database: Database, query: <A>(sql: string) => Promise<ReadonlyArray<A>>) => Promise<void>) => {
  const database = await freshDatabase(liveUrl("SLUICE_MARIADB_URL"))
  const connection = await mysql.createConnection({ uri: database.url })
  try {
    await use(database, async <A>(sql: string) => (await connection.query(sql))[0] as unknown as ReadonlyArray<A>)
  } finally {
    await stopAll()
    await connection.end()
    await database.drop()
  }
}

/** The orders that reach the topic from now on, with the versions in which they came. */
const listen = async () => {
  const kafka = new Kafka({ brokers: liveUrl("SLUICE_KAFKA_BROKERS").split(","), logLevel: logLevel.NOTHING })
  const admin = kafka.admin()
  await admin.connect()
  const topics = await admin.listTopics()
  if (!topics.includes(ordersTopic)) await admin.createTopics({ topics: [{ topic: ordersTopic, numPartitions: 4 }] })
  const ends = await admin.fetchTopicOffsets(ordersTopic)
  await admin.disconnect()
  const seen = new Map<string, Array<number>>()
  const consumer = kafka.consumer({ groupId: `orders-write-${Date.now()}-${Math.random()}`, maxWaitTimeInMs: 100 })
  await consumer.connect()
  await consumer.subscribe({ topic: ordersTopic, fromBeginning: true })
  await consumer.run({
    eachMessage: async ({ message }) => {
      const event = JSON.parse(message.value!.toString())
      assert.match(message.headers!.id!.toString(), /^\d+$/)
      if (event.type === "OrderChanged") {
        seen.set(event.order.orderId, [...(seen.get(event.order.orderId) ?? []), event.order.version])
      }
    }
  })
  for (const { offset, partition } of ends) consumer.seek({ topic: ordersTopic, partition, offset })
  return { seen, stop: () => consumer.disconnect() }
}

const address = { street: "1 High Street", city: "Town", zipcode: "12345" }

const stock = async (url: string) => {
  await call(`${url}/customers/c1`, "PUT", { name: "Ada", level: "gold", address }, true)
  await call(`${url}/products/p1`, "PUT", { name: "Tea", category: "tea", price: 125 }, true)
}

interface Placed {
  readonly orderId: string
  readonly total: number
}

const place = async (url: string, key: string, quantity: number) => {
  const answer = await fetch(`${url}/orders`, {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": key },
    body: JSON.stringify({ customerId: "c1", lines: [{ productId: "p1", quantity }] }),
    signal: AbortSignal.timeout(10_000)
  })
  return { status: answer.status, body: (await answer.json()) as Placed }
}

const size = 40

describe.runIf(isLive())("orders on real servers", () => {
  for (const point of ["orders.inserted", "orders.committed", "relay.leased", "relay.published", "relay.marked"]) {
    it(`a process that dies at ${point}: every order that was answered is in MariaDB once, and published`, () =>
      withDatabase(async (database, query) => {
        const { seen, stop } = await listen()
        let sluice: SluiceProcess = await start(database, "gateway,relay", { SLUICE_CRASH_AT: `${point}:4` })
        const died = sluice.ended
        await stock(sluice.url)
        const answered = new Map<string, Placed>()
        for (let i = 0; i < size; i++) {
          const key = `key-${i}`
          while (!answered.has(key)) {
            try {
              const { body, status } = await place(sluice.url, key, i + 1)
              assert.strictEqual(status, 201)
              assert.strictEqual(body.total, (i + 1) * 125)
              answered.set(key, body)
            } catch (cause) {
              if (sluice.child.signalCode === null && !(cause instanceof TypeError)) throw cause
              sluice = await start(database, "gateway,relay")
            }
          }
        }
        assert.strictEqual(await died, "SIGKILL")
        if (sluice.child.signalCode !== null) sluice = await start(database, "gateway,relay")
        for (const [key, { orderId, total }] of answered) {
          const again = await place(sluice.url, key, Number(key.slice(4)) + 1)
          assert.deepStrictEqual([again.status, again.body.orderId, again.body.total], [201, orderId, total])
        }
        const rows = await query<{ id: string; total: number }>("SELECT id, total FROM orders")
        assert.deepStrictEqual(
          new Map(rows.map(({ id, total }) => [id, total])),
          new Map([...answered.values()].map(({ orderId, total }) => [orderId, total]))
        )
        await eventually("published", async () => [...answered.values()].every(({ orderId }) => seen.get(orderId)?.[0] === 1))
        await eventually("the outbox is empty", async () => (await query("SELECT id FROM outbox")).length === 0)
        await stop()
      }))
  }

  it("without Kafka and MongoDB from the start, 300 orders are taken; a relay of another process publishes them", () =>
    withDatabase(async (database, query) => {
      const { seen, stop } = await listen()
      const gateway = await start(database, "gateway,relay", {
        SLUICE_KAFKA_BROKERS: `127.0.0.1:${await freePort()}`,
        SLUICE_MONGODB_URL: `mongodb://127.0.0.1:${await freePort()}/sluice?replicaSet=rs0`
      })
      await stock(gateway.url)
      const orders = await Promise.all(Array.from({ length: 300 }, (_, i) => place(gateway.url, `key-${i}`, 1)))
      assert.deepStrictEqual([...new Set(orders.map(({ status }) => status))], [201])
      const paid = await Promise.all(
        orders.slice(0, 30).map(({ body }) => call(`${gateway.url}/orders/${body.orderId}/pay`, "POST"))
      )
      assert.deepStrictEqual([...new Set(paid.map(({ status }) => status))], [200])
      assert.strictEqual((await query("SELECT id FROM outbox WHERE published_at_ms IS NULL")).length, 331)
      await start(database, "relay")
      await eventually("published", async () =>
        orders.every(({ body }, i) => seen.get(body.orderId)?.join() === (i < 30 ? "1,2" : "1"))
      )
      await eventually("the outbox is empty", async () => (await query("SELECT id FROM outbox")).length === 0)
      assert.strictEqual(await gateway.kill("SIGTERM"), 0, gateway.output())
      await stop()
    }))
})
