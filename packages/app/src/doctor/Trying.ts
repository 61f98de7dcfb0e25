/** Harmless tries at an engine: a step that is refused is noted, and the next one is taken all the same. */
import { randomBytes } from "node:crypto"
import { Effect } from "effect"
import type { Finding, Refusal } from "./Finding.ts"

/** One server to look at. What `examine` fails with is why it can't be reached or asked. */
export interface Engine {
  readonly about: string
  /** Host and port, without user or password. */
  readonly address: string
  /** Which setting names it. */
  readonly setting: string
  /** Which one has user and password, where that is another. */
  readonly userSetting?: string
  readonly examine: Effect.Effect<ReadonlyArray<Finding>, unknown>
}

/** A name that nobody else uses, for what is made and removed again. */
export const ownName = () => `sluice_doctor_${randomBytes(6).toString("hex")}`

/** The innermost reason of an error, in the words of whoever gave it. */
export const reasonOf = (error: unknown): string => {
  if (typeof error !== "object" || error === null) return String(error)
  const { cause, code, errors, message, reason, sqlMessage } = error as {
    readonly cause?: unknown
    readonly code?: string | number
    readonly errors?: ReadonlyArray<unknown>
    readonly message?: string
    readonly reason?: unknown
    readonly sqlMessage?: string
  }
  if (sqlMessage) return sqlMessage
  for (const deeper of [reason, cause, errors?.[0]]) {
    if (deeper instanceof Error) return reasonOf(deeper)
  }
  return message || String(code ?? "no reason given")
}

export const trying = () => {
  const refusals: Array<Refusal> = []
  const step = <A, E, R>(name: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A | undefined, never, R> =>
    Effect.catch(effect, (error) =>
      Effect.sync(() => {
        refusals.push({ step: name, message: reasonOf(error) })
        return undefined
      })
    )
  return { refusals, step }
}

/** What takes away again what was made: tried for a bounded time, also when what it follows was interrupted. */
export const takingAway = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<void, never, R> =>
  effect.pipe(Effect.interruptible, Effect.timeoutOption("3 seconds"), Effect.ignore)
