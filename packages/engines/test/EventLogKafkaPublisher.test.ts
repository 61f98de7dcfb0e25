import { assert, describe, it } from "@effect/vitest"
import { Kafka, type NewEvent } from "@sluice/engines"
import { numbered } from "@sluice/testkit/suites/eventLog"
import { Duration, Effect, Fiber, Queue } from "effect"
import type { Kafka as Client, ProducerRecord } from "kafkajs"
import * as Publisher from "../src/KafkaPublisher.ts"

interface Request {
  readonly topic: string
  readonly values: ReadonlyArray<string>
  readonly acks: number | undefined
  readonly succeed: () => void
  readonly fail: (cause: unknown) => void
}

/** A publisher whose requests are answered by the test. */
const setup = (options?: { readonly publishTimeout?: Duration.Input; readonly ensured?: (topic: string) => void }) =>
  Effect.gen(function* () {
    const requests = yield* Queue.unbounded<Request>()
    const send = ({ acks, messages, topic }: ProducerRecord) =>
      new Promise((resolve, reject) => {
        const values = messages.map((message) => String(message.value))
        Queue.offerUnsafe(requests, { topic, values, acks, succeed: () => resolve([]), fail: reject })
      })
    const client = { producer: () => ({ connect: async () => {}, disconnect: async () => {}, send }) } as unknown as Client
    const unused = () => Effect.die("not used by the publisher")
    const publish = yield* Publisher.make({
      publishTimeout: options?.publishTimeout ?? "5 seconds",
      ensureTopic: (topic) => Effect.sync(() => options?.ensured?.(topic))
    }).pipe(
      Effect.provideService(Kafka, {
        client: () => client,
        admin: unused,
        cluster: unused,
        requestTimeout: Duration.seconds(1),
        ping: Effect.void
      })
    )
    return { publish, requests }
  })

const brokerSays = (type: string, retriable: boolean) => Object.assign(new Error(type), { type, retriable })
const names = (from: number, count: number) => numbered("k", count, from).map((event) => event.value)

