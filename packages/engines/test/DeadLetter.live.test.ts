import { assert, describe, it } from "@effect/vitest"
import { deadLetterTopic, EventLog, EventLogKafka, isCut, Kafka, setAside } from "@sluice/engines"
import { isLive, liveUrl } from "@sluice/testkit/live"
import { consume, freshTopic } from "@sluice/testkit/suites/eventLog"
import { Effect, Layer } from "effect"
import { Kafka as Client, CompressionTypes, logLevel } from "kafkajs"

const brokers = () => liveUrl("SLUICE_KAFKA_BROKERS").split(",")
const log = Layer.unwrap(Effect.sync(() => EventLogKafka.layer().pipe(Layer.provide(Kafka.layer({ brokers: brokers() })))))

/** As anybody may who can write to the topic: small on the way, large when it is read. */
const sendCompressed = async (topic: string, value: string) => {
  const producer = new Client({ brokers: brokers(), logLevel: logLevel.NOTHING }).producer()
  await producer.connect()
  await producer.send({ topic, compression: CompressionTypes.GZIP, messages: [{ key: "k", value, headers: { big: value } }] })
  await producer.disconnect()
}

describe.runIf(isLive())("a dead letter in Kafka", () => {
  it.live("of an event that is larger than the log takes is kept in part, and says so", () =>
    Effect.gen(function* () {
      const topic = yield* freshTopic
      const events = yield* EventLog
      yield* events.ensureTopics([topic, deadLetterTopic(topic)])
      yield* Effect.promise(() => sendCompressed(topic, "x".repeat(2_000_000)))
      const [poison] = yield* consume({ topic, group: "g" }, (got) => got.length === 1)
      assert.strictEqual(poison!.value.length, 2_000_000)
      yield* setAside(events, poison!, { reason: "nonsense", attempts: 1 })
      const [letter] = yield* events.peek({ topic: deadLetterTopic(topic), group: "g", limit: 10 })
      assert.isTrue(isCut(letter!))
      assert.strictEqual(letter!.value, "x".repeat(2000))
      assert.deepInclude(letter!.headers, { reason: "nonsense", "cut-from-bytes": "2000000", "origin-offset": poison!.offset })
      assert.notProperty(letter!.headers, "big")
    }).pipe(Effect.provide(log))
  )
})
