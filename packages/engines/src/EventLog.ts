/**
 * An ordered, durable log of events: published in batches, consumed in batches by groups.
 *
 * What every layer keeps:
 * - a publish that succeeded is durable and will be delivered; one that failed may or may not have been, so it can be sent again;
 * - events of one key are delivered in the order in which they were published; one that is delivered again may come late, never early;
 * - delivery is at least once: what a group has not committed when its consumer dies is delivered again, to any consumer of the group;
 * - a batch holds consecutive events of one partition; the next batch of a partition comes only when `commit` of the one before has begun.
 * It does not promise exactly once, nor order between keys: consumers are idempotent.
 */
import { Context, type Effect, Schema, type Stream } from "effect"

export interface NewEvent {
  readonly key: string
  readonly value: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface LoggedEvent {
  readonly topic: string
  readonly partition: number
  /** Position in the partition, as decimal digits: it may exceed 2^53. */
  readonly offset: string
  readonly key: string
  readonly value: string
  readonly headers: Readonly<Record<string, string>>
  readonly atMs: number
}

export interface Batch {
  readonly events: ReadonlyArray<LoggedEvent>
  /** Marks these events as done for the group. Without it they are delivered again; so they are, if the group took them away meanwhile. */
  readonly commit: Effect.Effect<void, EventLogError>
}

export interface Lag {
  /** Events published and not yet committed by the group. */
  readonly events: number
  /** Age of the oldest of them; 0 when there is none. */
  readonly milliseconds: number
}

export class EventLogError extends Schema.TaggedError<EventLogError>()("EventLogError", { cause: Schema.Defect() }) {}

export class EventLog extends Context.Service<
  EventLog,
  {
    /** Creates what is missing of the topics; harmless when run by many at once. */
    readonly ensureTopics: (topics: ReadonlyArray<string>) => Effect.Effect<void, EventLogError>
    /** Durable when it succeeds. */
    readonly publish: (topic: string, events: ReadonlyArray<NewEvent>) => Effect.Effect<void, EventLogError>
    /** Joins the group for as long as the stream runs. A lost connection is taken up again; only what can't heal fails the stream. */
    readonly batches: (options: {
      readonly topic: string
      readonly group: string
      readonly maxBatch: number
    }) => Stream.Stream<Batch, EventLogError>
    /** The events that the group has not committed, oldest first, without joining it or moving it. */
    readonly peek: (options: {
      readonly topic: string
      readonly group: string
      readonly limit: number
    }) => Effect.Effect<ReadonlyArray<LoggedEvent>, EventLogError>
    /** Moves a group that has no running consumer past these events. */
    readonly commit: (group: string, events: ReadonlyArray<LoggedEvent>) => Effect.Effect<void, EventLogError>
    readonly lag: (topic: string, group: string) => Effect.Effect<Lag, EventLogError>
  }
>()("sluice/EventLog") {}
