/**
 * A connection to MongoDB, a replica set or a single node.
 *
 * It is opened at the first call, so that what does not need MongoDB starts and works without it, and taken up again by itself. A call
 * fails within about `serverSelectionTimeout` where no server can be reached, within twice that where one has gone silent, and within
 * `callTimeout` in any case: the driver may wait for ever for a call that was under way when its server was killed. What was written
 * successfully is on a majority of the nodes.
 */
import { Context, Duration, Effect, Layer, Redacted, Schema, type Scope } from "effect"
import { type Db, MongoClient } from "mongodb"

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
    readonly ping: Effect.Effect<void, MongoDbError>
  }
>()("sluice/MongoDb") {
  static readonly layer = (options: MongoDbConfig): Layer.Layer<MongoDb, MongoDbError> => Layer.effect(MongoDb, make(options))
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
    const run = <A>(f: (db: Db) => Promise<A>) =>
      Effect.tryPromise({ try: () => f(db), catch: (cause) => new MongoDbError({ cause }) }).pipe(
        Effect.timeoutOrElse({
          duration: callTimeout,
          orElse: () => Effect.fail(new MongoDbError({ cause: new Error(`no answer within ${Duration.format(callTimeout)}`) }))
        })
      )
    return { client, db, run, ping: Effect.asVoid(run((opened) => opened.command({ ping: 1 }))) }
  })
