/**
 * What arrives while others are under way travels together with the next: a durable commit costs the same for one and for many.
 *
 * At most `lanes` batches are under way. Each has its own answer by its index; a batch that fails, fails all in it. Order between two
 * items is not kept. What is under way is finished, also when nobody waits for it any more.
 */
import { Cause, type Context, Effect, Exit } from "effect"

export interface Convoy<A, B, E> {
  readonly request: (item: A) => Effect.Effect<B, E>
  /** How many wait for a lane. */
  readonly waiting: () => number
}

export const make = <A, B, E, R>(options: {
  readonly run: (items: ReadonlyArray<A>) => Effect.Effect<ReadonlyArray<B>, E, R>
  readonly lanes: number
  readonly maxBatch: number
}): Effect.Effect<Convoy<A, B, E>, never, R> =>
  Effect.map(Effect.context<R>(), (context: Context.Context<R>) => {
    const fork = Effect.runForkWith(context)
    let queue: Array<{ readonly item: A; readonly done: (exit: Exit.Exit<B, E>) => void }> = []
    let underWay = 0
    let isScheduled = false

    const depart = () => {
      isScheduled = false
      while (underWay < options.lanes && queue.length > 0) {
        const batch = queue.slice(0, options.maxBatch)
        queue = queue.slice(options.maxBatch)
        underWay++
        fork(options.run(batch.map(({ item }) => item))).addObserver((exit) => {
          underWay--
          for (const [i, { done }] of batch.entries()) {
            if (Exit.isFailure(exit)) done(Exit.failCause(exit.cause))
            else if (i < exit.value.length) done(Exit.succeed(exit.value[i]!))
            else done(Exit.failCause(Cause.die(new Error(`batch of ${batch.length} got ${exit.value.length} answers`))))
          }
          schedule()
        })
      }
    }
    const schedule = () => {
      if (isScheduled) return
      isScheduled = true
      setImmediate(depart)
    }

    return {
      request: (item) =>
        Effect.callback<B, E>((resume) => {
          queue.push({ item, done: resume })
          schedule()
        }),
      waiting: () => queue.length
    }
  })
