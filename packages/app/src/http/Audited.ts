/**
 * Writes every change that an admin makes over HTTP to the audit log, once it is known how it ended.
 *
 * It stands inside `Admin`, so only of those who hold the key. What was no valid request changed nothing and is not written. Headers are
 * never part of an entry, and neither are names and addresses of customers.
 */
import type { IncomingMessage } from "node:http"
import { NodeHttpServerRequest } from "@effect/platform-node"
import { winsTopic } from "@sluice/domain"
import { Cause, Context, Effect, Exit, Layer } from "effect"
import { HttpRouter, HttpServerRequest } from "effect/http"
import { HttpApiMiddleware } from "effect/http-api"
import { AuditLog, type Change } from "../audit/AuditLog.ts"
import { ofCause } from "./Guard.ts"
import { Identity } from "./Identity.ts"
import { Limits } from "./Limits.ts"
import type { Code } from "./Problems.ts"

type Fields = Readonly<Record<string, unknown>>

interface Asked {
  readonly params: Readonly<Record<string, string | undefined>>
  readonly query: Fields
  /** Of a JSON body. */
  readonly body: Fields
}

interface Rule {
  readonly action: string
  readonly target: (asked: Asked) => unknown
  /** What was asked, unless the handler says more. */
  readonly change?: (asked: Asked) => Fields
  /** Whether it changes anything at all. */
  readonly when?: (asked: Asked) => boolean
}

const ofId = ({ params }: Asked) => params.id

/** By group and endpoint. A change without a rule is written under these names. */
export const rules: Readonly<Record<string, Rule>> = {
  "campaign-admin.create": { action: "campaign.create", target: ({ body }) => body.id },
  "campaign-admin.change": { action: "campaign.change", target: ofId },
  "campaign-admin.reconcile": { action: "campaign.reconcile", target: ofId },
  "shop-admin.putCustomer": { action: "customer.put", target: ofId, change: ({ body: { level } }) => ({ level }) },
  "shop-admin.putProduct": { action: "product.put", target: ofId },
  "loads.upload": { action: "load.start", target: ({ query }) => query.job ?? query.table },
  "loads.cancel": { action: "load.cancel", target: ({ params }) => params.job },
  "dead-letters.replay": { action: "dead_letters.replay", target: ({ query }) => query.topic ?? winsTopic },
  "orders-admin.verify": { action: "orders.repair", target: () => "orders", when: ({ query }) => query.repair === "true" },
  "orders-admin.rebuild": { action: "orders.rebuild", target: () => "orders" },
  "orders-admin.back": { action: "orders.back", target: () => "orders" },
  "orders-admin.drop": { action: "orders.drop", target: () => "orders" },
  "crowds.start": { action: "crowd.start", target: ({ body }) => body.campaignId },
  "crowds.stop": { action: "crowd.stop", target: ({ params }) => params.crowd }
}

/** Refused before anything was asked to change. */
const untouched: ReadonlySet<string> = new Set<Code>(["bad_request", "body_too_large", "unsupported_media_type", "not_found"])

interface Note {
  target?: string
  change?: Fields
}

/** Where a handler says more of its change than its request did. */
export const ChangeNote = Context.Reference<Note>("sluice/http/ChangeNote", { defaultValue: () => ({}) })

export class Audited extends HttpApiMiddleware.Service<Audited>()("sluice/http/Audited") {}

const bodyOf = (request: HttpServerRequest.HttpServerRequest) =>
  Effect.map(request.arrayBuffer, (bytes): Fields => JSON.parse(Buffer.from(bytes).toString("utf8"))).pipe(
    Effect.catchCause(() => Effect.succeed<Fields>({}))
  )

const outcomeOf = (exit: Exit.Exit<unknown, unknown>): string => {
  if (Exit.isSuccess(exit)) return "done"
  return Cause.hasInterruptsOnly(exit.cause) ? "unknown" : ofCause(exit.cause).problem.code
}

/** No entry can tell the key, whatever a caller wrote where. */
const without = (conceal: (text: string) => string, change: Change): Change =>
  JSON.parse(JSON.stringify(change, (_, value) => (typeof value === "string" ? conceal(value) : value)))

export const layerAudited = Layer.effect(
  Audited,
  Effect.gen(function* () {
    const log = yield* AuditLog
    const { conceal } = yield* Identity
    const { addressOf } = yield* Limits
    return Audited.of((handler, { endpoint, group }) => {
      if (endpoint.method === "GET") return handler
      const name = `${group.identifier}.${endpoint.identifier}`
      const rule = rules[name] ?? { action: name, target: ofId }
      const isJson = endpoint.payload.has("application/json")
      return Effect.gen(function* () {
        const request = yield* HttpServerRequest.HttpServerRequest
        const asked: Asked = {
          params: yield* HttpRouter.params,
          query: yield* HttpServerRequest.ParsedSearchParams,
          body: isJson ? yield* bodyOf(request) : {}
        }
        if (rule.when?.(asked) === false) return yield* handler
        const actor = addressOf(NodeHttpServerRequest.toIncomingMessage(request) as IncomingMessage)
        const note: Note = {}
        return yield* handler.pipe(
          Effect.provideService(ChangeNote, note),
          Effect.onExit((exit) => {
            const outcome = outcomeOf(exit)
            if (untouched.has(outcome)) return Effect.void
            const change = note.change ?? rule.change?.(asked) ?? { ...asked.query, ...asked.body }
            const target = String(note.target ?? rule.target(asked) ?? "")
            return log.record(without(conceal, { actor, action: rule.action, target, change, outcome }))
          })
        )
      })
    })
  })
)
