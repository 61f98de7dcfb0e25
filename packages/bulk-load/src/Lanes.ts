/**
 * The connections of one load: a chunk has one for itself until it has ended.
 *
 * The first one holds the job's lock; whoever held it before has ended, and so have his transactions. A lane that broke is opened anew by
 * whoever has it.
 */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { LoadError } from "./LoadTarget.ts"
import { type MariaDbSession, openSession, type SessionOptions } from "./MariaDbSession.ts"

export interface Lane {
  readonly session: () => MariaDbSession
  /** On a new connection, after the old one has been closed. */
  readonly reopen: Effect.Effect<void, LoadError>
}

export interface Lanes {
  /** Whoever comes first is served first. */
  readonly use: <A, E, R>(f: (lane: Lane) => Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/** Names of locks are the whole server's, short, and blind to case. */
export const lockOf = (database: string, job: string) =>
  `sluice.load.${createHash("sha256").update(`${database}\0${job}`).digest("hex").slice(0, 40)}`

export interface LanesOptions {
  readonly job: string
  readonly lock: string
  readonly most: number
  readonly session: SessionOptions
}

const connect = (url: Redacted.Redacted, { job, lock, session: options }: LanesOptions) =>
  Effect.fnUntraced(function* (patienceSeconds: number) {
    const session = yield* openSession(url, options)
    const [row] = yield* session.query<{ got: number | null }>("SELECT GET_LOCK(?, ?) AS got", [lock, patienceSeconds])
    if (row?.got === 1) return session
    return yield* new LoadError({ message: `another loader works on the job ${job}`, isTransient: false })
  })

type Open = (isAgain: boolean) => Effect.Effect<MariaDbSession, LoadError, Scope.Scope>

const openLane = (open: Open) =>
  Effect.gen(function* () {
    const outer = yield* Effect.scope
    let inner = yield* Scope.fork(outer)
    const opened = (isAgain: boolean) =>
      Effect.provideService(open(isAgain), Scope.Scope, inner).pipe(
        Effect.onError((cause) => Scope.close(inner, Exit.failCause(cause)))
      )
    let session = yield* opened(false)
    const lane: Lane = {
      session: () => session,
      reopen: Effect.gen(function* () {
        yield* Scope.close(inner, Exit.void)
        inner = yield* Scope.fork(outer)
        session = yield* opened(true)
      })
    }
    return lane
  })

export const makeLanes = Effect.fnUntraced(function* (url: Redacted.Redacted, options: LanesOptions) {
  const scope = yield* Effect.scope
  const locked = connect(url, options)
  const free = yield* Queue.unbounded<Lane>()
  yield* Queue.offer(free, yield* openLane((isAgain) => locked(isAgain ? 30 : 5)))
  let more = options.most - 1
  const openMore = Effect.suspend(() => {
    more--
    return openLane(() => openSession(url, options.session)).pipe(
      Effect.provideService(Scope.Scope, scope),
      Effect.catch(({ message }) => {
        more = 0
        return Effect.andThen(Effect.logWarning(`no further connection for ${options.job}: ${message}`), Queue.take(free))
      })
    )
  })
  const take = Effect.flatMap(Queue.poll(free), (lane) =>
    Option.isSome(lane) ? Effect.succeed(lane.value) : more > 0 ? openMore : Queue.take(free)
  )
  return {
    use: (f) => Effect.acquireUseRelease(take, f, (lane) => Queue.offer(free, lane))
  } satisfies Lanes as Lanes
})
