/**
 * Requests that arrive together travel together: what is asked in one turn of the event loop, for one key, becomes one engine call.
 *
 * One fiber a batch at most, none a request. Each answer goes to the one who asked, in the order of the questions; a call that fails,
 * fails all that travelled in it. It keeps no answers and removes no duplicates. The call is part of the trace of the first that has one.
 */
import { Cause, type Context, Effect, Exit, type Tracer } from "effect"
import { currentSpan, within } from "./Tracing.ts"

export interface Batcher<A, B, E> {
  /** `done` is called once, in a later turn. */
  readonly offer: (key: string, item: A, done: (exit: Exit.Exit<B, E>) => void, span?: Tracer.AnySpan) => void
  readonly request: (key: string, item: A) => Effect.Effect<B, E>
}

interface Waiting<A, B, E> {
  readonly items: Array<A>
  readonly done: Array<(exit: Exit.Exit<B, E>) => void>
  span: Tracer.AnySpan | undefined
}

const isOver = <A, E>(work: Effect.Effect<A, E, unknown>): work is Exit.Exit<A, E> => Exit.isExit(work)

/** `run` answers each item by its index. Above `maxBatch` items travel in several calls at once. */
export const make = <A, B, E, R>(options: {
  readonly run: (key: string, items: ReadonlyArray<A>) => Effect.Effect<ReadonlyArray<B>, E, R>
  /** As `run`, for batches without a trace. `done` is given the answers as an `Exit`, or what is left to do for them. */
  readonly runUnsafe?: (key: string, items: ReadonlyArray<A>, done: (answers: Effect.Effect<ReadonlyArray<B>, E>) => void) => void
  readonly maxBatch: number
}): Effect.Effect<Batcher<A, B, E>, never, R> =>
  Effect.map(Effect.context<R>(), (context: Context.Context<R>) => {
    const fork = Effect.runForkWith(context)
    let waiting = new Map<string, Waiting<A, B, E>>()

    const settle = ({ done, items }: Waiting<A, B, E>, exit: Exit.Exit<ReadonlyArray<B>, E>) => {
      const failed = Exit.isFailure(exit) ? Exit.failCause(exit.cause) : undefined
      for (let i = 0; i < done.length; i++) {
        if (Exit.isFailure(exit)) done[i]!(failed!)
        else if (i < exit.value.length) done[i]!(Exit.succeed(exit.value[i]!))
        else done[i]!(Exit.failCause(Cause.die(new Error(`batch of ${items.length} got ${exit.value.length} answers`))))
      }
    }

    const travel = (key: string, batch: Waiting<A, B, E>) => {
      const follow = (work: Effect.Effect<ReadonlyArray<B>, E, R>) =>
        isOver(work) ? settle(batch, work) : fork(work).addObserver((exit) => settle(batch, exit))
      if (options.runUnsafe === undefined || batch.span !== undefined) follow(within(batch.span)(options.run(key, batch.items)))
      else options.runUnsafe(key, batch.items, follow)
    }

    const flush = () => {
      const batches = waiting
      waiting = new Map()
      for (const [key, batch] of batches) travel(key, batch)
    }

    const offer: Batcher<A, B, E>["offer"] = (key, item, done, span) => {
      if (waiting.size === 0) setImmediate(flush)
      let batch = waiting.get(key)
      if (batch === undefined || batch.items.length >= options.maxBatch) {
        if (batch !== undefined) travel(key, batch)
        batch = { items: [], done: [], span: undefined }
        waiting.set(key, batch)
      }
      batch.items.push(item)
      batch.done.push(done)
      batch.span ??= span
    }

    return {
      offer,
      request: (key, item) =>
        Effect.flatMap(currentSpan, (span) => Effect.callback<B, E>((resume) => offer(key, item, resume, span)))
    }
  })