describe("KafkaPublisher", () => {
  it.live("what is published at one moment, or while a request is under way, travels together and in order", () =>
    Effect.gen(function* () {
      const { publish, requests } = yield* setup()
      const first = yield* Effect.forkChild(
        Effect.forEach([0, 1, 2], (i) => publish("t", numbered("k", 2, i * 2)), { concurrency: 3 })
      )
      const one = yield* Queue.take(requests)
      assert.deepStrictEqual(one.values, names(0, 6))
      const more: Array<Fiber.Fiber<void, unknown>> = []
      for (let i = 6; i < 10; i++)
        more.push(yield* Effect.forkChild(publish("t", numbered("k", 1, i)), { startImmediately: true }))
      // Another topic does not wait for this one.
      const other = yield* Effect.forkChild(publish("other", numbered("k", 1)))
      ;(yield* Queue.take(requests)).succeed()
      yield* Fiber.join(other)
      assert.strictEqual(yield* Queue.size(requests), 0)
      one.succeed()
      yield* Fiber.join(first)
      const two = yield* Queue.take(requests)
      assert.deepStrictEqual(two.values, names(6, 4))
      two.succeed()
      yield* Fiber.joinAll(more)
    })
  )

  it.live("a request that failed is sent again before anything later", () =>
    Effect.gen(function* () {
      const { publish, requests } = yield* setup()
      const first = yield* Effect.forkChild(publish("t", numbered("k", 2)))
      const one = yield* Queue.take(requests)
      const second = yield* Effect.forkChild(publish("t", numbered("k", 1, 2)), { startImmediately: true })
      one.fail(brokerSays("NOT_LEADER_FOR_PARTITION", true))
      const again = yield* Queue.take(requests)
      assert.deepStrictEqual(again.values, names(0, 2))
      again.succeed()
      yield* Fiber.join(first)
      const two = yield* Queue.take(requests)
      assert.deepStrictEqual(two.values, names(2, 1))
      two.succeed()
      yield* Fiber.join(second)
    })
  )

  it.live("is sent again for as long as somebody waits, and done when all in-sync replicas have it", () =>
    Effect.gen(function* () {
      const { publish, requests } = yield* setup()
      const done = yield* Effect.forkChild(publish("t", numbered("k", 1)))
      for (let i = 0; i < 5; i++) {
        const request = yield* Queue.take(requests)
        assert.deepStrictEqual([request.values, request.acks], [names(0, 1), -1])
        request.fail(brokerSays("NOT_ENOUGH_REPLICAS", true))
      }
      const last = yield* Queue.take(requests)
      assert.strictEqual(last.acks, -1)
      last.succeed()
      yield* Fiber.join(done)
    })
  )

  it.live("a publish larger than a request goes in several, one after the other, and is done after the last", () =>
    Effect.gen(function* () {
      const { publish, requests } = yield* setup()
      const big = "x".repeat(300_000)
      const events: ReadonlyArray<NewEvent> = [0, 1, 2, 3, 4].map((n) => ({ key: "k", value: `${n}${big}` }))
      const done = yield* Effect.forkChild(publish("t", events))
      const sizes: Array<number> = []
      for (let sent = 0; sent < events.length; ) {
        const request = yield* Queue.take(requests)
        assert.isUndefined(done.pollUnsafe())
        assert.isTrue(request.values.every((value, i) => value.startsWith(String(sent + i))))
        sent += request.values.length
        sizes.push(request.values.length)
        request.succeed()
      }
      yield* Fiber.join(done)
      assert.deepStrictEqual(sizes, [2, 2, 1])
    })
  )

  it.live("one that the broker refuses for good fails alone", () =>
    Effect.gen(function* () {
      const { publish, requests } = yield* setup()
      const good = yield* Effect.forkChild(publish("t", numbered("good", 1)))
      const bad = yield* Effect.forkChild(publish("t", numbered("bad", 1)))
      const together = yield* Queue.take(requests)
      assert.strictEqual(together.values.length, 2)
      together.fail(brokerSays("MESSAGE_TOO_LARGE", false))
      for (let i = 0; i < 2; i++) {
        const request = yield* Queue.take(requests)
        if (request.values[0] === "bad:0") request.fail(brokerSays("MESSAGE_TOO_LARGE", false))
        else request.succeed()
      }
      yield* Fiber.join(good)
      const error = yield* Effect.flip(Fiber.join(bad))
      assert.strictEqual((error.cause as Error).message, "MESSAGE_TOO_LARGE")
    })
  )

  it.live("who waited too long is told why, and what was not under way is never sent", () =>
    Effect.gen(function* () {
      const { publish, requests } = yield* setup({ publishTimeout: "200 millis" })
      const first = yield* Effect.forkChild(publish("t", numbered("k", 1)))
      const one = yield* Queue.take(requests)
      const second = yield* Effect.forkChild(publish("t", numbered("k", 1, 1)))
      assert.match(String((yield* Effect.flip(Fiber.join(first))).cause), /did not acknowledge within 200ms/)
      yield* Effect.flip(Fiber.join(second))
      // The first one's request is still out: a later publish waits for its end.
      const third = yield* Effect.forkChild(publish("t", numbered("k", 1, 2)))
      yield* Effect.yieldNow
      assert.strictEqual(yield* Queue.size(requests), 0)
      one.fail(new Error("connection closed"))
      const two = yield* Queue.take(requests)
      assert.deepStrictEqual(two.values, names(2, 1))
      two.succeed()
      yield* Fiber.join(third)
    })
  )

  it.live("a missing topic is created, then the request is sent again", () =>
    Effect.gen(function* () {
      const ensured: Array<string> = []
      const { publish, requests } = yield* setup({ ensured: (topic) => ensured.push(topic) })
      const done = yield* Effect.forkChild(publish("new", numbered("k", 1)))
      ;(yield* Queue.take(requests)).fail(brokerSays("UNKNOWN_TOPIC_OR_PARTITION", true))
      ;(yield* Queue.take(requests)).succeed()
      yield* Fiber.join(done)
      assert.deepStrictEqual(ensured, ["new"])
    })
  )
})
