/** The waiting room as its users see it: join, look, watch, leave. */

import { Drop } from "@sluice/coupons"
import { type CampaignNotFound, isFinal, type JoinRefused, TicketInvalid, UserId } from "@sluice/domain"
import { Effect, Schema, Stream } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { EventStreams } from "../EventStreams.ts"
import { Guard, ofInput, ofJsonBody } from "../Guard.ts"
import { Identity } from "../Identity.ts"
import { Limits } from "../Limits.ts"
import { problem } from "../Problems.ts"
import { ticketJson } from "../Wire.ts"
import { answers, api, CampaignIdParam, eventsOf, Ticket, TicketParam } from "./documents.ts"

export const Join = Schema.Struct({
  userId: Schema.optionalKey(
    UserId.annotate({
      description:
        "Who joins. Where users send a token of their own (`SLUICE_USER_SECRET` or `SLUICE_USER_JWKS` is set) it may be left out, and must be " +
        "the token's `sub` if not. Where they don't it is required: without it the answer is 400."
    })
  )
}).annotate({ identifier: "Join", examples: [{ userId: "u1" }] })

const params = { id: CampaignIdParam, ticket: TicketParam }
const lookErrors = [...ofInput, problem<TicketInvalid>("ticket_invalid"), problem<CampaignNotFound>("campaign_not_found")]

export const Tickets = HttpApiGroup.make("tickets")
  .add(
    HttpApiEndpoint.post("join", "/campaigns/:id/tickets", {
      params: { id: CampaignIdParam },
      payload: Join,
      success: [Ticket.pipe(HttpApiSchema.status(202)), Ticket],
      error: [
        ...ofJsonBody,
        problem("unauthorized"),
        problem("forbidden"),
        problem<CampaignNotFound>("campaign_not_found"),
        problem<JoinRefused>("not_open", "closed", "full")
      ]
    })
      .annotateMerge(answers({ 200: "The place that the user has, or `sold_out`.", 202: "A new place." }))
      .annotateMerge(
        OpenApi.annotations({
          summary: "Join a campaign",
          description:
            "Gives the user a place in the waiting room: 202 for a new one, 200 for the one that the user has. Asking again never moves a " +
            "user back. A sold-out campaign answers 200 with state `sold_out` and no ticket.",
          override: { security: [{}, { userToken: [] }] }
        })
      ),
    HttpApiEndpoint.get("look", "/campaigns/:id/tickets/:ticket", { params, success: Ticket, error: lookErrors }).annotateMerge(
      OpenApi.annotations({ summary: "Look where a ticket stands", description: "Ask again after `pollAfterMs`." })
    ),
    HttpApiEndpoint.get("watch", "/campaigns/:id/tickets/:ticket/events", {
      params,
      success: eventsOf("Ticket"),
      error: lookErrors
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Watch a ticket",
        description:
          "Ends after a final state (`issued`, `sold_out`, `left`, `closed`): close the connection then, or it is made again."
      })
    ),
    HttpApiEndpoint.delete("leave", "/campaigns/:id/tickets/:ticket", {
      params,
      success: HttpApiSchema.NoContent,
      error: lookErrors
    })
      .annotateMerge(answers({ 204: "The place is given up." }))
      .annotateMerge(OpenApi.annotations({ summary: "Give a place up", description: "A coupon that is won stays won." }))
  )
  .annotateMerge(OpenApi.annotations({ description: "Places in the waiting room of a campaign." }))

export const ticketsApi = api.add(Tickets).middleware(Guard)

export const layerTickets = HttpApiBuilder.group(
  ticketsApi,
  "tickets",
  Effect.fnUntraced(function* (handlers) {
    const drop = yield* Drop
    const identity = yield* Identity
    const limits = yield* Limits
    const streams = yield* EventStreams
    /** Each request of a ticket counts against it, whatever it asks. */
    const admit = Effect.fnUntraced(function* ({ id, ticket }: { readonly id: string; readonly ticket: string }) {
      const verified = drop.verifyUnsafe(id, ticket)
      if (verified === undefined) return yield* new TicketInvalid()
      yield* limits.user(verified)
    })
    const json = (status: number, body: string) => HttpServerResponse.text(body, { status, contentType: "application/json" })

    return handlers.handleAll({
      join: Effect.fnUntraced(function* ({ params, payload, request }) {
        const userId = yield* identity.user(request.headers.authorization, payload.userId)
        yield* limits.user(userId)
        const { isNew, view } = yield* drop.join(params.id, userId)
        return json(isNew ? 202 : 200, ticketJson(view))
      }),
      look: Effect.fnUntraced(function* ({ params }) {
        yield* admit(params)
        return json(200, ticketJson(yield* drop.look(params.id, params.ticket)))
      }),
      watch: Effect.fnUntraced(function* ({ params, request }) {
        yield* admit(params)
        return yield* streams.answer(
          request,
          Stream.takeUntil(drop.watch(params.id, params.ticket), (view) => isFinal(view.state))
        )
      }),
      leave: Effect.fnUntraced(function* ({ params }) {
        yield* admit(params)
        yield* drop.leave(params.id, params.ticket)
      })
    })
  })
)
