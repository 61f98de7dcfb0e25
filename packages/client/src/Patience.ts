/**
 * Asks again, less and less often. A crowd that lost its server comes back spread out: every wait has chance in it, and none is shorter
 * than the server asked for.
 */
import { isPassing, SluiceProblem } from "./SluiceError.ts"

const firstMs = 500
const longestMs = 15_000

/** Before the attempt after `attempt` failures (from 0). */
export const waitBefore = (attempt: number, retryAfterMs = 0, random = Math.random()): number => {
  const ceiling = Math.min(firstMs * 2 ** attempt, longestMs)
  return Math.max(retryAfterMs, ceiling / 2) + (random * ceiling) / 2
}

/** Rejects with the signal's reason when it is aborted. */
export const sleep = (ms: number, signal: AbortSignal | undefined): Promise<void> =>
  new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason)
      return
    }
    const onAbort = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort)
      resolve()
    }, ms)
    signal?.addEventListener("abort", onAbort, { once: true })
  })

export interface Patience {
  /** Asks until there is an answer, or a refusal that asking again can't change, or patience is at its end. */
  readonly ask: <A>(question: () => Promise<A>) => Promise<A>
}

export interface PatienceOptions {
  readonly signal?: AbortSignal | undefined
  /** How many times in all. */
  readonly attempts?: number | undefined
  /** How long to have waited in all, from one answer to the next. */
  readonly waitMs?: number | undefined
  readonly onTrouble?: ((error: Error, waitMs: number) => void) | undefined
}

export const makePatience = ({ attempts = Infinity, onTrouble, signal, waitMs = Infinity }: PatienceOptions): Patience => ({
  ask: async (question) => {
    let waited = 0
    for (let attempt = 0; ; attempt++) {
      try {
        return await question()
      } catch (error) {
        if (!isPassing(error) || attempt + 1 >= attempts || waited >= waitMs) throw error
        const ms = waitBefore(attempt, SluiceProblem.is(error) ? error.retryAfterMs : undefined)
        onTrouble?.(error as Error, ms)
        await sleep(ms, signal)
        waited += ms
      }
    }
  }
})
