/**
 * All three scenarios, by the real commands and a real server on the embedded engines, with the faults that the promises are about.
 *
 * What is said to be seen is read from the tables and from what the commands printed. What can't be shown is an error, never a promise
 * kept.
 */
import { Effect } from "effect"
import { drop } from "./Drop.ts"
import { load } from "./Load.ts"
import { orders } from "./Orders.ts"
import type { Screen } from "./Screen.ts"
import { stage } from "./Stage.ts"

/** One promise, and what became of it. */
export interface Seen {
  readonly scenario: string
  readonly promise: string
  readonly seen: string
  readonly kept: boolean
}

export interface DemoOptions {
  readonly rows: number
  readonly users: number
  readonly stock: number
  readonly orders: number
  readonly keep: boolean
}

export interface DemoReport {
  readonly kept: boolean
  readonly seconds: number
  /** Where everything is that was made; null where it was removed. */
  readonly folder: string | null
  readonly promises: ReadonlyArray<Seen>
}

export const demo = (options: DemoOptions, screen: Screen) =>
  Effect.scoped(
    Effect.gen(function* () {
      const startedAt = performance.now()
      const made = yield* stage(screen, options)
      const promises = yield* Effect.tryPromise({
        try: async () => {
          const loaded = await load(made, options.rows)
          const { seen, server } = await drop(made, options)
          const ordered = await orders(made, options.orders)
          await server.kill("SIGTERM")
          return [...loaded, ...seen, ...ordered]
        },
        catch: (cause) => cause as Error
      })
      const report: DemoReport = {
        kept: promises.every(({ kept }) => kept),
        seconds: Math.round((performance.now() - startedAt) / 100) / 10,
        folder: options.keep ? made.folder : null,
        promises
      }
      return report
    })
  )
