/** Kafka carries wins and orders that were acknowledged: one broker's end must not lose them. */
import { ordersTopic, winsTopic } from "@sluice/domain"
import { deadLetterTopic, EventLog, EventLogKafka, Kafka } from "@sluice/engines"
import { Effect, Layer } from "effect"
import type { KafkaSetting } from "../Settings.ts"
import { type Finding, findings, judgeRights, judgeSkew, type Refusal, type Skew, skewOf } from "./Finding.ts"
import { type Engine, ownName, takingAway, trying } from "./Trying.ts"

export interface TopicFacts {
  readonly name: string
  readonly partitions: number
  /** Of the partition that has the fewest. */
  readonly replicas: number
  readonly inSync: number
  readonly withoutLeader: number
  /** Undefined where the broker does not tell. */
  readonly minInSync: number | undefined
  readonly retentionMs: number | undefined
}

export interface KafkaFacts {
  readonly brokers: number
  /** The highest version of Fetch that the broker speaks: what tells releases apart. */
  readonly fetchVersion: number | undefined
  readonly topics: ReadonlyArray<TopicFacts>
  /** Of ours, those that are not there yet. */
  readonly missing: ReadonlyArray<string>
  /** Of the broker; undefined where it does not tell. */
  readonly autoCreate: boolean | undefined
  /** Of the settings, or else of the broker. */
  readonly defaultReplication: number | undefined
  readonly refusals: ReadonlyArray<Refusal>
  readonly skew: Skew | undefined
}

const { ok, problem, warning } = findings("kafka")

export const ourTopics = [winsTopic, ordersTopic].flatMap((topic) => [topic, deadLetterTopic(topic)])

/** As the protocol numbers what has a configuration. */
const aTopic = 2
const aBroker = 4

/** 2.1 speaks Fetch 10. */
const leastFetch = 10

export const judgeKafka = (facts: KafkaFacts): ReadonlyArray<Finding> => [
  facts.fetchVersion === undefined
    ? warning("version", "the broker does not tell which requests it knows", "look at its release yourself: 2.1 or newer")
    : facts.fetchVersion >= leastFetch
      ? ok("version", `it speaks Fetch ${facts.fetchVersion}, so it is new enough (2.1 or newer)`)
      : problem("version", `it speaks only Fetch ${facts.fetchVersion}, and is older than 2.1`, "install a newer Kafka"),
  ok("brokers", `${facts.brokers} answer`),
  ...alike(facts.topics).flatMap((topic) => judgeTopic(topic, facts.brokers)),
  ...judgeMissing(facts),
  judgeAutoCreate(facts.autoCreate),
  judgeRights(
    "kafka",
    "a topic and a group of its own",
    facts.refusals,
    "kafka-acls.sh --add --allow-principal User:<user> --operation All --topic sluice. --group sluice --resource-pattern-type prefixed"
  ),
  ...(facts.skew === undefined ? [] : [judgeSkew("kafka", facts.skew)])
]

/** Topics of which the same is true, as one with all their names. */
const alike = (topics: ReadonlyArray<TopicFacts>): ReadonlyArray<TopicFacts> => {
  const byFacts = Map.groupBy(topics, ({ name: _name, ...facts }) => JSON.stringify(facts))
  return [...byFacts.values()].map((group) => ({
    ...group[0]!,
    name: group
      .map(({ name }) => name)
      .sort()
      .join(", ")
  }))
}

