import { assert, describe, it } from "@effect/vitest"
import type { Batch } from "@sluice/engines"
import { values } from "@sluice/testkit/suites/eventLog"
import { Duration, Effect, Fiber, Queue, Schedule, Stream } from "effect"
import type { Kafka as Client, EachBatchPayload, Consumer as KafkaConsumer } from "kafkajs"
import * as Consumer from "../src/KafkaConsumer.ts"

const protocolError = (type: string) => Object.assign(new Error(type), { type })

/** A kafkajs consumer that does what the test says. */
const makeMember = () => {
  const listeners = new Map<string, (event: { readonly payload: unknown }) => void>()
  const calls: Array<string> = []
  let run: ((payload: EachBatchPayload) => Promise<void>) | undefined
  const events = { CRASH: "crash", FETCH_START: "fetch", GROUP_JOIN: "join", HEARTBEAT: "heartbeat" }
  const member = {
    calls,
    /** As kafkajs is told to run, but for the handler. */
    how: {} as { readonly autoCommit?: boolean; readonly eachBatchAutoResolve?: boolean },
    beats: 0,
    heartbeat: async (): Promise<void> => {},
    commit: async (): Promise<void> => {},
    emit: (name: keyof typeof events, payload: unknown = {}) => listeners.get(events[name])?.({ payload }),
    /** The promise of kafkajs's handler for one fetched batch. */
    fetched: (offsets: ReadonlyArray<number>) =>
      run!({
        batch: {
          partition: 3,
          messages: offsets.map((n) => ({
            offset: String(n),
            key: Buffer.from("k"),
            value: Buffer.from(`k:${n}`),
            headers: {},
            timestamp: "1"
          }))
        },
        heartbeat: () => {
          member.beats++
          return member.heartbeat()
        },
        commitOffsetsIfNecessary: async (offsets: { topics: Array<{ partitions: Array<{ offset: string }> }> }) => {
          await member.commit()
          calls.push(`commit ${offsets.topics[0]!.partitions[0]!.offset}`)
        },
        resolveOffset: (offset: string) => calls.push(`resolve ${offset}`)
      } as unknown as EachBatchPayload),
    consumer: {
      events,
      on: (name: string, listener: (event: { readonly payload: unknown }) => void) => listeners.set(name, listener),
      connect: async () => {},
      subscribe: async () => {},
      run: async ({ eachBatch, ...how }: { readonly eachBatch: typeof run; readonly autoCommit: boolean }) => {
        run = eachBatch
        Object.assign(member.how, how)
        member.emit("GROUP_JOIN", { memberId: "member" })
        member.joined()
      },
      disconnect: async () => void calls.push("disconnect")
    } as unknown as KafkaConsumer,
    joined: () => {}
  }
  return member
}

/** The stream's handler waits where `room` batches have not been taken from `handed`. */
const setupWith = (room: number) =>
  Effect.gen(function* () {
    const members = yield* Queue.unbounded<ReturnType<typeof makeMember>>()
    const client = {
      consumer: () => {
        const member = makeMember()
        member.joined = () => Queue.offerUnsafe(members, member)
        return member.consumer
      }
    } as unknown as Client
    const formers: Array<string | undefined> = []
    const stream = Consumer.batches(() => client, {
      topic: "t",
      group: "g",
      maxBatch: 2,
      sessionTimeout: Duration.millis(200),
      rebalanceGrace: Duration.millis(1000),
      silenceTimeout: Duration.millis(3000),
      prepare: (former) => Effect.sync(() => formers.push(former))
    })
    const handed = yield* Queue.bounded<Batch>(room)
    const fiber = yield* Effect.forkScoped(Stream.runForEach(stream, (batch) => Queue.offer(handed, batch)))
    return { formers, members, handed, fiber, member: yield* Queue.take(members) }
  })
const setup = setupWith(100)

const outcome = (promise: Promise<void>) =>
  Effect.promise(() =>
    promise.then(
      () => "returned",
      (error: Error) => error.message
    )
  )

const until = (holds: () => boolean) =>
  Effect.repeat(Effect.sync(holds), { until: (yes) => yes, schedule: Schedule.spaced("5 millis") })

