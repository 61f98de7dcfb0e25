/**
 * Connections to Kafka over kafkajs.
 *
 * They are opened at first use, so that what does not need Kafka starts and works without it, and given up after a failure, so that the
 * next use opens a new one. A question is asked again, with growing pauses, until `requestTimeout`; only what no repetition can heal
 * fails before. What kafkajs logs it also throws, so its lines, however loud, are for debugging only.
 */
import { Context, Duration, Effect, Layer, Redacted, Schedule, Schema, type Scope } from "effect"
import { type Admin, type Assigner, Kafka as Client, type Cluster, logLevel, type SASLOptions } from "kafkajs"
import * as EngineMetrics from "./EngineMetrics.ts"

export interface KafkaConfig {
  readonly brokers: ReadonlyArray<string>
  readonly clientId?: string
  /** Over TLS, with a certificate that Node trusts. */
  readonly ssl?: boolean
  readonly sasl?:
    | {
        readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512"
        readonly username: string
        readonly password: Redacted.Redacted
      }
    | undefined
  readonly connectionTimeout?: Duration.Input
  /** For one request, and for a question with all its repetitions. */
  readonly requestTimeout?: Duration.Input
}

export class KafkaError extends Schema.TaggedError<KafkaError>()("KafkaError", {
  /** No repetition can heal it. */
  final: Schema.Boolean,
  cause: Schema.Defect()
}) {
  static readonly from = (cause: unknown) => new KafkaError({ final: isFinal(cause), cause })
  /** As `from`, of a call that failed. */
  static readonly ofCall = (cause: unknown) => {
    countFailure(cause)
    return KafkaError.from(cause)
  }
}

export class Kafka extends Context.Service<
  Kafka,
  {
    /** For consumers and producers, each with a client of its own: kafkajs shares a group's offsets within a client. */
    readonly client: () => Client
    readonly admin: <A>(ask: (admin: Admin) => Promise<A>) => Effect.Effect<A, KafkaError>
    /** What the admin client does not offer: reading without a group, committing without joining one. */
    readonly cluster: <A>(ask: (cluster: Cluster) => Promise<A>) => Effect.Effect<A, KafkaError>
    readonly requestTimeout: Duration.Duration
    readonly ping: Effect.Effect<void, KafkaError>
  }
>()("sluice/Kafka") {
  static readonly layer = (options: KafkaConfig): Layer.Layer<Kafka> => Layer.effect(Kafka, make(options))
}

interface Failure {
  readonly name?: string
  /** The broker's own name of the error. */
  readonly type?: string
  readonly cause?: unknown
  readonly errors?: ReadonlyArray<unknown>
}

const finalNames = new Set(["KafkaJSSASLAuthenticationError", "KafkaJSNotImplemented", "KafkaJSServerDoesNotSupportApiKey"])
const finalTypes =
  /^(INVALID_(?!FETCH|REPLICATION)|POLICY_VIOLATION|SASL_AUTHENTICATION_FAILED|UNSUPPORTED_|MESSAGE_TOO_LARGE|RECORD_LIST_TOO_LARGE)|AUTHORIZATION_FAILED$/

/** The error and those it came from. */
const chain = (error: unknown): ReadonlyArray<Failure> => {
  if (typeof error !== "object" || error === null) return []
  const failure: Failure = error
  return [failure, ...chain(failure.cause), ...(failure.errors ?? []).flatMap(chain)]
}
export const isFinal = (error: unknown) =>
  chain(error).some(({ name, type }) => finalNames.has(name ?? "") || finalTypes.test(type ?? ""))
export const isType = (error: unknown, type: string) => chain(error).some((failure) => failure.type === type)

export const countFailure = (error: unknown): void => {
  const failures = chain(error)
  const isLate = failures.some(({ name }) => name === "KafkaJSRequestTimeoutError")
  const isAnswered = failures.some(({ type }) => /^[A-Z][A-Z_]+$/.test(type ?? ""))
  EngineMetrics.countFailure("kafka", isLate ? "timeout" : isAnswered ? "refused" : "connection")
}

/** One connection for many callers. */
export interface Shared<A> {
  readonly use: <B>(f: (connection: A) => Promise<B>) => Promise<B>
  readonly close: () => Promise<void>
}

export const shared = <A>(open: () => Promise<A>, close: (connection: A) => Promise<unknown>): Shared<A> => {
  let current: Promise<A> | undefined
  const giveUp = (connection: Promise<A>) => {
    if (current === connection) current = undefined
    return connection.then(close).then(ignore, ignore)
  }
  return {
    use: async (f) => {
      current ??= open()
      const connection = current
      try {
        return await f(await connection)
      } catch (error) {
        if (!isFinal(error)) {
          if (current === connection) EngineMetrics.countRetry("kafka", "connect")
          void giveUp(connection)
        }
        throw error
      }
    },
    close: async () => {
      if (current !== undefined) await giveUp(current)
    }
  }
}

