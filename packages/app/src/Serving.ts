/**
 * One process: its engines, its roles, and what it serves.
 *
 * Released from the top: readiness goes first, then the port, then requests in flight, then the roles, then the engines. What a role had
 * under way and nobody was promised is taken up by the next process.
 */
import type { EventLog } from "@sluice/engines"
import type { OrderGenerations, OrderViews } from "@sluice/orders"
import type { WaitingRoom } from "@sluice/waiting-room"
import { Effect, Layer, Logger, References } from "effect"
import type { SqlClient } from "effect/sql"
import { adminKey } from "./DataDir.ts"
import type { Health } from "./http/Health.ts"
import type { HttpOptions } from "./http/Options.ts"
import * as HttpServer from "./http/Server.ts"
import * as cluster from "./layers/cluster.ts"
import * as embedded from "./layers/embedded.ts"
import * as services from "./layers/services.ts"
import * as Observer from "./Observer.ts"
import * as roles from "./roles/roles.ts"
import type { Settings } from "./Settings.ts"
import { named, type StartError } from "./StartError.ts"
import * as Tracing from "./Tracing.ts"

const isLoopback = (host: string) => host === "localhost" || host === "::1" || host.startsWith("127.")

const httpOptions = Effect.fnUntraced(function* (settings: Settings) {
  const key = settings.adminKey ?? (isLoopback(settings.host) ? yield* adminKey(settings.dataDir) : undefined)
  const options: HttpOptions = {
    host: settings.host,
    port: settings.port,
    adminKey: key,
    userSecret: settings.userSecret,
    userJwks: settings.userJwks,
    userLimit: settings.userRate,
    addressLimit: settings.addressRate,
    trustedProxies: settings.trustedProxies,
    frameAncestors: settings.frameAncestors,
    maxConnections: settings.maxConnections,
    ...(settings.maxStreams === undefined ? {} : { maxStreams: settings.maxStreams }),
    drainGrace: settings.drainGrace,
    ...(settings.tracing === undefined ? {} : { traceRatio: settings.tracing.ratio })
  }
  return options
})

const formats = { pretty: Logger.formatSimple, json: Logger.formatJson, logfmt: Logger.formatLogFmt }

const logger = ({ logFormat }: Settings) =>
  Logger.layer([Logger.withConsoleError(Tracing.withTrace(formats[logFormat], logFormat === "json"))])

/** Everything a process of these settings is; gives the address at which it can be reached. */
export const layer = (settings: Settings) =>
  Layer.unwrap(
    Effect.map(httpOptions(settings), (options) => {
      const engines: Layer.Layer<
        SqlClient.SqlClient | WaitingRoom | EventLog | OrderViews.OrderViews | OrderGenerations.GenerationStore | Health,
        StartError
      > =
        settings.engines.kind === "embedded"
          ? embedded.layer(settings.dataDir, settings.tracing !== undefined)
          : cluster.layer(settings.engines, settings.orderView, settings.tracing !== undefined)
      const ready = services.layer(settings).pipe(Layer.provideMerge(engines))
      const working = Layer.merge(roles.layer(settings), Observer.layer(settings)).pipe(Layer.provideMerge(ready))
      const http = settings.roles.includes("gateway") ? HttpServer.layer(options) : HttpServer.layerOperations(options)
      return http.pipe(Layer.provideMerge(working))
    })
  ).pipe(
    named("can't start"),
    Layer.provide([logger(settings), Tracing.layer(settings), Layer.succeed(References.MinimumLogLevel, settings.logLevel)])
  )
