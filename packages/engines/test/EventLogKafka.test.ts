import { createServer, type Server, type Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { EventLog, EventLogKafka, Kafka, type NewEvent } from "@sluice/engines"
import { Effect, Fiber, Layer, Stream } from "effect"

describe("Kafka that is away", () => {
  const listening = (onConnection: (socket: Socket) => void) =>
    Effect.acquireRelease(
      Effect.callback<{ readonly server: Server; readonly sockets: Set<Socket> }>((resume) => {
        const sockets = new Set<Socket>()
        const server = createServer((socket) => {
          sockets.add(socket)
          socket.on("error", () => {})
          onConnection(socket)
        }).listen(0, "127.0.0.1", () => resume(Effect.succeed({ server, sockets })))
      }),
      ({ server, sockets }) =>
        Effect.sync(() => {
          for (const socket of sockets) socket.destroy()
          server.close()
        })
    ).pipe(Effect.map(({ server }) => (server.address() as { readonly port: number }).port))

  const closedPort = Effect.scoped(listening(() => {}))

  const unhandled = Effect.acquireRelease(
    Effect.sync(() => {
      const seen: Array<unknown> = []
      const listener = (event: unknown) => seen.push(event)
      process.on("unhandledRejection", listener)
      process.on("warning", listener)
      return { seen, listener }
    }),
    ({ listener }) =>
      Effect.sync(() => {
        process.off("unhandledRejection", listener)
        process.off("warning", listener)
      })
  ).pipe(Effect.map(({ seen }) => seen))

  const kinds = {
    "refuses connections": closedPort,
    "accepts and says nothing": listening(() => {}),
    "hangs up": listening((socket) => socket.destroy())
  }
  for (const [kind, port] of Object.entries(kinds)) {
    it.live(`the layer builds, calls fail in time, nothing ends the process, where it ${kind}`, () =>
      Effect.gen(function* () {
        const seen = yield* unhandled
        const kafka = Kafka.layer({
          brokers: [`127.0.0.1:${yield* port}`],
          connectionTimeout: "500 millis",
          requestTimeout: "1 second"
        })
        const started = Date.now()
        yield* Effect.gen(function* () {
          const log = yield* EventLog
          const event: NewEvent = { key: "k", value: "v" }
          const answers = yield* Effect.all(
            [
              Effect.flip((yield* Kafka).ping),
              Effect.flip(log.publish("t", [event])),
              Effect.flip(log.lag("t", "g")),
              Effect.flip(log.peek({ topic: "t", group: "g", limit: 1 })),
              Effect.flip(log.ensureTopics(["t"]))
            ],
            { concurrency: "unbounded" }
          )
          assert.deepStrictEqual(
            answers.map((error) => error._tag),
            ["KafkaError", "EventLogError", "EventLogError", "EventLogError", "EventLogError"]
          )
          assert.isBelow(Date.now() - started, 3500)
          const consumer = yield* Effect.forkChild(Stream.runDrain(log.batches({ topic: "t", group: "g", maxBatch: 1 })))
          const ended = yield* Effect.timeoutOption(Fiber.await(consumer), "1 second")
          assert.strictEqual(ended._tag, "None", "a consumer waits for Kafka to come back")
          yield* Fiber.interrupt(consumer)
        }).pipe(Effect.provide(EventLogKafka.layer({ publishTimeout: "1 second" }).pipe(Layer.provideMerge(kafka))))
        assert.isBelow(Date.now() - started, 12_000)
        assert.deepStrictEqual(seen, [])
      })
    )
  }
})
