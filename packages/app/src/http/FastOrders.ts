/**
 * `GET /orders/{id}` answered without the router, as `FastPath` answers joins and looks: no fiber a request, and the order's JSON is sent
 * as it stands in the view.
 *
 * It takes only requests that are written the plain way and need nothing but the view: no query, no escapes, no token of a user. Every
 * other goes to the API's own handler, which gives the same answers; a test holds the two against each other.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import { OrderReads } from "@sluice/orders"
import { Cause, Effect, Exit } from "effect"
import type { FastPath } from "./FastPath.ts"
import { logDefect, ofCause } from "./Guard.ts"
import type { HttpMetrics } from "./HttpMetrics.ts"
import { Identity } from "./Identity.ts"
import { Lifecycle } from "./Lifecycle.ts"
import type { HttpOptions } from "./Options.ts"
import { overloaded } from "./Problems.ts"
import { sendJson, sendProblem } from "./Wire.ts"

const plain = /^\/orders\/([0-9A-Za-z_-]{1,64})$/

const hasBody = ({ headers }: IncomingMessage) =>
  headers["transfer-encoding"] !== undefined || headers["content-length"] !== undefined

export const makeFastOrders = Effect.fnUntraced(function* (options: HttpOptions, metrics: HttpMetrics) {
  const reads = yield* OrderReads.OrderReads
  const { verifyUser } = yield* Identity
  const lifecycle = yield* Lifecycle
  const context = yield* Effect.context<never>()
  const maxPending = options.maxInFlight ?? 20_000
  const finds = metrics.route("GET", "/orders/:id")

  const fail = (req: IncomingMessage, res: ServerResponse, cause: Cause.Cause<unknown>): void => {
    const { isDefect, problem } = ofCause(cause)
    if (isDefect) Effect.runForkWith(context)(logDefect(cause))
    sendProblem(req, res, problem)
  }

  const fastOrders: FastPath = (req, res) => {
    if (verifyUser !== undefined || req.method !== "GET" || hasBody(req)) return undefined
    const id = plain.exec(req.url!)?.[1]
    if (id === undefined) return undefined
    if (lifecycle.pending >= maxPending) {
      sendProblem(req, res, overloaded)
      return finds
    }
    try {
      reads.findUnsafe(id, (exit) => {
        if (res.destroyed) return
        if (lifecycle.phase !== "serving") res.shouldKeepAlive = false
        if (Exit.isSuccess(exit)) sendJson(res, 200, exit.value.json)
        else fail(req, res, exit.cause)
      })
    } catch (defect) {
      fail(req, res, Cause.die(defect))
    }
    return finds
  }
  return fastOrders
})
