/**
 * Answers with a stream of Server-Sent Events.
 *
 * A failure before the first element is an ordinary error answer. After that the stream just ends, and clients that come back are told by
 * an ordinary answer. Silent streams carry a comment now and then, so that nobody on the way takes them for dead. There are at most
 * `maxStreams` at once, and all end when this process closes.
 */
import type { ServerResponse } from "node:http"
import { NodeHttpServerRequest } from "@effect/platform-node"
import { Cause, Context, Effect, Schedule, type Scope, Stream } from "effect"
import { type HttpServerRequest, HttpServerResponse } from "effect/http"
import { logDefect, ofCause } from "./Guard.ts"
import { gauge } from "./HttpMetrics.ts"
import { Lifecycle } from "./Lifecycle.ts"
import type { HttpOptions } from "./Options.ts"
import { overloaded, type Problem } from "./Problems.ts"

export class EventStreams extends Context.Service<
  EventStreams,
  {
    readonly answer: <A, E>(
      request: HttpServerRequest.HttpServerRequest,
      events: Stream.Stream<A, E>
    ) => Effect.Effect<HttpServerResponse.HttpServerResponse, E | Problem, Scope.Scope>
  }
>()("sluice/http/EventStreams") {}

/** How long clients wait before they come back. */
const retry = "retry: 2000\n\n"

const frame = (event: unknown): string => `data: ${JSON.stringify(event)}\n\n`

const frames = (events: ReadonlyArray<unknown>): string => events.map(frame).join("")

const beat = (response: ServerResponse): void => {
  if (response.headersSent && !response.writableEnded && !response.destroyed && !response.writableNeedDrain)
    response.write(":\n\n")
}

const headers = { "x-accel-buffering": "no" }

export const makeEventStreams = Effect.fnUntraced(function* (options: HttpOptions) {
  const lifecycle = yield* Lifecycle
  const maxStreams = options.maxStreams ?? 10_000
  const open = new Set<ServerResponse>()

  yield* Effect.sync(() => open.forEach(beat)).pipe(
    Effect.schedule(Schedule.spaced(options.heartbeat ?? "15 seconds")),
    Effect.forkScoped
  )
  const registration = gauge("sluice_http_streams_open", "Open event streams.", yield* Effect.context<never>(), () => open.size)
  yield* Effect.addFinalizer(() => Effect.sync(() => registration.remove()))

  const answer = Effect.fnUntraced(function* <A, E>(request: HttpServerRequest.HttpServerRequest, events: Stream.Stream<A, E>) {
    if (open.size >= maxStreams) return yield* overloaded
    const response = NodeHttpServerRequest.toServerResponse(request) as ServerResponse
    yield* Effect.acquireRelease(
      Effect.sync(() => open.add(response)),
      () => Effect.sync(() => open.delete(response))
    )
    const pull = yield* Stream.toPull(events)
    const first = yield* Effect.catchIf(pull, Cause.isDone, () => Effect.succeed(undefined))
    const rest = Stream.fromPull(Effect.succeed(pull)).pipe(
      Stream.mapArray((events) => [frames(events)] as const),
      Stream.catchCause((cause) => Stream.fromEffectDrain(ofCause(cause).isDefect ? logDefect(cause) : Effect.void)),
      Stream.interruptWhen(lifecycle.closing)
    )
    const text = first === undefined ? Stream.make(retry) : Stream.concat(Stream.make(retry + frames(first)), rest)
    return HttpServerResponse.stream(Stream.encodeText(text), { contentType: "text/event-stream", headers })
  })
  return EventStreams.of({ answer })
})