describe("KafkaConsumer", () => {
  it.live("has what nobody committed delivered again: kafkajs commits and resolves nothing by itself", () =>
    Effect.gen(function* () {
      const { handed, member } = yield* setup
      assert.deepInclude(member.how, { autoCommit: false, eachBatchAutoResolve: false })
      member.fetched([5, 6]).catch(() => {})
      yield* Queue.take(handed)
      assert.deepStrictEqual(member.calls, [])
    })
  )

  it.live("splits what was fetched, and goes on after each commit", () =>
    Effect.gen(function* () {
      const { handed, member } = yield* setup
      const done = member.fetched([5, 6, 9])
      const first = yield* Queue.take(handed)
      assert.deepStrictEqual(values(first.events), ["k:5", "k:6"])
      assert.strictEqual(first.events[0]!.partition, 3)
      yield* first.commit
      const second = yield* Queue.take(handed)
      assert.deepStrictEqual(values(second.events), ["k:9"])
      yield* second.commit
      yield* second.commit
      assert.strictEqual(yield* outcome(done), "returned")
      assert.deepStrictEqual(member.calls, ["resolve 6", "commit 7", "resolve 9", "commit 10"])
    })
  )

  it.live("sends heartbeats for as long as the stream works", () =>
    Effect.gen(function* () {
      const { handed, member } = yield* setup
      const done = member.fetched([1])
      const batch = yield* Queue.take(handed)
      yield* until(() => member.beats > 20)
      yield* batch.commit
      assert.strictEqual(yield* outcome(done), "returned")
    })
  )

  it.live("finishes the batch in hand when the group rebalances, and no more of it", () =>
    Effect.gen(function* () {
      const { handed, member } = yield* setup
      const done = member.fetched([1, 2, 3, 4])
      const batch = yield* Queue.take(handed)
      member.heartbeat = () => Promise.reject(protocolError("REBALANCE_IN_PROGRESS"))
      yield* until(() => member.beats > 3)
      yield* batch.commit
      assert.strictEqual(yield* outcome(done), "REBALANCE_IN_PROGRESS")
      assert.deepStrictEqual(member.calls, ["commit 3", "resolve 2"])
      // Joined again, it goes on.
      member.heartbeat = () => Promise.resolve()
      member.emit("GROUP_JOIN")
      const again = member.fetched([3, 4])
      yield* (yield* Queue.take(handed)).commit
      assert.strictEqual(yield* outcome(again), "returned")
    })
  )

  it.live("keeps nothing back that the stream has not taken when the group rebalances", () =>
    Effect.gen(function* () {
      const { handed, member } = yield* setupWith(1)
      const done = [1, 2, 3].map((offset) => member.fetched([offset]))
      member.heartbeat = () => Promise.reject(protocolError("REBALANCE_IN_PROGRESS"))
      assert.strictEqual(yield* outcome(done[2]!), "REBALANCE_IN_PROGRESS")
      for (const offset of [1, 2]) {
        const batch = yield* Queue.take(handed)
        assert.deepStrictEqual(values(batch.events), [`k:${offset}`])
        yield* batch.commit
        assert.strictEqual(yield* outcome(done[offset - 1]!), "REBALANCE_IN_PROGRESS")
      }
      assert.deepStrictEqual(member.calls, ["commit 2", "resolve 1", "commit 3", "resolve 2"])
      member.heartbeat = () => Promise.resolve()
      member.emit("GROUP_JOIN", { memberId: "member" })
      void member.fetched([4])
      assert.deepStrictEqual(values((yield* Queue.take(handed)).events), ["k:4"])
    })
  )

  it.live("gives a batch up that is not finished in time, and commits it no more", () =>
    Effect.gen(function* () {
      const { handed, member } = yield* setup
      const done = member.fetched([1])
      const batch = yield* Queue.take(handed)
      member.heartbeat = () => Promise.reject(protocolError("REBALANCE_IN_PROGRESS"))
      assert.strictEqual(yield* outcome(done), "REBALANCE_IN_PROGRESS")
      yield* batch.commit
      assert.deepStrictEqual(member.calls, [])
    })
  )

  it.live("gives everything up at once when it is no member any more", () =>
    Effect.gen(function* () {
      const { handed, member } = yield* setup
      const done = [member.fetched([1]), member.fetched([2])]
      const batch = yield* Queue.take(handed)
      member.heartbeat = () => Promise.reject(protocolError("UNKNOWN_MEMBER_ID"))
      assert.strictEqual(yield* outcome(done[0]!), "UNKNOWN_MEMBER_ID")
      assert.strictEqual(yield* outcome(done[1]!), "UNKNOWN_MEMBER_ID")
      yield* batch.commit
      assert.deepStrictEqual(member.calls, [])
    })
  )

  it.live("a commit that the group refuses is quiet, and its events come again, to a new member", () =>
    Effect.gen(function* () {
      const { handed, member, members } = yield* setup
      const done = member.fetched([1, 2])
      member.commit = () => Promise.reject(protocolError("ILLEGAL_GENERATION"))
      yield* (yield* Queue.take(handed)).commit
      assert.strictEqual(yield* outcome(done), "returned")
      const next = yield* Queue.take(members)
      const again = next.fetched([1, 2])
      const batch = yield* Queue.take(handed)
      assert.deepStrictEqual(values(batch.events), ["k:1", "k:2"])
      yield* batch.commit
      assert.strictEqual(yield* outcome(again), "returned")
      assert.deepStrictEqual(next.calls, ["resolve 2", "commit 3"])
    })
  )

  it.live("the next events come while a commit is under way, and those done meanwhile are committed together", () =>
    Effect.gen(function* () {
      const { handed, member } = yield* setup
      const answers: Array<() => void> = []
      member.commit = () => new Promise<void>((resolve) => answers.push(resolve))
      const done = member.fetched([1, 2, 3, 4, 5])
      const committing: Array<Fiber.Fiber<void, unknown>> = []
      for (const expected of ["k:2", "k:4", "k:5"]) {
        const batch = yield* Queue.take(handed)
        assert.strictEqual(values(batch.events).at(-1), expected)
        committing.push(yield* Effect.forkChild(batch.commit))
        yield* until(() => answers.length === 1)
      }
      assert.strictEqual(yield* outcome(done), "returned")
      answers[0]!()
      yield* Fiber.join(committing[0]!)
      yield* until(() => answers.length === 2)
      answers[1]!()
      yield* Effect.forEach(committing, Fiber.join)
      assert.deepStrictEqual(
        member.calls.filter((call) => call.startsWith("commit")),
        ["commit 3", "commit 6"]
      )
    })
  )

  it.live("what was not committed when the group has joined anew is not committed any more", () =>
    Effect.gen(function* () {
      const { handed, member } = yield* setup
      const answers: Array<() => void> = []
      member.commit = () => new Promise<void>((resolve) => answers.push(resolve))
      void member.fetched([1, 2, 3])
      const first = yield* Effect.forkChild((yield* Queue.take(handed)).commit)
      yield* until(() => answers.length === 1)
      const second = yield* Effect.forkChild((yield* Queue.take(handed)).commit)
      yield* until(() => member.calls.includes("resolve 3"))
      member.emit("GROUP_JOIN", { memberId: "member" })
      answers[0]!()
      yield* Effect.forEach([first, second], Fiber.join)
      assert.deepStrictEqual(member.calls, ["resolve 2", "resolve 3", "commit 3"])
    })
  )

  it.live("makes the member anew when it crashed, and drops what the old one had fetched", () =>
    Effect.gen(function* () {
      const { formers, handed, member, members } = yield* setup
      const done = member.fetched([1, 2])
      const batch = yield* Queue.take(handed)
      member.emit("CRASH", { error: new Error("broker gone") })
      const next = yield* Queue.take(members)
      assert.strictEqual(yield* outcome(done), "returned")
      yield* batch.commit
      assert.deepStrictEqual(member.calls, ["disconnect"])
      const again = next.fetched([1, 2])
      yield* (yield* Queue.take(handed)).commit
      assert.strictEqual(yield* outcome(again), "returned")
      assert.deepStrictEqual(next.calls, ["resolve 2", "commit 3"])
      assert.deepStrictEqual(formers, [undefined, "member"])
    })
  )

  it.live("makes the member anew when it has fallen silent", () =>
    Effect.gen(function* () {
      const { member, members } = yield* setup
      yield* Queue.take(members)
      assert.deepStrictEqual(member.calls, ["disconnect"])
    })
  )

  it.live("fails the stream where no repetition can help", () =>
    Effect.gen(function* () {
      const { fiber, member } = yield* setup
      member.emit("CRASH", { error: protocolError("GROUP_AUTHORIZATION_FAILED") })
      const error = yield* Effect.flip(Fiber.join(fiber))
      assert.strictEqual(error._tag, "EventLogError")
    })
  )

  it.live("leaves the group when the stream ends, and hands the rest back", () =>
    Effect.gen(function* () {
      const { fiber, handed, member } = yield* setup
      const done = member.fetched([1, 2, 3])
      yield* Queue.take(handed)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* outcome(done), "returned")
      assert.deepStrictEqual(member.calls, ["disconnect"])
    })
  )
})
