/** A crowd against a running Sluice, judged by the promises of the drop. */
import { CampaignId, CampaignView, RatePerSecond, Stock } from "@sluice/domain"
import { Clock, Console, Effect, Option, Schedule, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import type { Progress } from "../rush/Crowd.ts"
import { isBroken, type Report } from "../rush/Report.ts"
import * as Rush from "../rush/Rush.ts"
import type { Outcome } from "../rush/Verdict.ts"
import { count, list, paint, json as printJson, table } from "./Output.ts"
import * as Remote from "./Remote.ts"
import { Exit } from "./run.ts"

const between = (minimum: number, maximum: number) => Schema.Number.check(Schema.isBetween({ minimum, maximum }))
const whole = (maximum: number) => Schema.Int.check(Schema.isBetween({ minimum: 1, maximum }))

const flags = {
  url: Remote.url,
  json: Remote.json,
  campaign: Flag.String("campaign").pipe(
    Flag.withAlias("c"),
    Flag.withDescription("Its id; by default a new one, rush-<time>"),
    Flag.withSchema(CampaignId),
    Flag.optional
  ),
  users: Flag.Int("users").pipe(
    Flag.withAlias("u"),
    Flag.withDescription("How large the crowd is (2000)"),
    Flag.withSchema(whole(10_000_000)),
    Flag.withDefault(2000)
  ),
  rate: Flag.Finite("rate").pipe(
    Flag.withAlias("r"),
    Flag.withDescription("Arrivals a second, on average; they wait for no answer (500)"),
    Flag.withSchema(between(0.01, 1_000_000)),
    Flag.withDefault(500)
  ),
  stock: Flag.Int("stock").pipe(
    Flag.withDescription("Coupons of a new campaign; by default half as many as users"),
    Flag.withSchema(Stock),
    Flag.optional
  ),
  dropRate: Flag.Int("drop-rate").pipe(
    Flag.withDescription("Admissions a second of a new campaign; by default a fifth of the stock"),
    Flag.withSchema(RatePerSecond),
    Flag.optional
  ),
  create: Flag.Boolean("create").pipe(
    Flag.withDescription("Create the campaign where it is missing (needs the admin key); --no-create: never"),
    Flag.withDefault(true)
  ),
  timeout: Flag.Finite("timeout").pipe(
    Flag.withMetavar("seconds"),
    Flag.withDescription("When to stop at the latest; by default what crowd and stock need, and 30 s"),
    Flag.withSchema(between(0.1, 86_400)),
    Flag.optional
  ),
  sse: Flag.Finite("sse").pipe(
    Flag.withMetavar("share"),
    Flag.withDescription("Share of the users, 0 to 1, who listen to events instead of asking; 1000 of them at once at most (0)"),
    Flag.withSchema(between(0, 1)),
    Flag.withDefault(0)
  ),
  connections: Flag.Int("connections").pipe(
    Flag.withDescription(
      "Sockets to the server at most; by default as many as arrive, up to 20000 or what this process may open"
    ),
    Flag.withSchema(whole(20_000)),
    Flag.optional
  ),
  seed: Flag.Int("seed").pipe(
    Flag.withDescription("Names the users and fixes their arrivals: the same seed is the same crowd"),
    Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 32 - 1 }))),
    Flag.optional
  )
}

const find = (url: string, id: string) =>
  Remote.call(url, { method: "GET", path: `/campaigns/${id}` }, CampaignView).pipe(
    Effect.asSome,
    Effect.catchIf(
      ({ status }) => status === 404,
      () => Effect.succeedNone
    )
  )

/** The campaign to rush at, made where it may be. */
const prepare = Effect.fnUntraced(function* (options: {
  readonly url: string
  readonly campaign: Option.Option<string>
  readonly create: boolean
  readonly users: number
  readonly stock: Option.Option<number>
  readonly dropRate: Option.Option<number>
  readonly now: number
}) {
  const { campaign, create, dropRate, now, url, users } = options
  const id = Option.getOrElse(campaign, () => `rush-${new Date(now).toISOString().replace(/\D/g, "").slice(0, 17)}`)
  const existing = Option.isSome(campaign) ? yield* find(url, id) : Option.none()
  if (Option.isSome(existing)) {
    if (Option.isSome(options.stock) || Option.isSome(dropRate)) {
      yield* Console.error(`The campaign ${id} is there already: --stock and --drop-rate are not used.`)
    }
    return { campaign: existing.value, isOwn: false }
  }
  if (!create) {
    const message = Option.isSome(campaign) ? `There is no campaign ${id} at ${url}.` : "Name a campaign with --campaign."
    return yield* new Remote.RemoteError({ message: `${message} Without --no-create it is created.` })
  }
  const stock = Option.getOrElse(options.stock, () => Math.ceil(users / 2))
  const ratePerSecond = Option.getOrElse(dropRate, () => Math.max(1, Math.round(stock / 5)))
  const body = { id, name: "Rush", stock, ratePerSecond }
  return { campaign: yield* Remote.callAsAdmin(url, { method: "POST", path: "/campaigns", body }, CampaignView), isOwn: true }
})

const progressLine = (p: Progress): string =>
  [
    `${(p.elapsedMs / 1000).toFixed(1)} s`,
    `joined ${count(p.joined)} of ${count(p.users)}`,
    `waiting ${count(p.waiting)}`,
    `issued ${count(p.issued)}`,
    `sold out ${count(p.soldOut)}`,
    ...(p.others === 0 ? [] : [`ended otherwise ${count(p.others)}`]),
    ...(p.retried === 0 ? [] : [`asked to wait ${count(p.retried)}`]),
    ...(p.errors === 0 ? [] : [`errors ${count(p.errors)}`])
  ].join("  ")

