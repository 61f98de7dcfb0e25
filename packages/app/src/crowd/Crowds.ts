/**
 * Crowds that a server sends to itself, over HTTP and by the same machinery as `sluice rush`, to show an operator what a drop does.
 *
 * One at a time, bounded in users, arrivals and sockets, so that real users are answered beside it. The last ones are kept in memory, each
 * with its verdict; a crowd whose process ends is forgotten.
 */
import { randomBytes } from "node:crypto"
import { Effect, Fiber, Latch, Schedule, Stream } from "effect"
import type { Progress } from "../rush/Crowd.ts"
import type { Report } from "../rush/Report.ts"
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

const nothingYet: Progress = {
  elapsedMs: 0,
  users: 0,
  arrived: 0,
  joined: 0,
  waiting: 0,
  issued: 0,
  soldOut: 0,
  others: 0,
  errors: 0,
  retried: 0
}

interface Running {
  view: () => CrowdView
  fiber: Fiber.Fiber<void> | undefined
  /** Open once it has ended. */
  readonly ended: Latch.Latch
}

const round = (value: number | null, digits: number) => (value === null ? null : Number(value.toFixed(digits)))

const figures = ({ elapsedMs, errors, issued, joined, others, soldOut, waiting }: Progress) => ({
  joined,
  waiting,
  issued,
  soldOut,
  others,
  errors,
  seconds: round(elapsedMs / 1000, 1)!
})

const spreads = ({ joinMs, joinsPerSecond }: Pick<Report, "joinMs" | "joinsPerSecond">) => ({
  joinsPerSecond: Math.round(joinsPerSecond),
  p50Ms: round(joinMs.p50, 1),
  p99Ms: round(joinMs.p99, 1)
})

const problemsOf = (report: Report): ReadonlyArray<string> => {
  const broken = report.verdicts
    .filter(({ outcome }) => outcome === "fail")
    .map(({ detail, promise, title }) => `promise ${promise}, ${title}: ${detail}`)
  if (report.progress.joined > 0) return broken
  const reasons = Object.entries(report.errors).map(([kind, count]) => `${count} x ${kind}`)
  return [...broken, `Nobody could join${reasons.length === 0 ? "." : `: ${reasons.join(", ")}.`}`]
}

export interface Crowds {
  readonly start: (order: CrowdOrder) => Effect.Effect<{ readonly crowd: string }, CrowdRunning>
  readonly list: Effect.Effect<ReadonlyArray<CrowdView>>
  readonly find: (crowd: string) => Effect.Effect<CrowdView, CrowdNotFound>
  /** The crowd now and after each change, until its end. */
  readonly watch: (crowd: string) => Stream.Stream<CrowdView, CrowdNotFound>
  /** Returns when it has ended. */
  readonly stop: (crowd: string) => Effect.Effect<void, CrowdNotFound>
}

/** `closing`: when all crowds are to stop. */
export const make = Effect.fnUntraced(function* (closing: Effect.Effect<void>) {
  const scope = yield* Effect.scope
  const crowds = new Map<string, Running>()
  const running = () => [...crowds].find(([, { view }]) => view().state === "running")?.[0]

  const send = ({ campaignId, seconds, url, users }: CrowdOrder, running: Running) =>
    Effect.gen(function* () {
      const startedAt = running.view().startedAt
      const ends = (state: CrowdState, fields: Partial<CrowdView>) => {
        const last: CrowdView = { ...running.view(), ...fields, state, endedAt: new Date().toISOString() }
        running.view = () => last
        running.ended.openUnsafe()
      }
      const judged = (report: Report, state?: CrowdState) => {
        const problems = problemsOf(report)
        ends(state ?? (problems.length > 0 ? "failed" : "done"), {
          ...figures(report.progress),
          ...spreads(report),
          problems,
          verdicts: report.verdicts
        })
      }
      const order = { url, campaignId, users, perSecond: users / seconds, seed: randomBytes(4).readUInt32LE(), connections }
      yield* Effect.gen(function* () {
        const rush = yield* Rush.start({ ...order, maxTimeoutMs: maxMs })
        const before = running.view()
        running.view = () => ({ ...before, startedAt, ...figures(rush.progress()), ...spreads(rush.joins()) })
        yield* Effect.raceFirst(Effect.map(rush.report, judged), closing).pipe(
          Effect.ensuring(
            Effect.suspend(() =>
              running.view().state === "running" ? Effect.map(rush.soFar, (report) => judged(report, "stopped")) : Effect.void
            )
          )
        )
      }).pipe(
        Effect.scoped,
        Effect.catch((error) => Effect.sync(() => ends("failed", { problems: [error.message] }))),
        Effect.ensuring(Effect.sync(() => running.view().state === "running" && ends("stopped", {})))
      )
    })

  const found = (crowd: string) =>
    Effect.suspend(() => {
      const known = crowds.get(crowd)
      return known === undefined ? Effect.fail(new CrowdNotFound({ crowd })) : Effect.succeed(known)
    })

  const crowdsOf: Crowds = {
    start: (order) =>
      Effect.gen(function* () {
        const other = running()
        if (other !== undefined) return yield* new CrowdRunning({ crowd: other })
        const crowd = randomBytes(8).toString("hex")
        const first: CrowdView = {
          crowd,
          campaignId: order.campaignId,
          state: "running",
          users: order.users,
          ...figures(nothingYet),
          joinsPerSecond: 0,
          p50Ms: null,
          p99Ms: null,
          problems: [],
          verdicts: [],
          startedAt: new Date().toISOString(),
          endedAt: null
        }
        const made: Running = { view: () => first, fiber: undefined, ended: Latch.makeUnsafe() }
        crowds.set(crowd, made)
        for (const old of [...crowds.keys()].slice(0, -kept)) crowds.delete(old)
        made.fiber = yield* Effect.forkIn(send(order, made), scope)
        return { crowd }
      }),
    list: Effect.sync(() => [...crowds.values()].map(({ view }) => view()).reverse()),
    find: (crowd) => Effect.map(found(crowd), ({ view }) => view()),
    watch: (crowd) =>
      Stream.unwrap(
        Effect.map(found(crowd), (known) =>
          Stream.fromEffectSchedule(
            Effect.sync(() => known.view()),
            Schedule.spaced("500 millis")
          ).pipe(Stream.takeUntil(({ state }) => state !== "running"))
        )
      ),
    stop: (crowd) => Effect.flatMap(found(crowd), ({ fiber }) => (fiber === undefined ? Effect.void : Fiber.interrupt(fiber)))
  }
  return crowdsOf
})
