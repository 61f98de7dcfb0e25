/**
 * The event log in Kafka: a topic of several partitions, a group of any number of consumers in any number of processes.
 *
 * An event's key decides its partition, by Kafka's own default, so keys keep their order as long as a topic keeps its number of
 * partitions. Publishing and consuming are told in `KafkaPublisher` and `KafkaConsumer`. A topic that is missing is created when it is
 * first published to or consumed; one that is missing when it is looked into is empty.
 */
import { Clock, Duration, Effect, Layer } from "effect"
import type { Broker, Cluster, KafkaMessage, TopicOffsets } from "kafkajs"
import { EventLog, EventLogError, type LoggedEvent } from "./EventLog.ts"
import { isType, Kafka, type KafkaError } from "./Kafka.ts"
import * as Consumer from "./KafkaConsumer.ts"
import * as Publisher from "./KafkaPublisher.ts"

export interface Options {
  /** For topics that it creates; the broker's own setting if not given. */
  readonly replicationFactor?: number | undefined
  readonly publishTimeout?: Duration.Input
  readonly sessionTimeout?: Duration.Input
  readonly rebalanceGrace?: Duration.Input
}

/** Of topics that it creates: as many consumers of a group share the work. */
const partitionsOfNew = 4

/** Left out of kafkajs's types. */
interface Leavable {
  readonly leaveGroup: (member: { readonly groupId: string; readonly memberId: string }) => Promise<unknown>
}

/** Where a group stands in a partition, and where the partition ends. */
interface Cursor {
  readonly partition: number
  readonly next: bigint
  readonly end: bigint
}

const toError = Effect.mapError(({ cause }: KafkaError) => new EventLogError({ cause }))

const offsetsOf = async (cluster: Cluster, topic: string, partitions: ReadonlyArray<number>, fromBeginning: boolean) => {
  const [found] = await cluster.fetchTopicsOffset([
    { topic, fromBeginning, partitions: partitions.map((partition) => ({ partition })) }
  ])
  return new Map(found?.partitions.map(({ offset, partition }) => [partition, BigInt(offset)]))
}

const cursors = async (cluster: Cluster, topic: string, group: string): Promise<ReadonlyArray<Cursor>> => {
  try {
    await cluster.addTargetTopic(topic)
  } catch (cause) {
    if (isType(cause, "UNKNOWN_TOPIC_OR_PARTITION")) return []
    throw cause
  }
  await cluster.refreshMetadataIfNecessary()
  const partitions = cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => partitionId)
  const coordinator = await cluster.findGroupCoordinator({ groupId: group })
  const asked = partitions.map((partition) => ({ partition, offset: "0" }))
  const { responses } = await coordinator.offsetFetch({ groupId: group, topics: [{ topic, partitions: asked }] })
  const committed = new Map(responses[0]?.partitions.map(({ offset, partition }) => [partition, BigInt(offset)]))
  const first = await offsetsOf(cluster, topic, partitions, true)
  const end = await offsetsOf(cluster, topic, partitions, false)
  return partitions.map((partition) => {
    const oldest = first.get(partition) ?? 0n
    const next = committed.get(partition) ?? -1n
    return { partition, next: next < oldest ? oldest : next, end: end.get(partition) ?? oldest }
  })
}

/** Up to `limit` events of one partition from the cursor on, read in no group. */
const read = async (cluster: Cluster, topic: string, cursor: Cursor, limit: number): Promise<ReadonlyArray<LoggedEvent>> => {
  const { end, partition } = cursor
  const [nodeId] = Object.keys(cluster.findLeaderForPartitions(topic, [partition]))
  const broker = await cluster.findBroker({ nodeId: nodeId! })
  const events: Array<LoggedEvent> = []
  for (let next = cursor.next; next < end && events.length < limit; ) {
    // A partition asked for alone gives its first batch of records whole, however small `maxBytes`.
    const maxBytes = Math.min(limit * 1024, 1 << 20)
    const asked = { partition, fetchOffset: String(next), maxBytes }
    const { responses }: Fetched = await broker.fetch({ maxWaitTime: 100, maxBytes, topics: [{ topic, partitions: [asked] }] })
    const found = responses[0]!.partitions[0]!.messages.filter(({ offset }) => BigInt(offset) >= next)
    if (found.length === 0) break
    next = BigInt(found.at(-1)!.offset) + 1n
    for (const message of found) {
      if (!message.isControlRecord && events.length < limit) events.push(Consumer.toEvent(topic, partition, message))
    }
  }
  return events
}

interface Fetched {
  readonly responses: ReadonlyArray<{
    readonly partitions: ReadonlyArray<{ readonly messages: ReadonlyArray<KafkaMessage & { readonly isControlRecord: boolean }> }>
  }>
}