const judgeTopic = (topic: TopicFacts, brokers: number): ReadonlyArray<Finding> => {
  const { inSync, minInSync, name, partitions, replicas, retentionMs, withoutLeader } = topic
  const found: Array<Finding> = []
  if (withoutLeader > 0) {
    found.push(
      problem(
        "leader",
        `${name}: ${withoutLeader} of ${partitions} partitions have no leader: nothing can be published to them`,
        `bring their brokers back; kafka-topics.sh --describe --unavailable-partitions names them`
      )
    )
  }
  const reassign = `kafka-reassign-partitions.sh, to ${Math.min(3, Math.max(brokers, 3))} replicas of each partition of ${name}`
  if (replicas >= 2)
    found.push(ok("replication", `${name}: ${replicas} replicas of ${partitions} partitions on ${brokers} brokers`))
  else if (brokers >= 2) {
    found.push(
      problem(
        "replication",
        `${name}: one replica on ${brokers} brokers, and the loss of one broker loses events that were acknowledged`,
        reassign
      )
    )
  } else {
    found.push(
      warning(
        "replication",
        `${name}: one replica on one broker, and the loss of its disk loses events that were acknowledged`,
        `add brokers, then ${reassign}`
      )
    )
  }
  if (inSync < replicas) {
    found.push(
      warning(
        "in sync",
        `${name}: only ${inSync} of ${replicas} replicas are in sync`,
        `kafka-topics.sh --describe --under-replicated-partitions; bring the missing brokers back`
      )
    )
  }
  found.push(...judgeMinInSync(topic, minInSync))
  if (retentionMs !== undefined && retentionMs >= 0 && retentionMs < 86_400_000) {
    found.push(
      warning(
        "retention",
        `${name}: events are deleted after ${Math.round(retentionMs / 60_000)} min, also those that no consumer has read`,
        alter(name, "retention.ms=604800000")
      )
    )
  }
  return found
}

const alter = (topic: string, config: string) =>
  `for topic in ${topic.replaceAll(",", "")}; do kafka-configs.sh --alter --entity-type topics --entity-name $topic --add-config ${config}; done`

const judgeMinInSync = ({ name, replicas }: TopicFacts, minInSync: number | undefined): ReadonlyArray<Finding> => {
  const check = "min.insync.replicas"
  if (minInSync === undefined) {
    return [warning(check, `${name}: the broker does not tell`, "allow DescribeConfigs on the topic, or look at it yourself")]
  }
  if (minInSync > replicas) {
    return [
      problem(
        check,
        `${name}: ${minInSync} of ${replicas} replicas, so nothing can be published`,
        alter(name, `min.insync.replicas=${Math.max(1, replicas - 1)}`)
      )
    ]
  }
  if (replicas === 1) return [ok(check, `${name}: ${minInSync}, as there is one replica`)]
  if (minInSync === 1) {
    return [
      warning(
        check,
        `${name}: 1, so an event counts as acknowledged when one broker has it, and is lost with that broker`,
        alter(name, "min.insync.replicas=2")
      )
    ]
  }
  return minInSync === replicas
    ? [
        warning(
          check,
          `${name}: ${minInSync} of ${replicas} replicas, so nothing can be published while one broker is away`,
          alter(name, `min.insync.replicas=${replicas - 1}`)
        )
      ]
    : [ok(check, `${name}: ${minInSync} of ${replicas} replicas have what is acknowledged`)]
}

const judgeMissing = ({ brokers, defaultReplication, missing }: KafkaFacts): ReadonlyArray<Finding> => {
  if (missing.length === 0) return []
  const made = `${missing.join(", ")} will be made at the first start`
  return defaultReplication === 1 && brokers > 1
    ? [
        problem(
          "topics",
          `${made}, with one replica on ${brokers} brokers`,
          `SLUICE_KAFKA_REPLICATION=${Math.min(3, brokers)}, or make them before with kafka-topics.sh --create`
        )
      ]
    : [ok("topics", made)]
}

const judgeAutoCreate = (autoCreate: boolean | undefined): Finding =>
  autoCreate === true
    ? warning(
        "auto.create.topics.enable",
        "true: a misspelt topic is made without a word, with the broker's number of partitions",
        "auto.create.topics.enable=false in server.properties; Sluice makes its own topics"
      )
    : ok("auto.create.topics.enable", autoCreate === undefined ? "not told by the broker" : "false: Sluice makes its own topics")

interface Config {
  readonly configName: string
  readonly configValue: string
}

const number = (configs: ReadonlyArray<Config>, name: string): number | undefined => {
  const value = configs.find(({ configName }) => configName === name)?.configValue
  return value === undefined ? undefined : Number(value)
}

