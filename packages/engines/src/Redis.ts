/**
 * A connection to Redis 7, a single node or a Redis Cluster, for scripts that decide atomically.
 *
 * A command is sent once: it fails rather than being sent again after a cut, since nobody can know whether it ran. Nothing waits for a
 * server that is away: calls fail at once until the connection stands, and after `commandTimeout` where it went silent. With a Redis
 * Cluster that holds for each master alone; where a slot has moved, a call goes on to its new place, a few times at most. Scripts must
 * therefore bear repetition by their callers.
 */

import type { Scope } from "effect"
import { Context, Duration, Effect, Layer, Redacted, Schedule, Schema } from "effect"
import { Redis as Client, Cluster, type RedisOptions } from "ioredis"
import * as EngineMetrics from "./EngineMetrics.ts"

export interface RedisConfig {
  /** One `redis://user:password@host:port/db` (`rediss://` for TLS), or several nodes of a Redis Cluster. */
  readonly urls: ReadonlyArray<Redacted.Redacted>
  readonly connectTimeout?: Duration.Input
  readonly commandTimeout?: Duration.Input
}

export class RedisError extends Schema.TaggedError<RedisError>()("RedisError", { cause: Schema.Defect() }) {}

/** Takes keys of one hash slot and arguments, gives the script's own reply. */
export type Script = (keys: ReadonlyArray<string>, args: ReadonlyArray<string | number>) => Effect.Effect<unknown, RedisError>

export class Redis extends Context.Service<
  Redis,
  {
    readonly script: (name: string, lua: string) => Script
    readonly call: (command: string, ...args: ReadonlyArray<string | number>) => Effect.Effect<unknown, RedisError>
    /**
     * The `run_id` of the process behind the connection: another one after every restart and failover. Empty with a Redis Cluster, where
     * a script has to ask its own node. Fails while there is no connection, so no command can go out under an old id.
     */
    readonly runId: Effect.Effect<string, RedisError>
    /** What is published to the channel from now on, over a connection of its own, except while that is lost. */
    readonly subscribe: (channel: string, hear: (message: string) => void) => Effect.Effect<void, never, Scope.Scope>
    /** With a Redis Cluster: each master answers, and every slot has one. */
    readonly ping: Effect.Effect<void, RedisError>
  }
>()("sluice/Redis") {
  static readonly layer = (options: RedisConfig): Layer.Layer<Redis, RedisError> => Layer.effect(Redis, make(options))
}

const away = new Error("Redis is not connected")

const reasonOf = ({ message, name }: Error): EngineMetrics.Reason =>
  name === "ReplyError" ? "refused" : message === "Command timed out" ? "timeout" : "connection"

const attempt = <A>(f: () => Promise<A>) =>
  Effect.tryPromise({
    try: f,
    catch: (cause) => {
      EngineMetrics.countFailure("redis", reasonOf(cause as Error))
      return new RedisError({ cause })
    }
  })

const pauseMs = (times: number) => Math.min(50 * 2 ** Math.min(times, 6), 2000) * (0.5 + Math.random() / 2)

/** Before the next connection. */
const reconnectAfter = (times: number) => {
  EngineMetrics.countRetry("redis", "connect")
  return pauseMs(times)
}

const clientOptions = (url: string, options: RedisConfig) => {
  const { hostname, password, pathname, port, protocol, username } = new URL(url)
  return {
    host: hostname,
    port: port === "" ? 6379 : Number(port),
    ...(username === "" ? {} : { username: decodeURIComponent(username) }),
    ...(password === "" ? {} : { password: decodeURIComponent(password) }),
    ...(protocol === "rediss:" ? { tls: {} } : {}),
    db: Number(pathname.slice(1) || 0),
    lazyConnect: true,
    connectTimeout: Duration.toMillis(Duration.fromInputUnsafe(options.connectTimeout ?? "3 seconds")),
    commandTimeout: Duration.toMillis(Duration.fromInputUnsafe(options.commandTimeout ?? "3 seconds")),
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    retryStrategy: reconnectAfter,
    // After a failover this connection may be to a replica.
    reconnectOnError: (error: Error) => error.message.startsWith("READONLY")
  } satisfies RedisOptions
}

/** Follows which server process the connection is to; undefined while there is none. */
const followRunId = (client: Client) => {
  let runId: string | undefined
  let connection = 0
  const ask = async () => {
    const asked = connection
    const info = await client.info("server")
    if (asked === connection) runId = /run_id:(\w+)/.exec(info)?.[1]
  }
  client.on("close", () => {
    connection++
    runId = undefined
  })
  client.on("ready", () => {
    ask().catch(() => client.disconnect(true))
  })
  return () => runId
}