/** One list of several, oldest first, that keeps the order of each. */
const merge = (lists: ReadonlyArray<ReadonlyArray<LoggedEvent>>, limit: number): ReadonlyArray<LoggedEvent> => {
  const merged: Array<LoggedEvent> = []
  const heads = lists.map(() => 0)
  while (merged.length < limit) {
    let oldest = -1
    for (const [i, list] of lists.entries()) {
      const head = list[heads[i]!]
      if (head !== undefined && (oldest < 0 || head.atMs < lists[oldest]![heads[oldest]!]!.atMs)) oldest = i
    }
    if (oldest < 0) break
    merged.push(lists[oldest]![heads[oldest]!++]!)
  }
  return merged
}

const make = Effect.fnUntraced(function* (options: Options) {
  const kafka = yield* Kafka
  const { replicationFactor = -1 } = options

  const createMissing = (topics: ReadonlyArray<string>) =>
    kafka.admin(async (admin) => {
      const existing = new Set(await admin.listTopics())
      const missing = [...new Set(topics)].filter((topic) => !existing.has(topic))
      if (missing.length === 0) return
      await admin.createTopics({ topics: missing.map((topic) => ({ topic, numPartitions: partitionsOfNew, replicationFactor })) })
    })
  /** A member that could not leave by itself would hold its partitions until its session has run out. */
  const dismiss = (groupId: string, memberId: string) =>
    kafka.cluster(async (cluster) => {
      const coordinator: Broker & Partial<Leavable> = await cluster.findGroupCoordinator({ groupId })
      await coordinator.leaveGroup?.({ groupId, memberId }).catch((cause: unknown) => {
        if (!isType(cause, "UNKNOWN_MEMBER_ID")) throw cause
      })
    })
  const ensureTopics = (topics: ReadonlyArray<string>) => toError(createMissing(topics))

  const publisher = yield* Publisher.make({
    publishTimeout: options.publishTimeout ?? "5 seconds",
    ensureTopic: (topic) => ensureTopics([topic])
  })
  const publish = Effect.fn("EventLog.publish")(publisher)

  const batches = (consumer: { readonly topic: string; readonly group: string; readonly maxBatch: number }) =>
    Consumer.batches(kafka.client, {
      ...consumer,
      sessionTimeout: Duration.fromInputUnsafe(options.sessionTimeout ?? "6 seconds"),
      rebalanceGrace: Duration.fromInputUnsafe(options.rebalanceGrace ?? "10 seconds"),
      silenceTimeout: Duration.seconds(60),
      prepare: (former) =>
        Effect.andThen(createMissing([consumer.topic]), former === undefined ? Effect.void : dismiss(consumer.group, former))
    })

  const waiting = async (cluster: Cluster, topic: string, group: string, limit: number) => {
    const behind = (await cursors(cluster, topic, group)).filter(({ end, next }) => next < end)
    return {
      count: behind.reduce((sum, { end, next }) => sum + Number(end - next), 0),
      oldest: merge(await Promise.all(behind.map((cursor) => read(cluster, topic, cursor, limit))), limit)
    }
  }

  const peek = ({ group, limit, topic }: { readonly topic: string; readonly group: string; readonly limit: number }) =>
    toError(kafka.cluster(async (cluster) => (await waiting(cluster, topic, group, limit)).oldest))

  const lag = Effect.fnUntraced(function* (topic: string, group: string) {
    const { count, oldest } = yield* kafka.cluster((cluster) => waiting(cluster, topic, group, 1))
    if (oldest[0] === undefined) return { events: count, milliseconds: 0 }
    return { events: count, milliseconds: Math.max(0, (yield* Clock.currentTimeMillis) - oldest[0].atMs) }
  }, toError)

  const commit = Effect.fnUntraced(function* (group: string, events: ReadonlyArray<LoggedEvent>) {
    const past = new Map<string, Map<number, bigint>>()
    for (const { offset, partition, topic } of events) {
      const ends = past.get(topic) ?? new Map<number, bigint>()
      const end = BigInt(offset) + 1n
      if (end > (ends.get(partition) ?? 0n)) ends.set(partition, end)
      past.set(topic, ends)
    }
    const moved = yield* toError(
      kafka.cluster(async (cluster) => {
        const topics: Array<TopicOffsets> = []
        for (const [topic, ends] of past) {
          const ahead = (await cursors(cluster, topic, group)).flatMap(({ next, partition }) => {
            const end = ends.get(partition) ?? 0n
            return end > next ? [{ partition, offset: String(end) }] : []
          })
          if (ahead.length > 0) topics.push({ topic, partitions: ahead })
        }
        if (topics.length === 0) return true
        try {
          // As nobody's member: the broker accepts it while the group has none.
          const coordinator = await cluster.findGroupCoordinator({ groupId: group })
          await coordinator.offsetCommit({ groupId: group, groupGenerationId: -1, memberId: "", topics })
          return true
        } catch (cause) {
          if (isType(cause, "UNKNOWN_MEMBER_ID")) return false
          throw cause
        }
      })
    )
    if (!moved) return yield* new EventLogError({ cause: new Error(`the group ${group} has running consumers`) })
  })

  return EventLog.of({ ensureTopics, publish, batches, peek, commit, lag })
})

export const layer = (options: Options = {}): Layer.Layer<EventLog, never, Kafka> => Layer.effect(EventLog, make(options))
