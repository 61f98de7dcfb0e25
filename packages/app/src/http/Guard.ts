/**
 * Stands before every endpoint of the API: what can't be a valid request is answered here, and whatever an endpoint fails with becomes a
 * problem here.
 *
 * A JSON body is read, bounded and inspected before the endpoint's own schema sees it. A failure that is nobody's answer is a defect: it
 * goes to the log with its cause, and to the client as `internal`.
 */
import type { Unavailable } from "@sluice/domain"
import { ByteSize, Cause, Effect, Layer } from "effect"
import { HttpIncomingMessage, HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpApiMiddleware } from "effect/http-api"
import { bodyLimit, isJson, parseJson } from "./Input.ts"
import {
  badRequest,
  bodyTooLarge,
  internal,
  type ProblemFields,
  problem,
  problemOf,
  shuttingDown,
  toResponse,
  unsupportedMediaType
} from "./Problems.ts"

export class Guard extends HttpApiMiddleware.Service<Guard>()("sluice/http/Guard", {
  error: [problem<never>("internal"), problem<Unavailable>("unavailable", "overloaded", "shutting_down")]
}) {}

/** What every endpoint that takes anything from a client may answer besides. */
export const ofInput = [problem("bad_request"), problem("too_many_requests")] as const

/** And one that takes a JSON body. */
export const ofJsonBody = [...ofInput, problem("body_too_large"), problem("unsupported_media_type")] as const

/** What a cause is answered with, and whether the log should know of it. */
export const ofCause = (cause: Cause.Cause<unknown>): { readonly problem: ProblemFields; readonly isDefect: boolean } => {
  for (const reason of cause.reasons) {
    if (reason._tag === "Fail") return problemOf(reason.error)
    if (reason._tag === "Die") return problemOf(reason.defect)
  }
  return { problem: shuttingDown, isDefect: false }
}

export const logDefect = (cause: Cause.Cause<unknown>): Effect.Effect<void> =>
  Effect.logError("A request failed unexpectedly", cause)

/** Answers a failure. One that is only an interruption stays one: there is nobody to answer. */
export const answer = (cause: Cause.Cause<unknown>): Effect.Effect<HttpServerResponse.HttpServerResponse> => {
  if (Cause.hasInterruptsOnly(cause)) return Effect.interrupt
  for (const reason of cause.reasons) {
    if (reason._tag === "Die" && HttpServerResponse.isHttpServerResponse(reason.defect)) return Effect.succeed(reason.defect)
  }
  const { isDefect, problem } = ofCause(cause)
  return isDefect ? Effect.as(logDefect(cause), toResponse(internal)) : Effect.succeed(toResponse(problem))
}

const inspectBody = Effect.gen(function* () {
  const request = yield* HttpServerRequest.HttpServerRequest
  if (!isJson(request.headers["content-type"])) return yield* unsupportedMediaType(["application/json"])
  if (Number(request.headers["content-length"]) > bodyLimit) return yield* bodyTooLarge
  const parsed = parseJson(new Uint8Array(yield* request.arrayBuffer))
  if (!parsed.ok) return yield* badRequest(parsed.detail, parsed.errors)
}).pipe(Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.bytes(bodyLimit)))

export const layerGuard = Layer.succeed(
  Guard,
  Guard.of((handler, { endpoint }) => {
    const guarded = endpoint.payload.has("application/json") ? Effect.andThen(inspectBody, handler) : handler
    return Effect.catchCause(guarded, answer)
  })
)
