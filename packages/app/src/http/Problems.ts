/**
 * The one shape of every error answer: RFC 9457 `application/problem+json`, with a stable `code` for programs and, for bad input, `errors`
 * with the path of each field.
 *
 * `problemOf` is total: whatever a handler failed with becomes a problem here, and what is nobody's answer becomes `internal` without a
 * word about the cause. A group with errors of its own adds its codes to `codes` and a case to `problemOf`.
 */
import {
  CampaignExists,
  CampaignNotFound,
  ChangeRefused,
  CouponSpent,
  IdempotencyKeyReused,
  JoinRefused,
  OrderForbidden,
  OrderInProgress,
  OrderNotFound,
  OrderRefused,
  OrderStateRefused,
  RebuildRefused,
  TicketInvalid,
  Unavailable
} from "@sluice/domain"
import { Data, Schema, SchemaTransformation } from "effect"
import { HttpServerError, HttpServerResponse } from "effect/http"
import { HttpApiError, HttpApiSchema } from "effect/http-api"
import { CrowdNotFound, CrowdRunning } from "../crowd/CrowdErrors.ts"
import { LoadNotFound, LoadRefused } from "../load/LoadErrors.ts"
import { bodyLimit, fieldErrors } from "./Input.ts"

/** Every code with its status and its title; the descriptions of the API are written from this table. */
export const codes = {
  bad_request: [400, "The request is not valid"],
  unauthorized: [401, "A valid bearer token is needed"],
  ticket_invalid: [401, "The ticket is not valid"],
  forbidden: [403, "Not allowed for this caller"],
  not_found: [404, "There is nothing at this path"],
  campaign_not_found: [404, "There is no such campaign"],
  order_not_found: [404, "There is no such order"],
  load_not_found: [404, "There is no such load"],
  crowd_not_found: [404, "There is no such crowd"],
  method_not_allowed: [405, "The method is not allowed at this path"],
  request_timeout: [408, "The request did not arrive in time"],
  not_open: [409, "The campaign is not open yet"],
  closed: [409, "The campaign is closed"],
  full: [409, "The waiting room is full"],
  campaign_exists: [409, "There is a campaign with this id"],
  change_refused: [409, "The change contradicts what stands"],
  load_conflict: [409, "The job is another one, or under way"],
  crowd_running: [409, "Another crowd is under way"],
  crowd_refused: [409, "A crowd can not be sent here"],
  order_state: [409, "The state of the order does not allow it"],
  order_in_progress: [409, "An order with this idempotency key is being placed"],
  rebuild_running: [409, "The order view is being built anew"],
  no_former_view: [409, "There is no former order view"],
  coupon_spent: [409, "The coupon is spent"],
  body_too_large: [413, "The body is too large"],
  unsupported_media_type: [415, "The content type is not supported"],
  expectation_failed: [417, "The expectation can not be met"],
  order_refused: [422, "The order names what is not known here"],
  idempotency_key_reused: [422, "The idempotency key came with another body before"],
  rows_refused: [422, "The rows can not be loaded"],
  too_many_requests: [429, "Too many requests"],
  headers_too_large: [431, "The headers are too large"],
  internal: [500, "Something went wrong here"],
  unavailable: [503, "A part that this answer needs is not available"],
  overloaded: [503, "Too much is going on here"],
  shutting_down: [503, "This process is shutting down"]
} as const satisfies Record<string, readonly [status: number, title: string]>

export type Code = keyof typeof codes

export interface FieldError {
  readonly path: string
  readonly message: string
}

export interface ProblemFields {
  readonly code: Code
  readonly detail: string
  readonly errors?: ReadonlyArray<FieldError>
  readonly headers?: Readonly<Record<string, string>>
}

export const contentType = "application/problem+json"

export const statusOf = (problem: ProblemFields): number => codes[problem.code][0]

export const problemJson = ({ code, detail, errors }: ProblemFields): string => {
  const [status, title] = codes[code]
  return JSON.stringify({ type: `urn:sluice:problem:${code}`, title, status, detail, code, ...(errors && { errors }) })
}

