/** The ways in which a call is made. */
import type { Call } from "./Http.ts"

export interface CallOptions {
  readonly signal?: AbortSignal | undefined
}

export interface Calls {
  /** Asked once: what was asked may have happened, though nobody said so. */
  readonly once: <A>(call: Call) => Promise<A>
  /** Asked again where nobody answered, or only for now. */
  readonly ask: <A>(call: Call) => Promise<A>
  /** The same, where there is nothing to hear. */
  readonly tell: (call: Call) => Promise<void>
  /** A stream that comes back when it breaks, until `isLast`. */
  readonly watch: <A>(
    path: string,
    signal: AbortSignal | undefined,
    isLast: (event: A) => boolean
  ) => AsyncGenerator<A, void, void>
}
