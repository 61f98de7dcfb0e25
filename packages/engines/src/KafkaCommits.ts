/**
 * Commits of one member of a consumer group, one under way at a time; what is added meanwhile travels in the next. A broker takes its
 * time for each, and the same for one partition and for many. An offset stands for all before it in its partition.
 */
export interface Offsets {
  readonly topics: Array<{ topic: string; partitions: Array<{ partition: number; offset: string }> }>
}

export interface Commits {
  /** `next` is the first offset that is not done. Resolves when the broker has it. */
  readonly add: (partition: number, next: string, send: (offsets: Offsets) => Promise<void>) => Promise<void>
  /** Sends nothing of what is not under way: it is no longer this member's to commit. */
  readonly drop: () => void
}

export const make = (topic: string): Commits => {
  let due = new Map<number, string>()
  let told: Array<PromiseWithResolvers<void>> = []
  let isRunning = false

  const run = async (send: (offsets: Offsets) => Promise<void>) => {
    isRunning = true
    // What is done in this turn of the event loop travels together.
    await new Promise((resolve) => setImmediate(resolve))
    while (due.size > 0) {
      const [offsets, waiting] = [due, told]
      due = new Map()
      told = []
      const partitions = [...offsets].map(([partition, offset]) => ({ partition, offset }))
      await send({ topics: [{ topic, partitions }] }).then(
        () => {
          for (const { resolve } of waiting) resolve()
        },
        (cause: unknown) => {
          for (const { reject } of waiting) reject(cause)
        }
      )
    }
    isRunning = false
  }

  return {
    add: (partition, next, send) => {
      const done = Promise.withResolvers<void>()
      due.set(partition, next)
      told.push(done)
      if (!isRunning) void run(send)
      return done.promise
    },
    drop: () => {
      due.clear()
      for (const { resolve } of told.splice(0)) resolve()
    }
  }
}
