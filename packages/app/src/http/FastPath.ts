/**
 * Joins and looks, the requests that come by the ten thousand, answered without the router: no fiber and no URL object a request, one
 * closure, one write.
 *
 * It takes only requests that are written the plain way: a path without query and escapes, ids that may be ids, JSON with a declared
 * length within the limit. Every other spelling, and every other path, goes to the API's own handlers, which give the same answers; a
 * test holds the two against each other.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import { Drop } from "@sluice/coupons"
import { idPattern, isId, TicketInvalid, type UserId } from "@sluice/domain"
import type { VerifiedTicket } from "@sluice/waiting-room"
import { Cause, Effect, Exit, Result, Schema } from "effect"
import { logDefect, ofCause } from "./Guard.ts"
import { Join } from "./groups/tickets.ts"
import type { HttpMetrics, RouteMetrics } from "./HttpMetrics.ts"
import { Identity, whoIs } from "./Identity.ts"
import { bodyLimit, isJson, parseJson, parseOptions } from "./Input.ts"
import { Lifecycle } from "./Lifecycle.ts"
import { Limits } from "./Limits.ts"
import type { HttpOptions } from "./Options.ts"
import { badRequest, invalidInput, overloaded, Problem } from "./Problems.ts"
import { sendJson, sendProblem, ticketJson } from "./Wire.ts"

/** Takes a request, or leaves it untouched: undefined. What it gives is what the request counts as. */
export type FastPath = (req: IncomingMessage, res: ServerResponse) => RouteMetrics | undefined

const decodeJoin = Schema.decodeUnknownResult(Join, parseOptions)

/** Reads the body of a join, exactly as the API's guard and schema do. */
export const readJoin = (body: Buffer): { readonly userId: UserId | undefined } | Problem => {
  const parsed = parseJson(body)
  if (!parsed.ok) return badRequest(parsed.detail, parsed.errors)
  const decoded = decodeJoin(parsed.value)
  return Result.isSuccess(decoded) ? { userId: decoded.success.userId } : invalidInput(decoded.failure.issue)
}

/** `{"userId":"..."}` as most write it. Any other spelling of it is read as all JSON is. */
const plainJoin = new RegExp(`^\\{"userId": ?"(${idPattern.source.slice(1, -1)})"\\}$`)

const plainUser = (body: Buffer): UserId | undefined => plainJoin.exec(body.toString("latin1"))?.[1]

const state = Symbol("sluice.join")

/** A join whose body is still coming. */
class Joining {
  readonly res: ServerResponse
  readonly campaignId: string
  body: Buffer | undefined

  constructor(res: ServerResponse, campaignId: string) {
    this.res = res
    this.campaignId = campaignId
  }
}

interface JoinRequest extends IncomingMessage {
  [state]?: Joining
}

function onData(this: JoinRequest, chunk: Buffer): void {
  const joining = this[state]!
  joining.body = joining.body === undefined ? chunk : Buffer.concat([joining.body, chunk])
}

const invalid = ofCause(Cause.fail(new TicketInvalid())).problem

/** What stands in a path as it is, and may be meant as a ticket. */
const isSegment = /^[\w.-]+$/

const prefix = "/campaigns/"
const tickets = "/tickets"

export const makeFastPath = Effect.fnUntraced(function* (options: HttpOptions, metrics: HttpMetrics) {
  const drop = yield* Drop
  const { verifyUser } = yield* Identity
  const { users } = yield* Limits
  const lifecycle = yield* Lifecycle
  const context = yield* Effect.context<never>()
  const maxPending = options.maxInFlight ?? 20_000
  const joins = metrics.route("POST", "/campaigns/:id/tickets")
  const looks = metrics.route("GET", "/campaigns/:id/tickets/:ticket")

  const fail = (req: IncomingMessage, res: ServerResponse, cause: Cause.Cause<unknown>): void => {
    const { isDefect, problem } = ofCause(cause)
    if (isDefect) Effect.runForkWith(context)(logDefect(cause))
    sendProblem(req, res, problem)
  }

  const join = (req: IncomingMessage, { campaignId, res }: Joining, user: UserId | Problem): void => {
    if (user instanceof Problem) {
      sendProblem(req, res, user)
      return
    }
    const refusal = users?.take(user, performance.now())
    if (refusal !== undefined) {
      sendProblem(req, res, refusal)
      return
    }
    try {
      drop.joinUnsafe(campaignId, user, (exit) => {
        if (res.destroyed) return
        if (lifecycle.phase !== "serving") res.shouldKeepAlive = false
        if (Exit.isSuccess(exit)) sendJson(res, exit.value.isNew ? 202 : 200, ticketJson(exit.value.view))
        else fail(req, res, exit.cause)
      })
    } catch (defect) {
      fail(req, res, Cause.die(defect))
    }
  }

  const look = (req: IncomingMessage, res: ServerResponse, ticket: VerifiedTicket): void => {
    const refusal = users?.takeFrom(ticket, performance.now())
    if (refusal !== undefined) {
      sendProblem(req, res, refusal)
      return
    }
    try {
      drop.lookUnsafe(ticket, (exit) => {
        if (res.destroyed) return
        if (lifecycle.phase !== "serving") res.shouldKeepAlive = false
        if (Exit.isSuccess(exit)) sendJson(res, 200, ticketJson(exit.value))
        else fail(req, res, exit.cause)
      })
    } catch (defect) {
      fail(req, res, Cause.die(defect))
    }
  }

  function onEnd(this: JoinRequest): void {
    const joining = this[state]!
    const body = joining.body ?? Buffer.alloc(0)
    const plain = plainUser(body)
    const read = plain === undefined ? readJoin(body) : { userId: plain }
    if (read instanceof Problem) {
      sendProblem(this, joining.res, read)
      return
    }
    if (verifyUser === undefined) join(this, joining, whoIs(undefined, read.userId))
    else verifyUser(this.headers.authorization).then((verified) => join(this, joining, whoIs(verified, read.userId)))
  }

  const fastPath: FastPath = (req: JoinRequest, res) => {
    const url = req.url!
    if (!url.startsWith(prefix)) return undefined
    const idEnd = url.indexOf("/", prefix.length)
    if (idEnd === -1 || !url.startsWith(tickets, idEnd)) return undefined
    const campaignId = url.slice(prefix.length, idEnd)
    if (!isId(campaignId)) return undefined
    const end = idEnd + tickets.length
    if (url.length === end) {
      const { headers } = req
      const length = headers["content-length"]
      if (req.method !== "POST" || length === undefined || Number(length) > bodyLimit || !isJson(headers["content-type"])) {
        return undefined
      }
      if (lifecycle.pending >= maxPending) {
        sendProblem(req, res, overloaded)
      } else {
        req[state] = new Joining(res, campaignId)
        req.on("data", onData)
        req.on("end", onEnd)
      }
      return joins
    }
    if (req.method !== "GET" || url.charCodeAt(end) !== 47) return undefined
    const text = url.slice(end + 1)
    const ticket = drop.verifyUnsafe(campaignId, text)
    if (ticket === undefined && !isSegment.test(text)) return undefined
    if (ticket === undefined) sendProblem(req, res, invalid)
    else if (lifecycle.pending >= maxPending) sendProblem(req, res, overloaded)
    else look(req, res, ticket)
    return looks
  }
  return fastPath
})