const isLive = () => process.stderr.isTTY === true && process.env.TERM !== "dumb"

/** One line that moves on a terminal, a line now and then elsewhere. */
const showing = (progress: () => Progress) => {
  const live = isLive()
  const show = Effect.sync(() =>
    process.stderr.write(live ? `\r\u001b[2K${progressLine(progress())}` : `${progressLine(progress())}\n`)
  )
  const clear = Effect.sync(() => live && process.stderr.write("\r\u001b[2K"))
  return Effect.sleep(live ? "200 millis" : "5 seconds").pipe(
    Effect.andThen(show),
    Effect.repeat(Schedule.forever),
    Effect.ensuring(clear),
    Effect.forkScoped
  )
}

const words: Record<Outcome, readonly [text: string, style: "green" | "red" | "dim"]> = {
  pass: ["PASS", "green"],
  fail: ["FAIL", "red"],
  not_applicable: ["n/a ", "dim"]
}

const ms = (value: number | null) => (value === null ? null : value < 10 ? Math.round(value * 10) / 10 : Math.round(value))

const kinds = (counts: Readonly<Record<string, number>>): string => {
  const entries = Object.entries(counts)
  return entries.length === 0 ? "none" : entries.map(([kind, n]) => `${count(n)} x ${kind}`).join(", ")
}

export const reportText = (report: Report): string => {
  const { arrivalsHeld, errors, joinMs, joinsPerSecond, progress, requests, retried, verdicts, waitMs } = report
  return [
    list([
      ["campaign", `${report.campaignId}, stock ${count(report.stock)}, at ${report.url}`],
      [
        "crowd",
        `${count(progress.joined)} of ${count(progress.users)} joined in ${(progress.elapsedMs / 1000).toFixed(1)} s (seed ${report.seed})`
      ],
      ["issued", progress.issued],
      ["sold out", progress.soldOut],
      ["no end yet", progress.waiting],
      ["ended otherwise", progress.others],
      ["joins", `${count(Math.round(joinsPerSecond))}/s`],
      ...(arrivalsHeld === 0
        ? []
        : [["rate not held", `${count(arrivalsHeld)} arrivals waited for a free socket; see --connections`] as const]),
      ["requests", `${count(requests.joins)} joins, ${count(requests.looks)} looks, ${count(requests.streams)} streams`],
      ["asked to wait", kinds(retried)],
      ["errors", kinds(errors)]
    ]),
    "",
    table(
      ["MILLISECONDS", "P50", "P95", "P99", "MAX"],
      [
        ["join", ms(joinMs.p50), ms(joinMs.p95), ms(joinMs.p99), ms(joinMs.max)],
        ["wait to the end", ms(waitMs.p50), ms(waitMs.p95), ms(waitMs.p99), ms(waitMs.max)]
      ]
    ),
    "",
    ...verdicts.map(({ detail, outcome, promise, title }) => {
      const [text, style] = words[outcome]
      return `${paint(style, text)}  promise ${promise}: ${title}\n      ${detail}`
    })
  ].join("\n")
}

/** Stopped is no good end here, unlike that of a server: by Ctrl-C or SIGTERM, with the codes that shells give them. */
const endsAsStopped = Effect.acquireRelease(
  Effect.sync(() => {
    const onSignal = (signal: NodeJS.Signals) => {
      process.exitCode = signal === "SIGTERM" ? 143 : 130
    }
    process.prependListener("SIGINT", onSignal).prependListener("SIGTERM", onSignal)
    return onSignal
  }),
  (onSignal) => Effect.sync(() => process.off("SIGINT", onSignal).off("SIGTERM", onSignal))
)

export const rush = Command.make(
  "rush",
  flags,
  Effect.fnUntraced(function* (options) {
    const { connections, json, rate, sse, timeout, url, users } = options
    yield* endsAsStopped
    const now = yield* Clock.currentTimeMillis
    const seed = Option.getOrElse(options.seed, () => now >>> 0)
    const { campaign, isOwn } = yield* prepare({ ...options, now })
    const print = (report: Report) => (json ? printJson(report) : Console.log(reportText(report)))

    const report = yield* Effect.scoped(
      Effect.gen(function* () {
        const running = yield* Rush.start({
          url,
          campaignId: campaign.id,
          users,
          perSecond: rate,
          seed,
          listenShare: sse,
          isOwn,
          ...(Option.isSome(connections) && { connections: connections.value }),
          ...(Option.isSome(timeout) && { timeoutMs: timeout.value * 1000 })
        })
        return yield* Effect.scoped(Effect.andThen(showing(running.progress), running.report)).pipe(
          Effect.onInterrupt(() =>
            Effect.gen(function* () {
              const soFar = yield* running.soFar
              yield* print(soFar)
              if (isBroken(soFar)) process.exitCode = 1
            })
          )
        )
      })
    )
    yield* print(report)
    if (isBroken(report)) return yield* new Exit({ code: 1 })
    if (report.progress.joined === 0) return yield* new Remote.RemoteError({ message: "Nobody could join." })
  }, Effect.scoped)
).pipe(
  Command.withDescription(
    "Send a crowd to a drop and judge whether its promises are kept. Exits with 1 when one is broken. Ctrl-C shows what was seen so far"
  ),
  Command.withShortDescription("Send a crowd to a drop and judge whether its promises are kept"),
  Command.withExamples([
    { command: "sluice rush", description: "2,000 users at 500/s for a new campaign with 1,000 coupons" },
    { command: "sluice rush --users 50000 --rate 5000 --stock 1000 --drop-rate 500", description: "A larger one" },
    {
      command: "sluice rush --campaign spring --no-create --sse 0.2 --json",
      description: "At a campaign that is there, for a program"
    }
  ])
)
