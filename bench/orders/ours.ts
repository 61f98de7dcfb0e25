/** Ours, whole: the HTTP server before each of the three views, filled through the port, and what the views cost the writer. */
import type { Generator } from "../measure/generator.ts"
import type { Size } from "./model.ts"
import type { Contestant, Stores } from "./peers.ts"
import type { ReadOptions } from "./reads.ts"
import type { Price, Results } from "./report.ts"

export interface OursOptions {
  readonly stores: Stores
  readonly size: Size
  readonly folder: string
  readonly generator: Generator
  readonly reading: ReadOptions
  readonly say: (text: string) => void
  readonly closing: Array<() => Promise<void> | void>
}

export interface Ours {
  readonly contestants: ReadonlyArray<Contestant>
  readonly prices: () => Promise<ReadonlyArray<Price>>
  readonly bytes: () => Promise<Results["bytes"]>
}

export const startOurs = async (_: OursOptions): Promise<Ours> => ({
  contestants: [],
  prices: async () => [],
  bytes: async () => []
})
