/**
 * A connection to MongoDB, a replica set or a single node.
 *
 * It is opened at the first call, so that what does not need MongoDB starts and works without it, and taken up again by itself. A call
 * fails within about `serverSelectionTimeout` where no server can be reached, within twice that where one has gone silent, and within
 * `callTimeout` in any case: the driver may wait for ever for a call that was under way when its server was killed. What was written
 * successfully is on a majority of the nodes.
 */
import { Context, Duration, Effect, Exit, Layer, Redacted, Schema, type Scope } from "effect"
import { type Db, MongoClient, MongoServerError } from "mongodb"
import * as EngineMetrics from "./EngineMetrics.ts"

export interface MongoDbConfig {
  /** `mongodb://user:password@host:port/database?replicaSet=name` */
  readonly url: Redacted.Redacted
  readonly serverSelectionTimeout?: Duration.Input
  /** What takes longer fails, and may still happen. */
  readonly callTimeout?: Duration.Input
  readonly maxConnections?: number
}

export class MongoDbError extends Schema.TaggedError<MongoDbError>()("MongoDbError", { cause: Schema.Defect() }) {}

export class MongoDb extends Context.Service<
  MongoDb,
  {
    readonly client: MongoClient
    readonly db: Db
    readonly run: <A>(f: (db: Db) => Promise<A>) => Effect.Effect<A, MongoDbError>
    /** As `run`, without a fiber: `done` is called once, unless the call was given up before, with what this returns. */
    readonly runUnsafe: <A>(f: (db: Db) => Promise<A>, done: (exit: Exit.Exit<A, MongoDbError>) => void) => () => void
    readonly ping: Effect.Effect<void, MongoDbError>
  }
>()("sluice/MongoDb") {
  static readonly layer = (options: MongoDbConfig): Layer.Layer<MongoDb, MongoDbError> => Layer.effect(MongoDb, make(options))
}

class LateError extends Error {}

/** A duplicate key is an answer. */
const countFailure = (cause: unknown) => {
  const { code, name } = cause as { readonly code?: unknown; readonly name?: string }
  if (code === 11000) return
  const isLate = cause instanceof LateError || /Timeout/.test(name ?? "")
  EngineMetrics.countFailure("mongodb", cause instanceof MongoServerError ? "refused" : isLate ? "timeout" : "connection")
}

const make = (options: MongoDbConfig): Effect.Effect<MongoDb["Service"], MongoDbError, Scope.Scope> =>
  Effect.gen(function* () {
    const timeoutMs = Duration.toMillis(Duration.fromInputUnsafe(options.serverSelectionTimeout ?? "2 seconds"))
    const callTimeout = Duration.fromInputUnsafe(options.callTimeout ?? "10 seconds")
    const client = yield* Effect.acquireRelease(
      Effect.try({
        try: () =>
          new MongoClient(Redacted.value(options.url), {
            appName: "sluice",
            serverSelectionTimeoutMS: timeoutMs,
            connectTimeoutMS: timeoutMs,
            waitQueueTimeoutMS: timeoutMs,
            heartbeatFrequencyMS: timeoutMs,
            maxPoolSize: options.maxConnections ?? 20,
            writeConcern: { w: "majority" },
            retryWrites: true,
            retryReads: true
          }),
        // The driver's own error may carry the URL, and with it the password; its message does not.
        catch: (cause) => new MongoDbError({ cause: new Error(`not a MongoDB URL: ${(cause as Error).message}`) })
      }),
      (opened) => Effect.promise(() => opened.close().catch(() => {}))
    )
    const db = client.db()
    const callTimeoutMs = Duration.toMillis(callTimeout)
    yield* EngineMetrics.show("mongodb")
    client.on("connectionPoolCleared", () => EngineMetrics.countRetry("mongodb", "connect"))
    const runUnsafe: MongoDb["Service"]["runUnsafe"] = (f, done) => {
      let isOver = false
      const stop = () => {
        isOver = true
        clearTimeout(timer)
      }
      const give = (exit: Parameters<typeof done>[0]) => {
        if (isOver) return
        stop()
        done(exit)
      }
      const fail = (cause: unknown) => {
        if (isOver) return
        countFailure(cause)
        give(Exit.fail(new MongoDbError({ cause })))
      }
      const timer = setTimeout(() => fail(new LateError(`no answer within ${Duration.format(callTimeout)}`)), callTimeoutMs)
      try {
        f(db).then((answer) => give(Exit.succeed(answer)), fail)
      } catch (cause) {
        fail(cause)
      }
      return stop
    }
    const run = <A>(f: (db: Db) => Promise<A>) => Effect.callback<A, MongoDbError>((resume) => Effect.sync(runUnsafe(f, resume)))
    return { client, db, run, runUnsafe, ping: Effect.asVoid(run((opened) => opened.command({ ping: 1 }))) }
  })
