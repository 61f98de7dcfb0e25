/**
 * The HTTP server: one node server, joins, looks and reads of orders the short way, all else through the API.
 *
 * What it keeps: every answer carries the same headers and every refusal is a problem; slow, silent and broken clients are bounded in
 * number and time and never hold up others; whoever is being answered when the layer is released gets the whole answer, within
 * `drainTimeout`, before anything below it is released.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { type AddressInfo, Server as NetServer, type Socket } from "node:net"
import { NodeHttpServer } from "@effect/platform-node"
import { Context, Data, Duration, Effect, Layer, Schedule, Scope } from "effect"
import { HttpMiddleware, HttpRouter, type HttpServerRequest, type HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { Api, layerHandlers, layerOperationsHandlers, OperationsApi } from "./Api.ts"
import { consoleEndpoints, layerConsole } from "./Console.ts"
import { layerDocs } from "./Docs.ts"
import { EventStreams, makeEventStreams } from "./EventStreams.ts"
import { makeFastOrders } from "./FastOrders.ts"
import { type FastPath, makeFastPath } from "./FastPath.ts"
import { answer } from "./Guard.ts"
import { gauge, type HttpMetrics, makeHttpMetrics, type RouteMetrics } from "./HttpMetrics.ts"
import { Identity, makeIdentity } from "./Identity.ts"
import { Lifecycle, makeLifecycle } from "./Lifecycle.ts"
import { Limits, makeLimits } from "./Limits.ts"
import { type HttpOptions, HttpOptionsError } from "./Options.ts"
import { badRequest, notFound, Problem, type ProblemFields, shuttingDown } from "./Problems.ts"
import { type Endpoint, endpointsOf, isPlain, pathOf, Routes } from "./Routes.ts"
import { makeServerSpans, nameRoute } from "./ServerSpans.ts"
import { layerWait, waitEndpoints } from "./Wait.ts"
import { commonHeaders, makeOnClientError, maxHeaderSize, sendProblem, sendRawProblem } from "./Wire.ts"

/** Where the server can be reached. */
export class HttpAddress extends Context.Service<
  HttpAddress,
  { readonly host: string; readonly port: number; readonly url: string }
>()("sluice/http/HttpAddress") {}

export class ListenError extends Data.TaggedError("ListenError")<{
  readonly host: string
  readonly port: number
  readonly code: string
  readonly message: string
}> {}

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: "another process listens there; choose another port with SLUICE_PORT, or 0 for a free one",
  EACCES: "this user may not listen there; ports below 1024 need a privilege",
  EADDRNOTAVAIL: "this machine has no such address",
  ENOTFOUND: "this host name is not known"
}

const milliseconds = (input: Duration.Input | undefined, otherwise: number) =>
  input === undefined ? otherwise : Duration.toMillis(Duration.fromInputUnsafe(input))

/** The two ways through which a request is answered. */
interface Ways {
  readonly fast: FastPath
  readonly router: (req: IncomingMessage, res: ServerResponse) => void
}

const exchange = Symbol("sluice.exchange")

/** What a response needs to be counted when it is over. */
class Exchange {
  readonly startedAt = performance.now()
  metrics: RouteMetrics | undefined
  isFast = false
}

interface Response extends ServerResponse {
  [exchange]?: Exchange
}

const makeListener = Effect.fnUntraced(function* (routes: Routes, metrics: HttpMetrics, ways: Ways) {
  const lifecycle = yield* Lifecycle
  const { addresses, addressOf } = yield* Limits
  const unmatched = metrics.route("other", "none")

  function onClose(this: Response): void {
    const { isFast, metrics, startedAt } = this[exchange]!
    lifecycle.inFlight--
    if (isFast) lifecycle.pending--
    else lifecycle.handled.delete(this)
    const status = this.headersSent ? this.statusCode : 499
    metrics?.record(status, (performance.now() - startedAt) / 1000)
  }

  /** Refuses what no endpoint is there for, and hands over the rest. */
  const route = (req: IncomingMessage, res: ServerResponse): RouteMetrics => {
    const path = pathOf(req.url!)
    const found = routes.match(path)
    const endpoint = found?.methods.get(req.method!)
    if (found === undefined) sendProblem(req, res, notFound)
    else if (endpoint === undefined) sendProblem(req, res, notAllowed(req.method!, found.allow))
    else if (!isPlain(path)) sendProblem(req, res, badRequest("The path is not valid."))
    else {
      for (const [name, value] of commonHeaders) res.setHeader(name, value)
      lifecycle.handled.add(res)
      nameRoute(req, found.path)
      ways.router(req, res)
    }
    return endpoint ?? unmatched
  }

  return (req: IncomingMessage, res: Response): void => {
    const request = new Exchange()
    res[exchange] = request
    res.on("close", onClose)
    lifecycle.inFlight++
    if (lifecycle.phase !== "serving") res.shouldKeepAlive = false
    const refusal = refuse(
      req,
      lifecycle,
      addresses === undefined ? undefined : addresses.take(addressOf(req), request.startedAt)
    )
    if (refusal === undefined) {
      request.metrics = ways.fast(req, res)
      request.isFast = request.metrics !== undefined
      if (request.isFast) lifecycle.pending++
      else request.metrics = route(req, res)
    } else {
      request.metrics = unmatched
      sendProblem(req, res, refusal)
    }
  }
})

