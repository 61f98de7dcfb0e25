/** Ctrl-C and SIGTERM while rows are loaded: the first asks to finish the chunk, the second ends the process at once. */
import { writeSync } from "node:fs"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

const signals = ["SIGINT", "SIGTERM"] as const

export interface Stopping {
  readonly isRequested: () => boolean
  /** Called at the first signal, or at once where it came before. */
  readonly onRequest: (f: () => void) => void
}

/** Takes the place of who else listens to these signals until the scope closes; `lastWords` are said at the second signal. */
export const stopping = (lastWords: () => string): Effect.Effect<Stopping, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const state = { isRequested: false, wanting: [] as Array<() => void> }
        const others = signals.map((signal) => [signal, process.listeners(signal)] as const)
        const onSignal = (signal: NodeJS.Signals) => {
          if (state.isRequested) {
            writeSync(process.stderr.fd, lastWords())
            process.exit(signal === "SIGINT" ? 130 : 143)
          }
          state.isRequested = true
          process.stderr.write("\nfinishing the chunk under way; once more to stop at once\n")
          for (const f of state.wanting) f()
        }
        for (const signal of signals) process.removeAllListeners(signal).on(signal, onSignal)
        return { state, others }
      }),
      ({ others }) =>
        Effect.sync(() => {
          for (const [signal, listeners] of others) {
            process.removeAllListeners(signal)
            for (const listener of listeners) process.on(signal, listener)
          }
        })
    ),
    ({ state }) => ({
      isRequested: () => state.isRequested,
      onRequest: (f) => {
        state.wanting.push(f)
        if (state.isRequested) f()
      }
    })
  )
