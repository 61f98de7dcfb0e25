/** Why a process does not start, in words for whoever set it up. */
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"

/** Something that has to be set right before the process can start. Ends it with exit code 2. */
export class StartError extends Data.TaggedError("StartError")<{ readonly message: string }> {
  override readonly [Runtime.errorExitCode]: number = 2
}

/** Errors that say all in their message. */
const spoken: ReadonlySet<string | undefined> = new Set(["DataDirError", "HttpOptionsError", "ListenError"])

const reasonOf = (error: unknown): string => {
  const { _tag, cause, message, reason } = error as {
    readonly _tag?: string
    readonly cause?: unknown
    readonly message?: string
    readonly reason?: { readonly message?: string }
  }
  const deeper = cause instanceof Error ? cause.message || String((cause as { code?: string }).code ?? "") : undefined
  return [spoken.has(_tag) ? undefined : _tag, reason?.message ?? (message || deeper)].filter((part) => part).join(": ")
}

/** What can't be built stops the start, under the name of what it was. */
export const named =
  (what: string) =>
  <A, E, R>(layer: Layer.Layer<A, E, R>): Layer.Layer<A, StartError, R> =>
    Layer.catchCause(layer, (cause) => {
      const error = Cause.squash(cause)
      return Layer.effectContext<A, StartError, never>(
        Cause.hasInterruptsOnly(cause)
          ? Effect.interrupt
          : Effect.fail(error instanceof StartError ? error : new StartError({ message: `${what}: ${reasonOf(error)}` }))
      )
    })