const factsOf = Effect.fnUntraced(function* (replicationFactor: number | undefined) {
  const kafka = yield* Kafka
  const { brokers } = yield* kafka.admin((admin) => admin.describeCluster())
  const there = new Set(yield* kafka.admin((admin) => admin.listTopics()))
  const named = ourTopics.filter((topic) => there.has(topic))
  const told = <A, E>(effect: Effect.Effect<A, E>) => Effect.orElseSucceed(effect, () => undefined)
  const metadata = yield* kafka.admin((admin) => admin.fetchTopicMetadata({ topics: named }))
  const configs = yield* told(
    kafka.admin((admin) =>
      admin.describeConfigs({
        includeSynonyms: false,
        resources: [...named.map((name) => ({ type: aTopic, name })), { type: aBroker, name: String(brokers[0]?.nodeId ?? 0) }]
      })
    )
  )
  const configOf = (type: number, name?: string): ReadonlyArray<Config> =>
    configs?.resources.find(
      (resource) => resource.resourceType === type && (name === undefined || resource.resourceName === name)
    )?.configEntries ?? []
  const versions = yield* told(
    kafka.cluster(async (cluster) => {
      await cluster.refreshMetadata()
      const broker = await cluster.findControllerBroker()
      return (broker as unknown as { readonly versions: Record<number, { readonly maxVersion: number }> }).versions
    })
  )
  const broker = configOf(aBroker)
  const autoCreate = broker.find(({ configName }) => configName === "auto.create.topics.enable")?.configValue
  const facts: KafkaFacts = {
    brokers: brokers.length,
    fetchVersion: versions?.[1]?.maxVersion,
    topics: metadata.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.length,
      replicas: Math.min(...partitions.map(({ replicas }) => replicas.length)),
      inSync: Math.min(...partitions.map(({ isr }) => isr.length)),
      withoutLeader: partitions.filter(({ leader }) => leader < 0).length,
      minInSync: number(configOf(aTopic, name), "min.insync.replicas"),
      retentionMs: number(configOf(aTopic, name), "retention.ms")
    })),
    missing: ourTopics.filter((topic) => !there.has(topic)),
    autoCreate: autoCreate === undefined ? undefined : autoCreate === "true",
    defaultReplication: replicationFactor ?? number(broker, "default.replication.factor"),
    ...(yield* tryRights)
  }
  return facts
})

/** A topic that is stamped by the broker's clock, so that one event tells both the rights and the time. */
const tryRights = Effect.gen(function* () {
  const kafka = yield* Kafka
  const log = yield* EventLog
  const { refusals, step } = trying()
  const topic = ownName().replaceAll("_", ".")
  const stamped = { name: "message.timestamp.type", value: "LogAppendTime" }
  const skew = yield* Effect.gen(function* () {
    const made = yield* step(
      "create a topic",
      kafka.admin((admin) =>
        admin.createTopics({
          waitForLeaders: true,
          topics: [{ topic, numPartitions: 1, replicationFactor: -1, configEntries: [stamped] }]
        })
      )
    )
    if (made === undefined) return undefined
    const skew = yield* step("publish", Effect.tryPromise({ try: () => publish(kafka, topic), catch: (cause) => cause }))
    const events = yield* step("read", log.peek({ group: topic, topic, limit: 1 }))
    if (events !== undefined) yield* step("commit for a group", log.commit(topic, events))
    yield* step("look at a group", log.lag(topic, topic))
    yield* step(
      "delete the group",
      kafka.admin((admin) => admin.deleteGroups([topic]))
    )
    return skew
  }).pipe(Effect.ensuring(takingAway(kafka.admin((admin) => admin.deleteTopics({ topics: [topic], timeout: 5000 })))))
  return { refusals, skew }
})

const publish = async (kafka: Kafka["Service"], topic: string): Promise<Skew | undefined> => {
  const producer = kafka.client().producer({ allowAutoTopicCreation: false })
  await producer.connect()
  try {
    await producer.send({ topic, acks: -1, messages: [{ key: "a", value: "b" }] })
    const asked = Date.now()
    const [sent] = await producer.send({ topic, acks: -1, messages: [{ key: "a", value: "b" }] })
    const stamp = Number(sent?.logAppendTime ?? -1)
    return stamp > 0 ? skewOf(stamp, asked, Date.now()) : undefined
  } finally {
    await producer.disconnect()
  }
}

export const kafkaEngine = (kafka: KafkaSetting): Engine => ({
  about: "kafka",
  address: kafka.brokers.join(","),
  setting: "SLUICE_KAFKA_BROKERS",
  userSetting: "SLUICE_KAFKA_SASL",
  examine: factsOf(kafka.replicationFactor).pipe(
    Effect.map(judgeKafka),
    Effect.provide(EventLogKafka.layer().pipe(Layer.provideMerge(Kafka.layer(kafka))))
  )
})