const noHost = new Problem({ code: "bad_request", detail: "The Host header is missing.", headers: { connection: "close" } })

const refuse = (
  req: IncomingMessage,
  { phase }: Lifecycle["Service"],
  limited: ProblemFields | undefined
): ProblemFields | undefined => {
  const isOperation = req.url === "/metrics" || req.url!.startsWith("/health/")
  if (phase === "closing" && !isOperation) return shuttingDown
  if (req.headers.host === undefined && req.httpVersionMinor === 1) return noHost
  return isOperation ? undefined : limited
}

const notAllowed = (method: string, allow: string) =>
  new Problem({ code: "method_not_allowed", detail: `${method} is not allowed here.`, headers: { allow } })

const listen = (server: Server, host: string, port: number) =>
  Effect.callback<AddressInfo, ListenError>((resume) => {
    const onError = (error: NodeJS.ErrnoException) => {
      const code = error.code ?? "UNKNOWN"
      const message = `Can't listen on ${host}:${port}: ${reasons[code] ?? error.message}`
      resume(Effect.fail(new ListenError({ host, port, code, message })))
    }
    server.once("error", onError)
    server.listen({ host, port, backlog: 4096 }, () => {
      server.off("error", onError)
      resume(Effect.succeed(server.address() as AddressInfo))
    })
  })

/** How long an idle connection stays: what was sent on it before its client could know of the end is answered. */
const lingerMs = 500

const connectionsOf = (server: Server) =>
  Effect.callback<number>((resume) => {
    server.getConnections((_, count) => resume(Effect.succeed(count ?? 0)))
  })

/** Right after the event loop has read what came in, so that no connection counts as idle whose request only waits to be read. */
const closeIdleConnections = (server: Server) =>
  Effect.callback<void>((resume) => {
    setImmediate(() => {
      server.closeIdleConnections()
      resume(Effect.void)
    })
  })

/** Ends serving: first tells, then stops accepting, then waits for who is being answered, then hangs up. */
const drain = Effect.fnUntraced(function* (server: Server, lifecycle: Lifecycle["Service"], options: HttpOptions) {
  lifecycle.phase = "draining"
  for (const response of lifecycle.handled) response.shouldKeepAlive = false
  const graceMs = milliseconds(options.drainGrace, 500)
  if (graceMs > 0) yield* Effect.sleep(graceMs)
  // Not `server.close`, which hangs up on idle connections at once. And before anybody is told to connect anew: what waits to be accepted
  // when a port closes is reset.
  NetServer.prototype.close.call(server)
  yield* lifecycle.close
  const lingersUntil = performance.now() + lingerMs
  const idle = Effect.gen(function* () {
    if ((yield* connectionsOf(server)) > 0 && performance.now() < lingersUntil) return false
    yield* closeIdleConnections(server)
    return lifecycle.inFlight === 0
  })
  yield* idle.pipe(
    Effect.repeat({ until: (isIdle) => isIdle, schedule: Schedule.spaced("10 millis") }),
    Effect.timeoutOrElse({ duration: options.drainTimeout ?? "10 seconds", orElse: () => Effect.void })
  )
  server.close()
  server.closeAllConnections()
})

const makeServer = (options: HttpOptions, routes: Routes): Server => {
  const requestTimeout = milliseconds(options.requestTimeout, 15_000)
  const headersTimeout = Math.min(milliseconds(options.headersTimeout, 10_000), requestTimeout)
  const server = createServer({
    headersTimeout,
    requestTimeout,
    keepAliveTimeout: milliseconds(options.keepAliveTimeout, 15_000),
    connectionsCheckingInterval: Math.max(50, Math.min(1_000, headersTimeout / 4)),
    maxHeaderSize,
    requireHostHeader: false
  })
  // A client that takes nothing for this long, though event streams send a comment more often, is gone.
  server.timeout = 60_000
  if (options.maxConnections !== undefined) server.maxConnections = options.maxConnections
  const refuse = (method: string, target: string) => {
    const route = routes.match(pathOf(target))
    return route === undefined ? notFound : notAllowed(method, route.allow)
  }
  server.on("clientError", makeOnClientError(refuse))
  server.on("connect", (_, socket: Socket) => sendRawProblem(socket, notAllowed("CONNECT", ""), "Method Not Allowed"))
  server.on("checkExpectation", (req, res) => sendProblem(req, res, expectation))
  return server
}

const expectation = new Problem({ code: "expectation_failed", detail: "Only 100-continue can be expected." })

const layerServices = (options: HttpOptions) =>
  Layer.effect(EventStreams, makeEventStreams(options)).pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        Layer.effect(Lifecycle, makeLifecycle),
        Layer.effect(Limits, makeLimits(options)),
        Layer.effect(Identity, makeIdentity(options))
      )
    )
  )

