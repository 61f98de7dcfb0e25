/**
 * Crowds that a server sends to itself, over HTTP and by the same machinery as `sluice rush`, to show an operator what a drop does.
 *
 * One at a time, bounded in users, arrivals and sockets, so that real users are answered beside it. The last ones are kept in memory, each
 * with its verdict; a crowd whose process ends is forgotten.
 */
import { randomBytes } from "node:crypto"
import { Effect, Fiber, Schedule, type Scope, Stream } from "effect"
import type { Progress } from "../rush/Crowd.ts"
import { isBroken, type Report } from "../rush/Report.ts"
import * as Rush from "../rush/Rush.ts"
import type { Verdict } from "../rush/Verdict.ts"
import { CrowdNotFound, CrowdRunning } from "./CrowdErrors.ts"

export type CrowdState = "running" | "done" | "failed" | "stopped"

export interface CrowdView {
  readonly crowd: string
  readonly campaignId: string
  readonly state: CrowdState
  readonly users: number
  readonly joined: number
  readonly waiting: number
  readonly issued: number
  readonly soldOut: number
  /** Ended otherwise: refused, failed, or the campaign was closed. */
  readonly others: number
  readonly errors: number
  readonly seconds: number
  readonly joinsPerSecond: number
  readonly p50Ms: number | null
  readonly p99Ms: number | null
  readonly problems: ReadonlyArray<string>
  /** On each promise of the drop; empty until the end. */
  readonly verdicts: ReadonlyArray<Verdict>
  readonly startedAt: string
  readonly endedAt: string | null
}

export interface CrowdOrder {
  readonly campaignId: string
  readonly users: number
  /** In which they arrive. */
  readonly seconds: number
  /** The server's own address. */
  readonly url: string
}

const connections = 64
const kept = 20
/** However long the drop would take. */
const maxMs = 15 * 60_000
/** Percentiles of a large crowd are not worked out anew for everybody who looks. */
const freshMs = 250

const rounded = (value: number, digits: number) => Number(value.toFixed(digits))
const orNull = (value: number | null) => (value === null ? null : rounded(value, 1))

type Figures = Pick<Report, "joinMs" | "joinsPerSecond"> & { readonly progress: Progress }

const figures = ({ joinMs, joinsPerSecond, progress }: Figures) => ({
  joined: progress.joined,
  waiting: progress.waiting,
  issued: progress.issued,
  soldOut: progress.soldOut,
  others: progress.others,
  errors: progress.errors,
  seconds: rounded(progress.elapsedMs / 1000, 1),
  joinsPerSecond: Math.round(joinsPerSecond),
  p50Ms: orNull(joinMs.p50),
  p99Ms: orNull(joinMs.p99)
})

const brokenOnes = ({ verdicts }: Report): ReadonlyArray<string> =>
  verdicts
    .filter(({ outcome }) => outcome === "fail")
    .map(({ detail, promise, title }) => `promise ${promise}, ${title}: ${detail}`)

const nobodyJoined = ({ errors }: Report): string => {
  const reasons = Object.entries(errors).map(([kind, count]) => `${count} x ${kind}`)
  return reasons.length === 0 ? "Nobody could join." : `Nobody could join: ${reasons.join(", ")}.`
}

const now = () => new Date().toISOString()

/** One crowd as it goes on, and as it ended. */
class Running {
  #view: CrowdView
  #seen = 0
  #figures: (() => Figures) | undefined
  fiber: Fiber.Fiber<void> | undefined

