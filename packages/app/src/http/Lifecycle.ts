/**
 * Where this process is between start and end, for everything that answers requests.
 *
 * `serving`, then `draining` (readiness says 503, all else as before, each answer ends its connection), then `closing` (streams end,
 * nothing new is begun).
 */
import type { ServerResponse } from "node:http"
import { Context, Deferred, Effect } from "effect"

export type Phase = "serving" | "draining" | "closing"

export class Lifecycle extends Context.Service<
  Lifecycle,
  {
    /** Requests that are not answered to the end yet, event streams among them. */
    inFlight: number
    /** Those of them that joins and looks have taken the short way with. */
    pending: number
    phase: Phase
    /** The answers that the API's handlers are working on. */
    readonly handled: Set<ServerResponse>
    /** Suspends until the phase is `closing`. */
    readonly closing: Effect.Effect<void>
    readonly close: Effect.Effect<void>
  }
>()("sluice/http/Lifecycle") {}

export const makeLifecycle = Effect.gen(function* () {
  const closed = yield* Deferred.make<void>()
  const lifecycle: Lifecycle["Service"] = {
    inFlight: 0,
    pending: 0,
    phase: "serving",
    handled: new Set(),
    closing: Deferred.await(closed),
    close: Effect.suspend(() => {
      lifecycle.phase = "closing"
      return Effect.asVoid(Deferred.succeed(closed, undefined))
    })
  }
  return lifecycle
})
