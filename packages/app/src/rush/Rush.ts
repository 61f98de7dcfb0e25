/**
 * A rush: a crowd against a running Sluice, and the judgement whether the promises of the drop were kept. It needs nothing but the
 * public HTTP interface, so it measures any deployment.
 */
import { CampaignView } from "@sluice/domain"
import { Data, Effect, Schedule, Schema, type Scope } from "effect"
import type { Answer, Client, NoAnswer } from "./Client.ts"
import * as Clients from "./Client.ts"
import { Crowd, type Progress, type User } from "./Crowd.ts"
import { joins, type Report, report } from "./Report.ts"
import { type History, judge } from "./Verdict.ts"

export interface RushOptions {
  /** Base address, such as `http://127.0.0.1:8080`. */
  readonly url: string
  readonly campaignId: string
  readonly users: number
  /** Arrivals a second, on average. */
  readonly perSecond: number
  /** Names the users and fixes when they arrive: the same seed is the same crowd. */
  readonly seed: number
  /** By default what arrivals and stock need, and half a minute. */
  readonly timeoutMs?: number
  /** However much they need. */
  readonly maxTimeoutMs?: number
  readonly listenShare?: number
  /** Sockets at most; by default as many as the crowd needs and the process may open. */
  readonly connections?: number
  /** The campaign was made for this crowd: whatever it issues, it issues to these users. */
  readonly isOwn?: boolean
}

/** The rush could not start. */
export class RushError extends Data.TaggedError("RushError")<{
  readonly reason: "no_answer" | "no_campaign" | "not_sluice"
  readonly message: string
}> {}

export interface Rush {
  readonly progress: () => Progress
  readonly joins: () => Pick<Report, "joinMs" | "joinsPerSecond">
  /** Waits for the end, asks what can be asked, and judges. */
  readonly report: Effect.Effect<Report>
  /** Stops and judges what was seen so far, with no further request. */
  readonly soFar: Effect.Effect<Report>
}

/** How many users are asked at the end. */
const sample = 2000
const listeners = 1000
const requestTimeoutMs = 15_000
const graceMs = 30_000
const pollMs = 200
const polls = 10_000 / pollMs
/** An end that was counted is told within some looks. */
const looks = 10
const lookEveryMs = 500

const isCampaign = Schema.is(CampaignView)

const once = (client: Client, path: string) =>
  Effect.callback<Answer | NoAnswer>((resume) => client.get(path, (answer) => resume(Effect.succeed(answer))))

/** Asked again while the server is away or busy, for some seconds; undefined when there is no 200 in the end. */
const ask = (client: Client, path: string): Effect.Effect<unknown> =>
  once(client, path).pipe(
    Effect.flatMap((answer) => {
      if ("error" in answer || answer.status === 429 || answer.status >= 500) return Effect.fail("again")
      return Effect.succeed(answer.status === 200 ? answer.body : undefined)
    }),
    Effect.retry(Schedule.spaced("500 millis").pipe(Schedule.upTo({ times: 10 }))),
    Effect.catch(() => Effect.void)
  )

const campaignOf = (client: Client, { campaignId, url }: RushOptions): Effect.Effect<CampaignView, RushError> =>
  Effect.flatMap(once(client, `/campaigns/${campaignId}`), (answer) => {
    if ("error" in answer) {
      return Effect.fail(new RushError({ reason: "no_answer", message: `No answer from ${url}: ${answer.error}` }))
    }
    if (answer.status === 200 && isCampaign(answer.body)) return Effect.succeed(answer.body)
    return Effect.fail(
      answer.status === 404
        ? new RushError({ reason: "no_campaign", message: `There is no campaign ${campaignId} at ${url}` })
        : new RushError({ reason: "not_sluice", message: `${url} answered ${answer.status}, which is no campaign` })
    )
  })

/** Evenly spread over the list, so late users are asked as well as early ones. */
const spreadOut = <A>(items: ReadonlyArray<A>, most: number): ReadonlyArray<A> =>
  items.length <= most ? items : Array.from({ length: most }, (_, i) => items[Math.floor((i * items.length) / most)]!)

const isCoupons = Schema.is(
  Schema.Array(Schema.Struct({ campaignId: Schema.String, serial: Schema.Int, code: Schema.String, issuedAt: Schema.String }))
)

/** Undefined for those about whom nothing was answered. */
const couponsOf = (client: Client, campaignId: string, users: ReadonlyArray<User>) =>
  Effect.map(
    Effect.forEach(
      users,
      (user) => Effect.map(ask(client, `/users/${user.id}/coupons`), (coupons) => [user.id, coupons] as const),
      { concurrency: 32 }
    ),
    (answers) =>
      new Map(
        answers.map(([id, owned]) => [
          id,
          isCoupons(owned) ? owned.filter((coupon) => coupon.campaignId === campaignId) : undefined
        ])
      )
  )

/** Nothing is left to be given, and nothing is under way. */
const isSpent = (campaign: CampaignView | undefined) => campaign?.remaining === 0 && campaign.issuing === 0

/**
 * Looks once more for those whom others have passed, as far as was seen: only who still waits now was really passed. Once all is given,
 * for everybody without an end, until each was told one or some seconds are over. Gives who still waits, and who could be asked.
 */
