/**
 * What a rush showed: the figures, and the verdict on each promise.
 */
import type { CampaignView } from "@sluice/domain"
import type { Crowd, Progress } from "./Crowd.ts"
import type { Verdict } from "./Verdict.ts"

export interface Spread {
  readonly p50: number | null
  readonly p95: number | null
  readonly p99: number | null
  readonly max: number | null
}

export interface Report {
  readonly campaignId: string
  readonly url: string
  readonly seed: number
  readonly stock: number
  /** Whether every user came to an end before the time was up. */
  readonly complete: boolean
  readonly progress: Progress
  readonly joinsPerSecond: number
  /** From the moment at which a join was meant to start to the answer that gave the place, waits for Retry-After included. */
  readonly joinMs: Spread
  /** From that answer to the final state. */
  readonly waitMs: Spread
  readonly requests: { readonly joins: number; readonly looks: number; readonly streams: number }
  /** Arrivals that had to wait for a free socket: more than 0, and the rate was not held. */
  readonly arrivalsHeld: number
  /** Answers 429 and 503, asked again later. */
  readonly retried: Readonly<Record<string, number>>
  readonly errors: Readonly<Record<string, number>>
  /** At the end, where it could be asked. */
  readonly campaign: CampaignView | undefined
  readonly verdicts: ReadonlyArray<Verdict>
}

export const isBroken = ({ verdicts }: Report): boolean => verdicts.some(({ outcome }) => outcome === "fail")

/** Percentiles by nearest rank. */
export const spread = (values: ReadonlyArray<number>): Spread => {
  const sorted = Float64Array.from(values).sort()
  const at = (share: number) => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? null
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) }
}

/** How joining went so far. */
export const joins = (crowd: Crowd): Pick<Report, "joinMs" | "joinsPerSecond"> => {
  const joined = crowd.users.filter((user) => user.joinedAtMs !== undefined)
  return {
    joinsPerSecond: crowd.lastJoinAtMs === 0 ? 0 : (joined.length * 1000) / crowd.lastJoinAtMs,
    joinMs: spread(joined.map((user) => user.joinedAtMs! - user.meantAtMs))
  }
}

export const report = (
  crowd: Crowd,
  of: Pick<Report, "campaignId" | "url" | "seed" | "stock" | "complete" | "campaign" | "verdicts">
): Report => {
  const progress = crowd.progress()
  const ended = crowd.users.filter(
    (user) => user.joinedAtMs !== undefined && user.endedAtMs !== undefined && user.ticket !== undefined
  )
  return {
    ...of,
    progress,
    ...joins(crowd),
    waitMs: spread(ended.map((user) => user.endedAtMs! - user.joinedAtMs!)),
    requests: { ...crowd.requests },
    arrivalsHeld: crowd.arrivalsHeld,
    retried: Object.fromEntries(crowd.retried),
    errors: Object.fromEntries(crowd.errors)
  }
}