/** An error of the HTTP side itself, already in its final form. */
export class Problem extends Data.TaggedError("Problem")<ProblemFields> {
  override get message(): string {
    return this.detail
  }
}

export const badRequest = (detail: string, errors?: ReadonlyArray<FieldError>): Problem =>
  new Problem({ code: "bad_request", detail, ...(errors && { errors }) })

const retryAfter = (seconds: number) => ({ "retry-after": String(Math.max(1, Math.ceil(seconds))) })

export const overloaded: Problem = new Problem({
  code: "overloaded",
  detail: "Ask again in a moment.",
  headers: retryAfter(1)
})
export const shuttingDown: Problem = new Problem({
  code: "shutting_down",
  detail: "Ask again: another process will answer.",
  headers: { ...retryAfter(1), connection: "close" }
})
export const internal: Problem = new Problem({ code: "internal", detail: "The cause is in the log of the server." })
export const unauthorized = (realm: "admin" | "user"): Problem =>
  new Problem({
    code: "unauthorized",
    detail:
      realm === "admin"
        ? "Send the admin key as Authorization: Bearer <key>."
        : "Send a valid token of the user as Authorization: Bearer <token>.",
    headers: { "www-authenticate": `Bearer realm="sluice ${realm}"` }
  })
export const forbidden = (detail: string): Problem => new Problem({ code: "forbidden", detail })
export const bodyTooLarge: Problem = new Problem({
  code: "body_too_large",
  detail: `A body holds at most ${bodyLimit} bytes.`,
  headers: { connection: "close" }
})
export const unsupportedMediaType = (supported: ReadonlyArray<string>): Problem =>
  new Problem({
    code: "unsupported_media_type",
    detail: `Send ${supported.join(" or ")}.`,
    headers: { accept: supported.join(", ") }
  })

const joinRefused = {
  not_open: "Ask again after the campaign has opened.",
  closed: "The campaign takes no more users.",
  full: "As many as may wait at once are waiting. Ask again later."
}

const known = (error: unknown): ProblemFields | undefined => {
  if (error instanceof Problem) return error
  if (error instanceof CampaignNotFound)
    return { code: "campaign_not_found", detail: `There is no campaign ${error.campaignId}.` }
  if (error instanceof JoinRefused) return { code: error.reason, detail: joinRefused[error.reason] }
  if (error instanceof TicketInvalid) return ticketInvalid
  if (error instanceof CampaignExists) return { code: "campaign_exists", detail: `The id ${error.campaignId} is taken.` }
  if (error instanceof ChangeRefused) return { code: "change_refused", detail: error.detail }
  const ofOrder = orderProblem(error)
  if (ofOrder !== undefined) return ofOrder
  if (error instanceof LoadNotFound) return { code: "load_not_found", detail: `There is no load ${error.job}.` }
  if (error instanceof LoadRefused) return loadRefused(error)
  if (error instanceof CrowdNotFound) return { code: "crowd_not_found", detail: `There is no crowd ${error.crowd}.` }
  if (error instanceof CrowdRunning) return { code: "crowd_running", detail: `The crowd ${error.crowd} is under way.` }
  if (error instanceof Unavailable) {
    return { code: "unavailable", detail: `Not available now: ${error.engine}.`, headers: retryAfter(error.retryAfterSeconds) }
  }
  if (HttpApiError.HttpApiSchemaError.is(error) && error.kind !== "Body" && error.kind !== "ResponseHeaders") {
    return invalidInput(error.cause.issue)
  }
  if (HttpServerError.isHttpServerError(error)) {
    if (error.reason._tag === "RouteNotFound") return notFound
    if (error.reason._tag === "RequestParseError") {
      return error.reason.reason === "BodyTooLarge" ? bodyTooLarge : badRequest("The body could not be read.")
    }
  }
  return undefined
}