/** Paths are read as they are written: no second spelling of any, and a parameter may be as long as a header may be. */
const routerConfig = {
  caseSensitive: true,
  ignoreTrailingSlash: false,
  ignoreDuplicateSlashes: false,
  maxParamLength: maxHeaderSize
}

const requestMetrics = Effect.gen(function* () {
  const lifecycle = yield* Lifecycle
  const context = yield* Effect.context<never>()
  const metrics = makeHttpMetrics(context)
  const inFlight = gauge("sluice_http_requests_in_flight", "Requests being answered.", context, () => lifecycle.inFlight)
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      metrics.remove()
      inFlight.remove()
    })
  )
  return metrics
})

const start = Effect.fnUntraced(function* (
  options: HttpOptions,
  endpoints: ReadonlyArray<Endpoint>,
  app: Effect.Effect<HttpServerResponse.HttpServerResponse, unknown, HttpServerRequest.HttpServerRequest | Scope.Scope>,
  metrics: HttpMetrics,
  fast: FastPath
) {
  const { host = "127.0.0.1", port = 8080 } = options
  const lifecycle = yield* Lifecycle
  const scope = yield* Scope.fork(yield* Effect.scope)
  const spans = options.traceRatio === undefined ? undefined : makeServerSpans(options.traceRatio)
  const answered = Effect.catchCause(app, answer)
  const router = yield* NodeHttpServer.makeHandler(spans === undefined ? answered : spans.around(answered), { scope }).pipe(
    // Its spans would carry the whole path, and a path holds a ticket.
    Effect.provideService(HttpMiddleware.TracerDisabledWhen, () => true)
  )
  const routes = new Routes(endpoints, metrics)
  const server = makeServer(options, routes)
  server.on("request", yield* makeListener(routes, metrics, { fast: spans === undefined ? fast : spans.beside(fast), router }))
  const bound = yield* Effect.acquireRelease(listen(server, host, port), () => drain(server, lifecycle, options))
  const name = bound.family === "IPv6" ? `[${bound.address}]` : bound.address
  return HttpAddress.of({ host: bound.address, port: bound.port, url: `http://${name}:${bound.port}` })
})

const toApp = <A, E, R>(routes: Layer.Layer<A, E, R>) =>
  Effect.provideService(HttpRouter.toHttpEffect(routes), HttpRouter.RouterConfig, routerConfig)

const leaveAll: FastPath = () => undefined

const shortWays = Effect.fnUntraced(function* (options: HttpOptions, metrics: HttpMetrics) {
  const tickets = yield* makeFastPath(options, metrics)
  const orders = yield* makeFastOrders(options, metrics)
  const fast: FastPath = (req, res) => tickets(req, res) ?? orders(req, res)
  return fast
})

const isLoopback = (host: string) => host === "localhost" || host === "::1" || host.startsWith("127.")

const layerGatewayRoutes = (options: HttpOptions) =>
  Layer.mergeAll(
    HttpApiBuilder.layer(Api, { openapiPath: "/openapi.json" }).pipe(Layer.provide(layerHandlers)),
    layerDocs,
    layerConsole,
    layerWait(options.frameAncestors ?? [])
  ).pipe(Layer.provide(NodeHttpServer.layerHttpServices))

const gatewayEndpoints: ReadonlyArray<Endpoint> = [
  ...endpointsOf(Api),
  { method: "GET", path: "/openapi.json" },
  { method: "GET", path: "/docs" },
  ...consoleEndpoints,
  ...waitEndpoints
]

/** Everything: the API, its documents and the console. */
export const layer = (options: HttpOptions) =>
  Layer.effect(
    HttpAddress,
    Effect.gen(function* () {
      if (options.adminKey === undefined && !isLoopback(options.host ?? "127.0.0.1")) {
        return yield* new HttpOptionsError({ option: "adminKey", message: "needed to serve on an address that is not loopback" })
      }
      const metrics = yield* requestMetrics
      const app = yield* toApp(layerGatewayRoutes(options))
      const fast = options.fastPath === false ? leaveAll : yield* shortWays(options, metrics)
      return yield* start(options, gatewayEndpoints, app, metrics, fast)
    })
  ).pipe(Layer.provide(layerServices(options)))

const layerOperationsRoutes = HttpApiBuilder.layer(OperationsApi).pipe(
  Layer.provide(layerOperationsHandlers),
  Layer.provide(NodeHttpServer.layerHttpServices)
)

/** Only `/health/*` and `/metrics`, for a process that is not a gateway. */
export const layerOperations = (options: HttpOptions) =>
  Layer.effect(
    HttpAddress,
    Effect.gen(function* () {
      const metrics = yield* requestMetrics
      return yield* start(options, endpointsOf(OperationsApi), yield* toApp(layerOperationsRoutes), metrics, leaveAll)
    })
  ).pipe(Layer.provide(layerServices(options)))
