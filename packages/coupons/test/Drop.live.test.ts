import { winsTopic } from "@sluice/domain"
import { deadLetterTopic, EventLog, EventLogKafka, Kafka, MariaDb, Migrations, Redis } from "@sluice/engines"
import { liveUrl, whenLive } from "@sluice/testkit/live"
import { dropSuite } from "@sluice/testkit/suites/drop"
import { WaitingRoomRedis } from "@sluice/waiting-room"
import { Effect, Layer, Redacted } from "effect"
import { Campaigns, Issuances } from "../src/index.ts"

await whenLive(() => {
  const redis = Redis.layer({ urls: [Redacted.make(liveUrl("SLUICE_REDIS_URL"))] })
  const engines = Layer.mergeAll(
    WaitingRoomRedis.layer.pipe(Layer.provideMerge(redis)),
    Layer.effectDiscard(EventLog.use((log) => log.ensureTopics([winsTopic, deadLetterTopic(winsTopic)]))).pipe(
      Layer.provideMerge(EventLogKafka.layer()),
      Layer.provide(Kafka.layer({ brokers: liveUrl("SLUICE_KAFKA_BROKERS").split(",") }))
    ),
    Layer.effectDiscard(
      Migrations.run({ "0001_campaigns": Campaigns.campaignsMigration, "0002_issuances": Issuances.issuancesMigration })
    ).pipe(Layer.provideMerge(MariaDb.layer({ url: Redacted.make(liveUrl("SLUICE_MARIADB_URL")) })))
  )

  dropSuite("MariaDB, Redis and Kafka", engines, (id) =>
    Effect.gen(function* () {
      const { call } = yield* Redis
      const keys = ["c", "w", "s", "u", "d", "f"].map((part) => `sluice:{${id}}:${part}`)
      yield* call("DEL", ...keys)
    }).pipe(Effect.provide(redis))
  )
})