const orderProblem = (error: unknown): ProblemFields | undefined => {
  if (error instanceof OrderNotFound) return { code: "order_not_found", detail: `There is no order ${error.orderId}.` }
  if (error instanceof OrderForbidden) return forbidden("The order is of another customer.")
  if (error instanceof OrderStateRefused) return { code: "order_state", detail: `The order is ${error.state}.` }
  if (error instanceof OrderRefused) {
    return { code: "order_refused", detail: "Some fields name what is not known here; see errors.", errors: error.errors }
  }
  if (error instanceof CouponSpent) return { code: "coupon_spent", detail: "Another order has spent the coupon." }
  if (error instanceof RebuildRefused) {
    return error.reason === "running"
      ? { code: "rebuild_running", detail: "Wait for its end. One whose process has died is over five seconds later." }
      : { code: "no_former_view", detail: "It was dropped, or the order view was never built anew." }
  }
  if (error instanceof IdempotencyKeyReused) {
    return { code: "idempotency_key_reused", detail: "Send another key, or the body that this key came with." }
  }
  if (error instanceof OrderInProgress) {
    return { code: "order_in_progress", detail: "Ask again in a moment.", headers: retryAfter(error.retryAfterSeconds) }
  }
  return undefined
}

const loadCodes = {
  table: "bad_request",
  own_table: "forbidden",
  source: "bad_request",
  conflict: "load_conflict",
  too_many: "overloaded",
  too_large: "body_too_large",
  rows: "rows_refused"
} as const satisfies Record<LoadRefused["reason"], Code>

const loadRefused = ({ detail, reason }: LoadRefused): ProblemFields => ({
  code: loadCodes[reason],
  detail,
  headers: { connection: "close", ...(reason === "too_many" && retryAfter(5)) }
})

const ticketInvalid: ProblemFields = {
  code: "ticket_invalid",
  detail: "Join again for a ticket of this campaign.",
  headers: { "www-authenticate": 'Bearer realm="sluice ticket"' }
}

export const notFound: Problem = new Problem({ code: "not_found", detail: "See /openapi.json for what there is." })

export const invalidFields = (errors: ReadonlyArray<FieldError>): Problem =>
  badRequest("Some fields are not valid; see errors.", errors)

export const invalidInput = (issue: Parameters<typeof fieldErrors>[0]): Problem => invalidFields(fieldErrors(issue))

/** The answer to an error, and whether it is a defect, which belongs into the log. */
export const problemOf = (error: unknown): { readonly problem: ProblemFields; readonly isDefect: boolean } => {
  const problem = known(error)
  return problem === undefined ? { problem: internal, isDefect: true } : { problem, isDefect: false }
}

export const toResponse = (problem: ProblemFields): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(problemJson(problem), {
    status: statusOf(problem),
    contentType,
    ...(problem.headers && { headers: problem.headers })
  })

/** As it is on the wire. */
export const ProblemJson = Schema.Struct({
  type: Schema.String,
  title: Schema.String,
  status: Schema.Int.check(Schema.isBetween({ minimum: 400, maximum: 599 })),
  detail: Schema.String,
  code: Schema.Literals(Object.keys(codes) as ReadonlyArray<Code>),
  errors: Schema.optionalKey(Schema.Array(Schema.Struct({ path: Schema.String, message: Schema.String })))
}).annotate({
  identifier: "Problem",
  description: "RFC 9457. `code` says what it is, `errors` which fields are not valid and why."
})

/**
 * Declares what an endpoint may answer besides success: the codes of one status. A handler fails with the errors `E` that become them, or
 * with a `Problem`; a client of the API decodes a `Problem`.
 */
export const problem = <E = never>(first: Code, ...others: ReadonlyArray<Code>) =>
  ProblemJson.pipe(
    Schema.decodeTo(
      Schema.declare((u: unknown): u is Problem | E => !problemOf(u).isDefect),
      SchemaTransformation.transform<Problem | E, typeof ProblemJson.Type>({
        decode: ({ code, detail, errors }) => new Problem({ code, detail, ...(errors && { errors }) }),
        encode: (error) => JSON.parse(problemJson(problemOf(error).problem))
      })
    ),
    HttpApiSchema.asJson({ contentType }),
    HttpApiSchema.status(codes[first][0])
  ).annotate({ description: [first, ...others].map((code) => `\`${code}\`: ${codes[code][1]}`).join("; ") })
