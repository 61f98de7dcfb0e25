/** The operator's hand on campaigns, over HTTP. */
import {
  CampaignId,
  type CampaignPatch,
  CampaignView,
  Instant,
  MaxWaiting,
  RatePerSecond,
  ReconcileReport,
  Stock
} from "@sluice/domain"
import { Clock, Console, Effect, Option, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { checkNotClosed, checkTimes, isClosed } from "./campaign-check.ts"
import { count, json, list, plain, table } from "./Output.ts"
import * as Remote from "./Remote.ts"

const remote = { url: Remote.url, json: Remote.json }

const id = Argument.String("id").pipe(Argument.withDescription("The campaign's id"), Argument.withSchema(CampaignId))

export const campaignText = (campaign: CampaignView): string => {
  const { dead, issued, issuing, remaining, stock } = campaign
  const parts = `${count(remaining)} remaining + ${count(issuing)} issuing + ${count(issued)} issued + ${count(dead)} dead`
  return list([
    ["campaign", campaign.name === campaign.id ? campaign.id : `${campaign.id} (${plain(campaign.name)})`],
    ["state", campaign.state],
    ["stock", `${count(stock)} = ${parts}`],
    ["waiting", campaign.maxWaiting === null ? campaign.waiting : `${count(campaign.waiting)} of ${count(campaign.maxWaiting)}`],
    ["rate", `${count(campaign.ratePerSecond)}/s`],
    ["opens", campaign.opensAt],
    ["closes", campaign.closesAt]
  ])
}

const print = <A>(asJson: boolean, answer: A, text: (answer: A) => string) => (asJson ? json(answer) : Console.log(text(answer)))

const change = (address: string, campaignId: string, patch: typeof CampaignPatch.Type) =>
  Remote.callAsAdmin(address, { method: "PATCH", path: `/campaigns/${campaignId}`, body: patch }, CampaignView)

const create = Command.make(
  "create",
  {
    ...remote,
    id,
    name: Flag.String("name").pipe(Flag.withDescription("What people call it; by default its id"), Flag.optional),
    stock: Flag.Int("stock").pipe(Flag.withDescription("How many coupons there are"), Flag.withSchema(Stock)),
    rate: Flag.Int("rate").pipe(Flag.withDescription("Admissions a second"), Flag.withSchema(RatePerSecond)),
    opensAt: Flag.String("opens-at").pipe(
      Flag.withMetavar("instant"),
      Flag.withDescription("Such as 2026-11-24T12:00:00Z; without it the campaign is open at once"),
      Flag.withSchema(Instant),
      Flag.optional
    ),
    closesAt: Flag.String("closes-at").pipe(
      Flag.withMetavar("instant"),
      Flag.withDescription("When it ends, sold out or not"),
      Flag.withSchema(Instant),
      Flag.optional
    ),
    paused: Flag.Boolean("paused").pipe(Flag.withDescription("Users may join, nobody is admitted"), Flag.withDefault(false)),
    maxWaiting: Flag.Int("max-waiting").pipe(
      Flag.withDescription("How many may wait at once"),
      Flag.withSchema(MaxWaiting),
      Flag.optional
    )
  },
  Effect.fnUntraced(function* ({ closesAt, id, json, maxWaiting, name, opensAt, paused, rate, stock, url }) {
    yield* checkTimes(Option.getOrNull(opensAt), Option.getOrNull(closesAt))
    const body = {
      id,
      name: Option.getOrElse(name, () => id),
      stock,
      ratePerSecond: rate,
      paused,
      opensAt: Option.getOrNull(opensAt),
      closesAt: Option.getOrNull(closesAt),
      maxWaiting: Option.getOrNull(maxWaiting)
    }
    yield* print(json, yield* Remote.callAsAdmin(url, { method: "POST", path: "/campaigns", body }, CampaignView), campaignText)
  })
).pipe(
  Command.withDescription("Create a campaign"),
  Command.withExamples([
    { command: "sluice campaign create spring --stock 1000 --rate 200", description: "Open at once" },
    {
      command: 'sluice campaign create spring --name "Spring sale" --stock 1000 --rate 200 --opens-at 2026-11-24T12:00:00Z',
      description: "Opens by itself"
    }
  ])
)

const listAll = Command.make(
  "list",
  remote,
  Effect.fnUntraced(function* ({ json, url }) {
    const campaigns = yield* Remote.call(url, { method: "GET", path: "/campaigns" }, Schema.Array(CampaignView))
    yield* print(json, campaigns, (all) =>
      all.length === 0
        ? "no campaigns"
        : table(
            ["ID", "STATE", "STOCK", "REMAINING", "ISSUING", "ISSUED", "DEAD", "WAITING", "RATE/S"],
            all.map((c) => [c.id, c.state, c.stock, c.remaining, c.issuing, c.issued, c.dead, c.waiting, c.ratePerSecond])
          )
    )
  })
).pipe(
  Command.withDescription("List all campaigns with their counters"),
  Command.withExamples([{ command: "sluice campaign list --json", description: "For a program" }])
)

const show = Command.make(
  "show",
  { ...remote, id },
  Effect.fnUntraced(function* ({ id, json, url }) {
    yield* print(json, yield* Remote.call(url, { method: "GET", path: `/campaigns/${id}` }, CampaignView), campaignText)
  })
).pipe(
  Command.withDescription("Show one campaign"),
  Command.withExamples([{ command: "sluice campaign show spring", description: "State and counters" }])
)

const open = Command.make(
  "open",
  { ...remote, id },
  Effect.fnUntraced(function* ({ id, json, url }) {
    const campaign = yield* change(url, id, { paused: false })
    yield* print(json, campaign, campaignText)
    yield* checkNotClosed(campaign, "opened")
  })
).pipe(
  Command.withDescription("Let the crowd pass (again): ends a pause. An opening time that was set still holds"),
  Command.withExamples([{ command: "sluice campaign open spring", description: "Go on admitting" }])
)

const pause = Command.make(
  "pause",
  { ...remote, id },
  Effect.fnUntraced(function* ({ id, json, url }) {
    const campaign = yield* change(url, id, { paused: true })
    yield* print(json, campaign, campaignText)
    yield* checkNotClosed(campaign, "paused")
  })
).pipe(
  Command.withDescription("Admit nobody until it is opened again; users may join and keep their places"),
  Command.withExamples([{ command: "sluice campaign pause spring", description: "Hold the crowd" }])
)

const rate = Command.make(
  "rate",
  {
    ...remote,
    id,
    rate: Argument.Int("per-second").pipe(Argument.withDescription("Admissions a second"), Argument.withSchema(RatePerSecond))
  },
  Effect.fnUntraced(function* ({ id, json, rate, url }) {
    yield* print(json, yield* change(url, id, { ratePerSecond: rate }), campaignText)
  })
).pipe(
  Command.withDescription("Change how many are admitted a second, over all processes together"),
  Command.withExamples([{ command: "sluice campaign rate spring 500", description: "500 a second from now on" }])
)

const stock = Command.make(
  "stock",
  {
    ...remote,
    id,
    stock: Argument.Int("stock").pipe(Argument.withDescription("The new stock in all"), Argument.withSchema(Stock))
  },
  Effect.fnUntraced(function* ({ id, json, stock, url }) {
    yield* print(json, yield* change(url, id, { stock }), campaignText)
  })
).pipe(
  Command.withDescription("Raise the stock. It never goes down: what was promised can't be taken back"),
  Command.withExamples([{ command: "sluice campaign stock spring 1500", description: "1500 coupons in all" }])
)

const close = Command.make(
  "close",
  {
    ...remote,
    id,
    at: Flag.String("at").pipe(
      Flag.withMetavar("instant"),
      Flag.withDescription("Such as 2026-11-24T18:00:00Z; without it now"),
      Flag.withSchema(Instant),
      Flag.optional
    )
  },
  Effect.fnUntraced(function* ({ at, id, json, url }) {
    const campaign = yield* Remote.call(url, { method: "GET", path: `/campaigns/${id}` }, CampaignView)
    if (Option.isNone(at) && isClosed(campaign)) {
      yield* Console.error(`The campaign ${id} is closed already, since ${campaign.closesAt}.`)
      return yield* print(json, campaign, campaignText)
    }
    const now = new Date(yield* Clock.currentTimeMillis).toISOString()
    yield* print(json, yield* change(url, id, { closesAt: Option.getOrElse(at, () => now) }), campaignText)
  })
).pipe(
  Command.withDescription("Close a campaign, now or at a time; wins already given are still issued"),
  Command.withExamples([
    { command: "sluice campaign close spring", description: "Now" },
    { command: "sluice campaign close spring --at 2026-11-24T18:00:00Z", description: "Later" }
  ])
)

const reconcile = Command.make(
  "reconcile",
  { ...remote, id },
  Effect.fnUntraced(function* ({ id, json, url }) {
    const report = yield* Remote.callAsAdmin(url, { method: "POST", path: `/campaigns/${id}/reconcile` }, ReconcileReport)
    yield* print(json, report, (r) =>
      list([
        ["campaign", r.campaignId],
        ["stock", r.stock],
        ["issued", r.issued],
        ["issuing", r.issuing],
        ["remaining", r.remaining],
        ["dead", r.dead],
        ["drift found", r.driftFound],
        ["drift mended", r.driftMended]
      ])
    )
  })
).pipe(
  Command.withDescription("Hold the waiting room against the issuances in the database, the authority, and mend what differs"),
  Command.withExamples([{ command: "sluice campaign reconcile spring", description: "Look, and mend" }])
)

export const campaign = Command.make("campaign").pipe(
  Command.withDescription("Campaigns of a running Sluice: create them, watch them, steer them"),
  Command.withExamples([
    {
      command: "sluice campaign create spring --stock 1000 --rate 200 --paused",
      description: "Takes users in, and lets nobody pass"
    },
    { command: "sluice campaign open spring", description: "Lets them pass" },
    { command: "sluice campaign list", description: "All of them, with their counters" }
  ]),
  Command.withSubcommands([create, listAll, show, open, pause, rate, stock, close, reconcile])
)
