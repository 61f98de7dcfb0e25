/**
 * What engines cost their callers, counted where it happens: nothing is added to a call that succeeds.
 *
 * Plain functions, since most of it happens in callbacks of the drivers.
 */
import { Context, Effect, Metric } from "effect"
import type { SqlError } from "effect/sql"

export type Engine = "mariadb" | "redis" | "kafka" | "mongodb" | "sqlite"

/** `connection`: there was none, or it was lost. `timeout`: no answer in time. `refused`: the engine answered that it can't. */
export type Reason = "connection" | "timeout" | "refused"

/** `connect`: a connection was lost or given up and is taken up again. `call`: something was asked or sent once more. */
export type Kind = "connect" | "call"

const failures = Metric.counter("sluice_engine_failures_total", {
  description: "Calls to an engine that failed.",
  incremental: true
})
const retries = Metric.counter("sluice_engine_retries_total", {
  description: "Connections that were taken up again, and calls that were repeated.",
  incremental: true
})

/** Of the process, as `/metrics` shows it. */
const context = Context.empty()

const memo = <A, B>(make: (a: A, b: B) => Metric.Counter<number>) => {
  const made = new Map<string, Metric.Counter<number>>()
  return (a: A, b: B) => {
    const key = `${a} ${b}`
    const known = made.get(key)
    if (known !== undefined) return known
    const counter = make(a, b)
    made.set(key, counter)
    return counter
  }
}

const failed = memo((engine: Engine, reason: Reason) => Metric.withAttributes(failures, { engine, reason }))
const retried = memo((engine: Engine, kind: Kind) => Metric.withAttributes(retries, { engine, kind }))

export const countFailure = (engine: Engine, reason: Reason): void => failed(engine, reason).updateUnsafe(1, context)
export const countRetry = (engine: Engine, kind: Kind): void => retried(engine, kind).updateUnsafe(1, context)

const sqlReasons: { readonly [tag in SqlError.SqlErrorReason["_tag"]]?: Reason } = {
  ConnectionError: "connection",
  StatementTimeoutError: "timeout",
  LockTimeoutError: "timeout",
  DeadlockError: "refused",
  SerializationError: "refused",
  AuthenticationError: "refused",
  AuthorizationError: "refused",
  UnknownError: "refused"
}

/** A broken constraint or a wrong statement is the caller's, and not counted. */
export const countSqlFailure = (engine: Engine, { _tag }: SqlError.SqlErrorReason): void => {
  const reason = sqlReasons[_tag]
  if (reason !== undefined) countFailure(engine, reason)
}

/** Lets an engine's counts be seen before there are any. */
export const show = (engine: Engine): Effect.Effect<void> =>
  Effect.sync(() => {
    for (const reason of ["connection", "timeout", "refused"] as const) failed(engine, reason).valueUnsafe(context)
    for (const kind of ["connect", "call"] as const) retried(engine, kind).valueUnsafe(context)
  })

export const failuresOf = (engine: Engine, reason: Reason): number => failed(engine, reason).valueUnsafe(context).count
export const retriesOf = (engine: Engine, kind: Kind): number => retried(engine, kind).valueUnsafe(context).count