const ignore = () => {}

/** Bounds what can't be interrupted. */
export const atMost = (ms: number, promise: Promise<unknown>): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    promise.then(ignore, ignore).then(() => {
      clearTimeout(timer)
      resolve()
    })
  })

/**
 * kafkajs starts a timer with a negative delay. Node warns of the first such timer of a process and no other: this is the first one.
 */
const hideNegativeTimeoutWarning = () => {
  const emitWarning = process.emitWarning
  process.emitWarning = ignore
  clearTimeout(setTimeout(ignore, -1))
  process.emitWarning = emitWarning
}

const saslOptions = ({ mechanism, password, username }: NonNullable<KafkaConfig["sasl"]>) =>
  ({ mechanism, username, password: Redacted.value(password) }) as SASLOptions

/** The cluster of a consumer that never joins its group: the one way in which kafkajs hands it out. */
const clusterOf = (client: Client): Cluster => {
  const found: Array<Cluster> = []
  const assigner: Assigner = {
    name: "none",
    version: 0,
    assign: async () => [],
    protocol: () => ({ name: "none", metadata: Buffer.alloc(0) })
  }
  client.consumer({
    groupId: "none",
    allowAutoTopicCreation: false,
    partitionAssigners: [
      ({ cluster }) => {
        found.push(cluster)
        return assigner
      }
    ]
  })
  return found[0]!
}

const make = (options: KafkaConfig): Effect.Effect<Kafka["Service"], never, Scope.Scope> =>
  Effect.gen(function* () {
    hideNegativeTimeoutWarning()
    yield* EngineMetrics.show("kafka")
    const fork = Effect.runForkWith(yield* Effect.context<never>())
    const requestTimeout = Duration.fromInputUnsafe(options.requestTimeout ?? "5 seconds")
    const client = () =>
      new Client({
        brokers: [...options.brokers],
        clientId: options.clientId ?? "sluice",
        connectionTimeout: Duration.toMillis(Duration.fromInputUnsafe(options.connectionTimeout ?? "2 seconds")),
        requestTimeout: Duration.toMillis(requestTimeout),
        retry: { initialRetryTime: 100, maxRetryTime: 500, multiplier: 2, factor: 0.5, retries: 2 },
        ...(options.ssl === undefined ? {} : { ssl: options.ssl }),
        ...(options.sasl === undefined ? {} : { sasl: saslOptions(options.sasl) }),
        logLevel: logLevel.INFO,
        logCreator: () => (entry) => void fork(Effect.logDebug(`kafkajs ${entry.namespace}: ${entry.log.message}`))
      })

    const keep = <A>(open: () => Promise<A>, close: (connection: A) => Promise<unknown>) =>
      Effect.acquireRelease(
        Effect.sync(() => shared(open, close)),
        (connection) => Effect.promise(() => atMost(2000, connection.close()))
      )
    const admin = yield* keep(
      async () => {
        const opened = client().admin()
        await opened.connect()
        return opened
      },
      (opened) => opened.disconnect()
    )
    const cluster = yield* keep(
      async () => {
        const opened = clusterOf(client())
        await opened.connect()
        return opened
      },
      (opened) => opened.disconnect()
    )

    const attempt =
      <A>(connection: Shared<A>) =>
      <B>(ask: (connection: A) => Promise<B>): Effect.Effect<B, KafkaError> =>
        Effect.tryPromise({ try: () => connection.use(ask), catch: KafkaError.ofCall })

    const untilAnswered = <A>(asked: Effect.Effect<A, KafkaError>): Effect.Effect<A, KafkaError> =>
      Effect.suspend(() => {
        let last: unknown = new Error("Kafka did not answer in time")
        return asked.pipe(
          Effect.tapError((error) => Effect.sync(() => (last = error.cause))),
          Effect.retry({
            while: (error) => !error.final,
            schedule: Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("1 second")]).pipe(
              Schedule.jittered,
              Schedule.tap(() => Effect.sync(() => EngineMetrics.countRetry("kafka", "call")))
            )
          }),
          Effect.timeoutOrElse({
            duration: requestTimeout,
            orElse: () => {
              EngineMetrics.countFailure("kafka", "timeout")
              return Effect.fail(new KafkaError({ final: false, cause: last }))
            }
          })
        )
      })

    const adminAttempt = attempt(admin)
    const clusterAttempt = attempt(cluster)
    return {
      client,
      admin: (ask) => untilAnswered(adminAttempt(ask)),
      cluster: (ask) => untilAnswered(clusterAttempt(ask)),
      requestTimeout,
      ping: adminAttempt((opened) => opened.describeCluster()).pipe(
        Effect.asVoid,
        Effect.timeoutOrElse({
          duration: "2 seconds",
          orElse: () => {
            EngineMetrics.countFailure("kafka", "timeout")
            return Effect.fail(KafkaError.from(new Error("Kafka did not answer within 2 s")))
          }
        })
      )
    }
  })