const openSingle = (options: RedisConfig) =>
  Effect.gen(function* () {
    const client = yield* Effect.acquireRelease(
      Effect.sync(() => new Client(clientOptions(Redacted.value(options.urls[0]!), options))),
      (c) => Effect.promise(() => c.quit().catch(() => c.disconnect()))
    )
    let last: unknown
    // Every call has its own error; without a listener the process would end. That of `connect` does not say why.
    client.on("error", (error) => (last = error))
    const current = followRunId(client)
    yield* Effect.mapError(
      attempt(() => client.connect()),
      (error) => (last === undefined ? error : new RedisError({ cause: last }))
    )
    const runId = Effect.suspend(() => {
      const id = current()
      return id === undefined ? Effect.fail(new RedisError({ cause: away })) : Effect.succeed(id)
    })
    yield* runId.pipe(Effect.retry(Schedule.spaced("5 millis").pipe(Schedule.upTo({ times: 400 }))))
    return { client, runId, ping: () => client.ping() }
  })

/** A node that is away is in no connection's view, but in the cluster's. */
const pingCluster = async (client: Cluster): Promise<void> => {
  await new Promise<void>((resolve, reject) => client.refreshSlotsCache((error) => (error ? reject(error) : resolve())))
  const told = await Promise.all(client.nodes("master").map((node) => node.cluster("INFO")))
  if (told.length === 0 || !told.every((info) => String(info).includes("cluster_state:ok"))) {
    throw new Error("the Redis Cluster does not serve every slot")
  }
}

/** A command follows a slot that has moved, which its former node refuses to run; after anything else it may have run. */
const sentOnce = { retryDelayOnFailover: 0, retryDelayOnClusterDown: 0, retryDelayOnTryAgain: 50, maxRedirections: 4 }

const openCluster = (options: RedisConfig) =>
  Effect.gen(function* () {
    const nodes = options.urls.map((url) => clientOptions(Redacted.value(url), options))
    const { host: _host, port: _port, db: _db, retryStrategy: _retry, ...redisOptions } = nodes[0]!
    const client = yield* Effect.acquireRelease(
      Effect.sync(
        () =>
          new Cluster(
            nodes.map(({ host, port }) => ({ host, port })),
            {
              lazyConnect: true,
              enableOfflineQueue: false,
              redisOptions,
              ...sentOnce,
              clusterRetryStrategy: reconnectAfter
            }
          )
      ),
      (c) => Effect.promise(() => c.quit().catch(() => c.disconnect()))
    )
    client.on("error", () => {})
    // Its slots may have another master by now.
    client.on("-node", () => {
      EngineMetrics.countRetry("redis", "connect")
      client.refreshSlotsCache()
    })
    yield* attempt(() => client.connect())
    return { client, runId: Effect.succeed(""), ping: () => pingCluster(client) }
  })

/** Of a Redis Cluster any node will do: it is told what is published to the others. */
const openSubscriber = ({ urls, ...options }: RedisConfig) => {
  const url = Redacted.value(urls[Math.floor(Math.random() * urls.length)]!)
  const { commandTimeout: _, ...rest } = clientOptions(url, { urls, ...options })
  const client = new Client({ ...rest, enableOfflineQueue: true, maxRetriesPerRequest: null })
  client.on("error", () => {})
  return client
}

const make = (options: RedisConfig): Effect.Effect<Redis["Service"], RedisError, Scope.Scope> =>
  Effect.gen(function* () {
    yield* EngineMetrics.show("redis")
    const { client, ping, runId } = yield* options.urls.length === 1 ? openSingle(options) : openCluster(options)
    let subscriber: Client | undefined
    yield* Effect.addFinalizer(() => Effect.sync(() => subscriber?.disconnect()))
    return {
      subscribe: (channel, hear) => {
        const listener = (from: string, message: string) => from === channel && hear(message)
        return Effect.asVoid(
          Effect.acquireRelease(
            Effect.sync(() => {
              subscriber ??= openSubscriber(options)
              subscriber.on("message", listener)
              subscriber.subscribe(channel).catch(() => {})
            }),
            () => Effect.sync(() => subscriber?.off("message", listener))
          )
        )
      },
      script: (name, lua) => {
        client.defineCommand(name, { lua })
        const commands = client as unknown as Record<string, (...args: ReadonlyArray<string | number>) => Promise<unknown>>
        return (keys, args) => attempt(() => commands[name]!(keys.length, ...keys, ...args))
      },
      call: (command, ...args) => attempt(() => client.call(command, ...args)),
      runId,
      ping: Effect.asVoid(attempt<unknown>(ping))
    }
  })
