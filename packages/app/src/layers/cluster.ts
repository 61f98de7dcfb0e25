/** Each port on its own servers: MariaDB, Redis, Kafka, MongoDB. Any number of processes, none of them special. */

import { ordersTopic, winsTopic } from "@sluice/domain"
import { deadLetterTopic, EventLog, EventLogKafka, Kafka, MariaDb, MongoDb, Redis, SignalsRedis } from "@sluice/engines"
import { OrderViews, OrderViewsMongoDb, OrderViewsSql } from "@sluice/orders"
import { JoinTraces, WaitingRoom, WaitingRoomRedis } from "@sluice/waiting-room"
import { Effect, Layer, Redacted, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import type { ClusterUrls, Settings } from "../Settings.ts"
import { named } from "../StartError.ts"
import { layerHealth } from "./health.ts"
import { migrate } from "./migrations.ts"
import * as Reach from "./Reach.ts"

/** Nobody needs the order view but readers of orders, who are told when it is away. */
const health = (orderView: Settings["orderView"]) =>
  layerHealth(
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const room = yield* WaitingRoom
      const kafka = yield* Kafka
      const views = yield* OrderViews.OrderViews
      return {
        mariadb: sql`SELECT 1`,
        redis: room.ping,
        kafka: kafka.ping,
        ...(orderView === "mongodb" ? { mongodb: views.ping } : {})
      }
    }),
    ["kafka", "mongodb"]
  )

const patiently = Schedule.min([Schedule.exponential("200 millis"), Schedule.spaced("5 seconds")]).pipe(Schedule.jittered)

/** A log that is away keeps nobody from starting: what can't be published waits in the database or the room. */
const topics = Layer.effectDiscard(
  EventLog.use((log) => log.ensureTopics([winsTopic, ordersTopic].flatMap((topic) => [topic, deadLetterTopic(topic)]))).pipe(
    Effect.tapError(() => Effect.logWarning("Kafka is away; its topics are made when it is back")),
    Effect.retry(patiently),
    Effect.forkScoped
  )
)

const shown = (url: Redacted.Redacted) => Reach.withoutSecrets(Redacted.value(url))

export const layer = (urls: ClusterUrls, orderView: Settings["orderView"], isTraced = false) => {
  const log = topics.pipe(Layer.provideMerge(EventLogKafka.layer(urls.kafka)), Layer.provideMerge(Kafka.layer(urls.kafka)))
  const room = Layer.mergeAll(WaitingRoomRedis.layer, SignalsRedis.layer, isTraced ? JoinTraces.layerRedis : Layer.empty).pipe(
    Layer.provide(Redis.layer({ urls: urls.redis })),
    named(`SLUICE_REDIS_URL (${urls.redis.map(shown).join(",")})`)
  )
  const sql = migrate().pipe(
    Layer.provideMerge(MariaDb.layer({ url: urls.mariadb, maxConnections: 20 })),
    named(`SLUICE_MARIADB_URL (${shown(urls.mariadb)})`)
  )
  const views =
    orderView === "mongodb"
      ? OrderViewsMongoDb.layer().pipe(
          Layer.provide(MongoDb.layer({ url: urls.mongodb })),
          named(`SLUICE_MONGODB_URL (${shown(urls.mongodb)})`)
        )
      : OrderViewsSql.layer.pipe(Layer.provide(sql))
  return health(orderView).pipe(
    Layer.provideMerge(Layer.mergeAll(log, room, sql, views)),
    Layer.provide(Layer.effectDiscard(Reach.check(urls, orderView)))
  )
}
