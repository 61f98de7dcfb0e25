/**
 * The API as an `HttpApiClient`, for programs on Effect: typed answers, typed refusals (`Problem`, with its `code`), every answer decoded.
 *
 * It is made from the server's own definition, which stands beside its handlers: importing this module loads the server's modules and
 * starts nothing. For a browser, and wherever loading counts, take `@sluice/client`.
 */
import { Api } from "@sluice/app/http/Api"
import { Context, Effect, Layer, Redacted, Stream } from "effect"
import { FetchHttpClient, HttpClient, HttpClientRequest } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { makeClient } from "./Client.ts"
import { type JoinAndWait, joinAndWait as joinAndWaitPromise, type Outcome } from "./joinAndWait.ts"
import { SluiceProblem, SluiceUnreachable } from "./SluiceError.ts"
import type { Campaign, Ticket } from "./types.ts"

export { Problem } from "@sluice/app/http/Problems"
export { Api, type JoinAndWait, type Outcome, SluiceProblem, SluiceUnreachable }

export interface SluiceOptions {
  readonly baseUrl: string
  /** The bearer token: a user's own, or the admin key. */
  readonly token?: Redacted.Redacted | undefined
}

const make = ({ baseUrl, token }: SluiceOptions) =>
  HttpApiClient.make(Api, {
    baseUrl,
    ...(token !== undefined && { transformClient: HttpClient.mapRequest(HttpClientRequest.bearerToken(token)) })
  })

/** A group of methods for each group of the API: `sluice.tickets.join({ params: { id }, payload: { userId } })`. */
export class Sluice extends Context.Service<Sluice, Effect.Success<ReturnType<typeof make>>>()("@sluice/client/Sluice") {
  static readonly layer = (options: SluiceOptions) => Layer.effect(Sluice, make(options))
  /** Over `fetch`. */
  static readonly layerFetch = (options: SluiceOptions) => Sluice.layer(options).pipe(Layer.provide(FetchHttpClient.layer))
}

type Failure = SluiceProblem | SluiceUnreachable

const failure = (error: unknown): Failure => {
  if (error instanceof SluiceProblem || error instanceof SluiceUnreachable) return error
  throw error
}

const plain = ({ baseUrl, token }: SluiceOptions) =>
  makeClient({ baseUrl, ...(token !== undefined && { token: Redacted.value(token) }) })

/** As `joinAndWait` of `@sluice/client`; an interruption ends the waiting and not the place. */
export const joinAndWait = (options: Omit<JoinAndWait, "signal">): Effect.Effect<Outcome, Failure> =>
  Effect.tryPromise({ try: (signal) => joinAndWaitPromise({ ...options, signal }), catch: failure })

/** A campaign's counters, at once and after each change. */
export const watchCampaign = (options: SluiceOptions, campaignId: string): Stream.Stream<Campaign, Failure> =>
  Stream.fromAsyncIterable(plain(options).campaigns.watch(campaignId), failure)

/** A ticket to its final state. */
export const watchTicket = (options: SluiceOptions, campaignId: string, ticket: string): Stream.Stream<Ticket, Failure> =>
  Stream.fromAsyncIterable(plain(options).tickets.watch(campaignId, ticket), failure)