  constructor(crowd: string, { campaignId, users }: CrowdOrder) {
    this.#view = {
      crowd,
      campaignId,
      state: "running",
      users,
      joined: 0,
      waiting: 0,
      issued: 0,
      soldOut: 0,
      others: 0,
      errors: 0,
      seconds: 0,
      joinsPerSecond: 0,
      p50Ms: null,
      p99Ms: null,
      problems: [],
      verdicts: [],
      startedAt: now(),
      endedAt: null
    }
  }

  get isOver(): boolean {
    return this.#view.state !== "running"
  }

  get view(): CrowdView {
    const at = performance.now()
    if (!this.isOver && this.#figures !== undefined && at - this.#seen > freshMs) {
      this.#view = { ...this.#view, ...figures(this.#figures()) }
      this.#seen = at
    }
    return this.#view
  }

  under(rush: Rush.Rush): void {
    this.#figures = () => ({ ...rush.joins(), progress: rush.progress() })
  }

  /** Ends as `sluice rush` would, unless it was stopped. */
  judged(report: Report, isStopped: boolean): void {
    const isInVain = !isStopped && report.progress.joined === 0
    const problems = [...brokenOnes(report), ...(isInVain ? [nobodyJoined(report)] : [])]
    const state = isStopped ? "stopped" : isInVain || isBroken(report) ? "failed" : "done"
    this.#ends(state, { ...figures(report), problems, verdicts: report.verdicts })
  }

  failed(problem: string): void {
    this.#ends("failed", { problems: [problem] })
  }

  stopped(): void {
    this.#ends("stopped", {})
  }

  #ends(state: CrowdState, fields: Partial<CrowdView>) {
    if (this.isOver) return
    this.#view = { ...this.#view, ...fields, state, endedAt: now() }
    this.#figures = undefined
  }
}

const send = ({ campaignId, seconds, url, users }: CrowdOrder, running: Running, closing: Effect.Effect<void>) =>
  Effect.gen(function* () {
    const rush = yield* Rush.start({
      url,
      campaignId,
      users,
      perSecond: users / seconds,
      seed: randomBytes(4).readUInt32LE(),
      connections,
      maxTimeoutMs: maxMs
    })
    running.under(rush)
    const toTheEnd = Effect.map(rush.report, (report) => running.judged(report, false))
    const asFarAsItCame = Effect.suspend(() =>
      running.isOver ? Effect.void : Effect.map(rush.soFar, (report) => running.judged(report, true))
    )
    yield* Effect.ensuring(Effect.raceFirst(toTheEnd, closing), asFarAsItCame)
  }).pipe(
    Effect.scoped,
    Effect.catch((error) => Effect.sync(() => running.failed(error.message))),
    Effect.ensuring(Effect.sync(() => running.stopped()))
  )

export interface Crowds {
  readonly start: (order: CrowdOrder) => Effect.Effect<{ readonly crowd: string }, CrowdRunning>
  /** The newest first. */
  readonly list: Effect.Effect<ReadonlyArray<CrowdView>>
  readonly find: (crowd: string) => Effect.Effect<CrowdView, CrowdNotFound>
  /** The crowd twice a second, until its end. */
  readonly watch: (crowd: string) => Stream.Stream<CrowdView, CrowdNotFound>
  /** Returns when it has ended. */
  readonly stop: (crowd: string) => Effect.Effect<void, CrowdNotFound>
}

/** `closing`: when a crowd under way is to stop. */
export const make = (closing: Effect.Effect<void>): Effect.Effect<Crowds, never, Scope.Scope> =>
  Effect.map(Effect.scope, (scope) => {
    const crowds = new Map<string, Running>()
    const found = (crowd: string) =>
      Effect.suspend(() => {
        const known = crowds.get(crowd)
        return known === undefined ? Effect.fail(new CrowdNotFound({ crowd })) : Effect.succeed(known)
      })
    const find = (crowd: string) => Effect.map(found(crowd), ({ view }) => view)

    return {
      start: (order) =>
        Effect.suspend(() => {
          for (const [crowd, { isOver }] of crowds) if (!isOver) return Effect.fail(new CrowdRunning({ crowd }))
          const crowd = randomBytes(8).toString("hex")
          const running = new Running(crowd, order)
          crowds.set(crowd, running)
          for (const old of [...crowds.keys()].slice(0, -kept)) crowds.delete(old)
          return Effect.map(Effect.forkIn(send(order, running, closing), scope), (fiber) => {
            running.fiber = fiber
            return { crowd }
          })
        }),
      list: Effect.sync(() => Array.from(crowds.values(), ({ view }) => view).reverse()),
      find,
      watch: (crowd) =>
        Stream.fromEffectSchedule(find(crowd), Schedule.spaced("500 millis")).pipe(
          Stream.takeUntil(({ state }) => state !== "running")
        ),
      stop: (crowd) => Effect.flatMap(found(crowd), ({ fiber }) => (fiber === undefined ? Effect.void : Fiber.interrupt(fiber)))
    }
  })
