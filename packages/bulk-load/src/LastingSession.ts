/**
 * A connection for questions that can be asked again: one that was cut is opened anew for the next question, and for the same one.
 *
 * For nothing else: what was under way on a connection that broke may have happened.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Redacted from "effect/Redacted"
import type * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { LoadError } from "./LoadTarget.ts"
import { type MariaDbSession, openSession, type SessionOptions } from "./MariaDbSession.ts"

export type Ask = <A, E>(f: (session: MariaDbSession) => Effect.Effect<A, E | LoadError>) => Effect.Effect<A, E | LoadError>

const isTransient = (error: unknown): boolean => (error as LoadError)._tag === "LoadError" && (error as LoadError).isTransient

export const makeAsk = (
  url: Redacted.Redacted,
  again: Schedule.Schedule<unknown>,
  options?: SessionOptions
): Effect.Effect<Ask, never, Scope.Scope> =>
  Effect.gen(function* () {
    const outer = yield* Effect.scope
    const oneAtATime = yield* Semaphore.make(1)
    let opened: { readonly session: MariaDbSession; readonly scope: Scope.Closeable } | undefined
    const get = Effect.gen(function* () {
      if (opened !== undefined) return opened
      const scope = yield* Scope.fork(outer)
      const session = yield* Effect.provideService(openSession(url, options), Scope.Scope, scope).pipe(
        Effect.onError(() => Scope.close(scope, Exit.void))
      )
      opened = { session, scope }
      return opened
    }).pipe(oneAtATime.withPermits(1))
    return (f) =>
      Effect.flatMap(get, (used) =>
        Effect.tapError(f(used.session), (error) =>
          Effect.suspend(() => {
            if (!isTransient(error) || opened !== used) return Effect.void
            opened = undefined
            return Scope.close(used.scope, Exit.void)
          })
        )
      ).pipe(Effect.retry({ while: isTransient, schedule: again }))
  })
