/** What the groups have in common when they describe themselves. */
import { CampaignId, CampaignView, TicketView, UserId } from "@sluice/domain"
import { type JsonSchema, Schema } from "effect"
import { HttpApi, HttpApiSchema, OpenApi } from "effect/http-api"
import { parseOptions } from "../Input.ts"

/** Every group is written against an API of its own under this name, so that it can be served with or without the others. */
export const api = HttpApi.make("sluice").annotate(HttpApi.ParseOptions, parseOptions).annotate(HttpApi.HeadersParseOptions, {})

export const CampaignIdParam = CampaignId.annotate({ description: "The id of the campaign.", examples: ["spring-sale"] })
export const UserIdParam = UserId.annotate({ description: "The id of the user.", examples: ["u1"] })
export const TicketParam = Schema.String.annotate({
  description: "The ticket that joining gave.",
  examples: ["eyJhbGciOiJIUzI1NiIsImtpZCI6ImExIn0.eyJzdWIiOiJ1MSJ9.c2lnbmF0dXJl"]
})

const ticket = "eyJhbGciOiJIUzI1NiIsImtpZCI6ImExIn0.eyJzdWIiOiJ1MSJ9.c2lnbmF0dXJl"

export const Ticket = Schema.Struct({ ...TicketView.fields, etaSeconds: Schema.NullOr(Schema.Finite) }).annotate({
  identifier: "Ticket",
  description:
    "Where a user stands. `waiting`: `position` is 1-based, `etaSeconds` is null when it can't be known. `issuing`: won, being written. " +
    "`issued`: committed, with `serial` and `code`. `sold_out`, `left`, `closed`: over. `pollAfterMs` says when to look again; null: no need.",
  examples: [
    { ticket, state: "waiting", position: 1042, etaSeconds: 11, pollAfterMs: 2000 },
    { ticket, state: "issued", position: null, etaSeconds: null, pollAfterMs: null, serial: 17, code: "SPRING-7K2M-9QXA" },
    { ticket: null, state: "sold_out", position: null, etaSeconds: null, pollAfterMs: null }
  ]
})

export const Campaign = CampaignView.annotate({
  identifier: "Campaign",
  description: "A campaign with its counters, taken in one step: always stock = remaining + issuing + issued + dead.",
  examples: [
    {
      id: "spring-sale",
      name: "Spring sale",
      state: "open",
      stock: 1000,
      remaining: 640,
      waiting: 52_311,
      issuing: 12,
      issued: 348,
      dead: 0,
      ratePerSecond: 100,
      opensAt: "2026-11-24T12:00:00.000Z",
      closesAt: null,
      maxWaiting: null
    }
  ]
})

/** A whole number in a query, in digits and nothing else. */
export const wholeNumber = (minimum: number, maximum: number, description?: string) =>
  Schema.String.check(
    Schema.makeFilter((text) => /^[0-9]{1,16}$/.test(text) && Number(text) >= minimum && Number(text) <= maximum, {
      expected: `a whole number from ${minimum} to ${maximum}`,
      toJsonSchema: () => ({ type: "integer", minimum, maximum }),
      ...(description !== undefined && { description })
    })
  ).pipe(Schema.decodeTo(Schema.FiniteFromString))

/** Documents parameters that are text of digits as the numbers that they say: on the wire the two are the same. */
export const withNumbers = (paths: OpenApi.OpenAPISpecPaths): OpenApi.OpenAPISpecPaths => {
  for (const operations of Object.values(paths)) {
    for (const { parameters = [] } of Object.values(operations) as ReadonlyArray<Partial<OpenApi.OpenAPISpecOperation>>) {
      for (const parameter of parameters) {
        const { allOf } = parameter.schema as JsonSchema.JsonSchema
        if (Array.isArray(allOf) && allOf[0]?.type === "integer") parameter.schema = allOf[0]
      }
    }
  }
  return paths
}

/** A stream of events, each with one value of the schema as its data. */
export const eventsOf = (name: string) =>
  Schema.String.pipe(HttpApiSchema.asText({ contentType: "text/event-stream" })).annotate({
    description: `Server-Sent Events: the data of each is one ${name} as JSON, the first at once, then one after each change.`,
    examples: ['retry: 2000\n\ndata: {"state":"waiting","position":1042}\n\n']
  })

/** Says in the document what the answers of an endpoint mean; null leaves one out that can't be. */
export const answers = (descriptions: Readonly<Record<number, string | null>>) =>
  OpenApi.annotations({
    transform: (operation) => {
      const responses = { ...operation.responses }
      for (const [status, description] of Object.entries(descriptions)) {
        if (description === null) delete responses[status]
        else responses[status] = { ...responses[status], description }
      }
      return { ...operation, responses }
    }
  })
