/**
 * Words between the processes of an installation, for who listens at that moment: look now, and not only later.
 *
 * They may be lost, doubled and late, and be heard by those whom they don't concern; a process does not hear its own. Nothing is decided
 * by them: who waits for something looks for it in the end without being told. Sending neither waits nor fails.
 */
import { Context, Effect, type Scope } from "effect"

export interface Signals {
  readonly send: (channel: string, words: ReadonlyArray<string>) => void
  readonly listen: (channel: string, hear: (words: ReadonlyArray<string>) => void) => Effect.Effect<void, never, Scope.Scope>
}

/** For one process alone. */
export const none: Signals = { send: () => {}, listen: () => Effect.void }

export const Signals = Context.Reference<Signals>("sluice/Signals", { defaultValue: () => none })

/** Words of a channel that are sent soon after each other travel together: the first at once, the others when `everyMs` have passed. */
export const gathered = (everyMs: number, send: (channel: string, words: ReadonlyArray<string>) => void): Signals["send"] => {
  const waiting = new Map<string, Array<string> | undefined>()
  const next = (channel: string) => {
    const words = waiting.get(channel)
    if (words === undefined) waiting.delete(channel)
    else go(channel, words)
  }
  const go = (channel: string, words: ReadonlyArray<string>) => {
    waiting.set(channel, undefined)
    setTimeout(next, everyMs, channel).unref()
    send(channel, words)
  }
  return (channel, words) => {
    if (waiting.has(channel)) waiting.set(channel, [...(waiting.get(channel) ?? []), ...words])
    else go(channel, words)
  }
}
