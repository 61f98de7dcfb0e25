/**
 * `GET /orders/{id}` and `GET /customers/{id}/orders` answered without the router, as `FastPath` answers joins and looks: the orders' JSON
 * is sent as it stands in the view, and an order that can be read at once takes no fiber.
 *
 * They take only requests that are written the plain way and need nothing but the view: no query but an order's version, no escapes, no
 * token of a user. Every other goes to the API's own handler, which gives the same answers; a test holds the two against each other.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import type { OrderId, OrderNotFound, Unavailable } from "@sluice/domain"
import { OrderReads, type OrderViews } from "@sluice/orders"
import { Cause, Effect, Exit } from "effect"
import type { FastPath } from "./FastPath.ts"
import { logDefect, ofCause } from "./Guard.ts"
import { defaultLimit, pageJson } from "./groups/order-reads.ts"
import type { HttpMetrics } from "./HttpMetrics.ts"
import { Identity } from "./Identity.ts"
import { Lifecycle } from "./Lifecycle.ts"
import type { HttpOptions } from "./Options.ts"
import { overloaded } from "./Problems.ts"
import { sendJson, sendProblem } from "./Wire.ts"

const order = /^\/orders\/([0-9A-Za-z_-]{1,64})(?:\?version=([1-9]\d{0,8}))?$/
const page = /^\/customers\/([0-9A-Za-z_-]{1,64})\/orders$/

const hasBody = ({ headers }: IncomingMessage) =>
  headers["transfer-encoding"] !== undefined || headers["content-length"] !== undefined

const isMissing = (cause: Cause.Cause<OrderNotFound | Unavailable>) =>
  cause.reasons.some((reason) => reason._tag === "Fail" && reason.error._tag === "OrderNotFound")

const orderJson = ({ json }: OrderViews.StoredOrder) => json

export const makeFastOrders = Effect.fnUntraced(function* (options: HttpOptions, metrics: HttpMetrics) {
  const reads = yield* OrderReads.OrderReads
  const { verifyUser } = yield* Identity
  const lifecycle = yield* Lifecycle
  const context = yield* Effect.context<never>()
  const maxPending = options.maxInFlight ?? 20_000
  const fork = Effect.runForkWith(context)
  const finds = metrics.route("GET", "/orders/:id")
  const pages = metrics.route("GET", "/customers/:id/orders")

  const fail = (req: IncomingMessage, res: ServerResponse, cause: Cause.Cause<unknown>): void => {
    const { isDefect, problem } = ofCause(cause)
    if (isDefect) fork(logDefect(cause))
    sendProblem(req, res, problem)
  }

  const answer = <A, E>(req: IncomingMessage, res: ServerResponse, exit: Exit.Exit<A, E>, json: (found: A) => string): void => {
    if (res.destroyed) return
    if (lifecycle.phase !== "serving") res.shouldKeepAlive = false
    if (Exit.isSuccess(exit)) sendJson(res, 200, json(exit.value))
    else fail(req, res, exit.cause)
  }

  /** Given up when the client has gone. */
  const answerLater = <A, E>(
    req: IncomingMessage,
    res: ServerResponse,
    found: Effect.Effect<A, E>,
    json: (found: A) => string
  ) => {
    const fiber = fork(found)
    fiber.addObserver((exit) => answer(req, res, exit, json))
    res.once("close", () => fiber.interruptUnsafe())
  }

  const find = (req: IncomingMessage, res: ServerResponse, id: OrderId, version: number | undefined) =>
    reads.findUnsafe(id, (exit) => {
      const isThere = Exit.isSuccess(exit) ? exit.value.version >= (version ?? 1) : !isMissing(exit.cause)
      if (version === undefined || isThere) answer(req, res, exit, orderJson)
      else if (!res.destroyed) answerLater(req, res, reads.find(id, version), orderJson)
    })

  const fastOrders: FastPath = (req, res) => {
    if (verifyUser !== undefined || req.method !== "GET" || hasBody(req)) return undefined
    const [, orderId, version] = order.exec(req.url!) ?? []
    const customerId = orderId === undefined ? page.exec(req.url!)?.[1] : undefined
    if (orderId === undefined && customerId === undefined) return undefined
    const route = orderId === undefined ? pages : finds
    if (lifecycle.pending >= maxPending) {
      sendProblem(req, res, overloaded)
      return route
    }
    try {
      if (orderId !== undefined) find(req, res, orderId, version === undefined ? undefined : Number(version))
      else if (customerId !== undefined) answerLater(req, res, reads.page({ customerId, limit: defaultLimit }), pageJson)
    } catch (defect) {
      fail(req, res, Cause.die(defect))
    }
    return route
  }
  return fastOrders
})