const lookAgain = Effect.fnUntraced(function* (client: Client, crowd: Crowd, campaign: CampaignView | undefined, id: string) {
  const last = crowd.users.reduce((most, user) => (user.state === "issued" ? Math.max(most, user.place ?? 0) : most), 0)
  const spent = isSpent(campaign)
  const open = crowd.users.filter(
    (user) => user.endedAtMs === undefined && user.ticket !== undefined && (spent || (user.place ?? last) < last)
  )
  const asked = new Set<string>()
  const stillWaiting = new Set<string>()
  let left = spreadOut(open, sample)
  for (let round = 0; round < (spent ? looks : 1) && left.length > 0; round++) {
    if (round > 0) yield* Effect.sleep(lookEveryMs)
    yield* Effect.forEach(
      left,
      (user) =>
        Effect.map(ask(client, `/campaigns/${id}/tickets/${user.ticket}`), (view) => {
          if (!crowd.read(user, view)) return
          asked.add(user.id)
          if (user.state === "waiting") stillWaiting.add(user.id)
          else stillWaiting.delete(user.id)
        }),
      { concurrency: 32 }
    )
    left = left.filter(({ state }) => state === "waiting" || state === "issuing")
  }
  return { asked, stillWaiting }
})

/** The campaign once nothing is under way in it any more; it is given up on when nothing has moved for some seconds. */
const settled = (client: Client, campaignId: string, isDone: (view: CampaignView) => boolean) =>
  Effect.gen(function* () {
    let patience = polls
    let issued = -1
    while (true) {
      const view = yield* ask(client, `/campaigns/${campaignId}`)
      if (!isCampaign(view)) return undefined
      patience = view.issued > issued ? polls : patience - 1
      issued = view.issued
      if (patience === 0 || isDone(view)) return view
      yield* Effect.sleep(pollMs)
    }
  })

export const start = (options: RushOptions): Effect.Effect<Rush, RushError, Scope.Scope> =>
  Effect.gen(function* () {
    const { campaignId, perSecond, seed, url, users } = options
    const connections = options.connections ?? Clients.safeConnections(options.listenShare ? listeners : 0)
    const client = yield* Effect.acquireRelease(
      Effect.sync(() => Clients.make(url, { connections, listeners, timeoutMs: requestTimeoutMs })),
      (opened) => Effect.promise(opened.close)
    )
    const campaign = yield* campaignOf(client, options)
    const neededMs = (users / perSecond + Math.min(users, campaign.remaining) / campaign.ratePerSecond) * 1000
    const timeoutMs = Math.min(options.timeoutMs ?? neededMs + graceMs, options.maxTimeoutMs ?? Number.POSITIVE_INFINITY)
    const crowd = new Crowd({ campaignId, users, perSecond, seed, listenShare: options.listenShare ?? 0, listeners }, client)
    yield* Effect.acquireRelease(
      Effect.sync(() => crowd.start()),
      () => Effect.sync(() => crowd.stop())
    )

    const isComplete = () => {
      const { issued, others, soldOut } = crowd.progress()
      return issued + others + soldOut === users
    }
    const { dead, issued, issuing, waiting } = campaign
    const isNew = dead + issued + issuing + waiting === 0
    const isOwn = options.isOwn === true && isNew
    const nothingAsked = { campaign: undefined, coupons: new Map(), asked: new Set<string>(), stillWaiting: new Set<string>() }
    const hadTime = () => isComplete() || timeoutMs >= neededMs + graceMs / 6
    const judged = (seen: Pick<History, "campaign" | "coupons" | "asked" | "stillWaiting">): Report => {
      const stock = seen.campaign?.stock ?? campaign.stock
      const verdicts = judge({ users: crowd.users, stock, hadTime: hadTime(), isNew, isOwn, ...seen })
      return report(crowd, { campaignId, url, seed, stock, complete: isComplete(), campaign: seen.campaign, verdicts })
    }

    return {
      progress: () => crowd.progress(),
      joins: () => joins(crowd),
      report: Effect.gen(function* () {
        const ended = Effect.promise(() => crowd.ended)
        yield* Effect.timeoutOption(ended, timeoutMs)
        crowd.stop()
        const { joined, waiting } = crowd.progress()
        const atTheEnd = yield* settled(client, campaignId, ({ issuing, remaining, state, stock }) => {
          const goesOn = hadTime() && state === "open" && remaining > 0 && (waiting > 0 || joined >= stock)
          return issuing === 0 && !goesOn
        })
        const { asked, stillWaiting } = yield* lookAgain(client, crowd, atTheEnd, campaignId)
        const issued = crowd.users.filter((user) => user.state === "issued")
        const coupons = yield* couponsOf(client, campaignId, spreadOut(issued, sample))
        return judged({ campaign: atTheEnd, coupons, asked, stillWaiting })
      }),
      soFar: Effect.sync(() => {
        crowd.stop()
        return judged(nothingAsked)
      })
    }
  })

/** From start to verdict. */
export const run = (options: RushOptions): Effect.Effect<Report, RushError> =>
  Effect.scoped(Effect.flatMap(start(options), (rush) => rush.report))
