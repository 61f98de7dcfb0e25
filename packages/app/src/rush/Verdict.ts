/**
 * Judges what a crowd was told against the promises of the drop, from the history alone: what each user was told last, what the campaign
 * says at the end, and which coupons the users then have. What a history can't show is not applicable, never a pass.
 */
import type { CampaignView, Coupon } from "@sluice/domain"
import type { UserState } from "./Crowd.ts"

export interface Told {
  readonly id: string
  readonly state: UserState
  readonly place: number | undefined
  readonly serial: number | undefined
  readonly code: string | undefined
}

export interface History {
  readonly users: ReadonlyArray<Told>
  readonly stock: number
  /** At the very end; undefined where it could not be asked. */
  readonly campaign: CampaignView | undefined
  /** Coupons of this campaign, of those issued users who were asked about. */
  readonly coupons: ReadonlyMap<string, ReadonlyArray<Coupon>>
  /** Users who were still told `waiting` after the last coupon had been told. */
  readonly stillWaiting: ReadonlySet<string>
  /** Whether the drop had the time to hand out its stock. */
  readonly hadTime: boolean
}

export type Outcome = "pass" | "fail" | "not_applicable"

export interface Verdict {
  readonly promise: number
  readonly title: string
  readonly outcome: Outcome
  readonly detail: string
}

export const judge = (history: History): ReadonlyArray<Verdict> => [
  verdict(1, "never more than the stock, serials unique, one a user", neverOversold(history)),
  verdict(2, "who was told issued has the coupon", toldIsTrue(history)),
  verdict(3, "nothing is undersold", neverUndersold(history)),
  verdict(5, "first come, first served", inOrder(history))
]

type Finding = readonly [outcome: Outcome, detail: string]

const verdict = (promise: number, title: string, [outcome, detail]: Finding): Verdict => ({ promise, title, outcome, detail })

/** All that is wrong, in words; with nothing wrong the proof. */
const finding = (faults: ReadonlyArray<string | false | undefined>, proof: string): Finding => {
  const found = faults.filter((fault) => typeof fault === "string")
  return found.length === 0 ? ["pass", proof] : ["fail", found.join("; ")]
}

const some = (count: number, what: string, example?: string): string | false =>
  count > 0 && `${count} ${what}${example === undefined ? "" : ` (such as ${example})`}`

const issuedOf = (history: History) => history.users.filter(({ state }) => state === "issued")

const neverOversold = (history: History): Finding => {
  const { campaign, coupons, stock } = history
  const issued = issuedOf(history)
  if (issued.length === 0 && campaign === undefined) return ["not_applicable", "nobody was told issued"]
  const holders = new Map<number, string>()
  const twice: Array<string> = []
  const outside: Array<string> = []
  for (const { id, serial } of issued) {
    if (serial === undefined || !Number.isInteger(serial) || serial < 1 || serial > stock) outside.push(`${id}: ${serial}`)
    else if (holders.has(serial)) twice.push(`${serial}: ${holders.get(serial)} and ${id}`)
    else holders.set(serial, id)
  }
  const greedy = [...coupons].filter(([, owned]) => owned.length > 1).map(([id, owned]) => `${id} has ${owned.length}`)
  const sum = campaign === undefined ? 0 : campaign.remaining + campaign.issuing + campaign.issued + campaign.dead
  return finding(
    [
      issued.length > stock && `${issued.length} users were told issued, the stock is ${stock}`,
      campaign !== undefined && campaign.issued > campaign.stock && `${campaign.issued} issued, the stock is ${campaign.stock}`,
      campaign !== undefined &&
        sum !== campaign.stock &&
        `remaining + issuing + issued + dead is ${sum}, the stock is ${campaign.stock}`,
      some(outside.length, `serials outside 1..${stock}`, outside[0]),
      some(twice.length, "serials given twice", twice[0]),
      some(greedy.length, "users with more than one coupon", greedy[0])
    ],
    `${issued.length} told issued of a stock of ${stock}, ${holders.size} different serials`
  )
}

const toldIsTrue = (history: History): Finding => {
  const issued = issuedOf(history)
  if (issued.length === 0) return ["not_applicable", "nobody was told issued"]
  const asked = issued.filter(({ id }) => history.coupons.has(id))
  if (asked.length === 0) return ["not_applicable", "no user's coupons were asked for"]
  const missing: Array<string> = []
  const other: Array<string> = []
  for (const { code, id, serial } of asked) {
    const owned = history.coupons.get(id)!
    if (owned.length === 0) missing.push(`${id}, told serial ${serial}`)
    else if (code === undefined || !owned.some((coupon) => coupon.serial === serial && coupon.code === code)) {
      other.push(`${id} was told serial ${serial}, has ${owned.map((coupon) => coupon.serial).join(", ")}`)
    }
  }
  return finding(
    [
      some(missing.length, "users told issued have no coupon", missing[0]),
      some(other.length, "users have another serial or code than they were told", other[0])
    ],
    `${asked.length} of ${issued.length} asked, each with the very serial and code`
  )
}

const neverUndersold = ({ campaign, hadTime, users }: History): Finding => {
  if (campaign === undefined) return ["not_applicable", "the campaign was not asked at the end"]
  const { dead, issued, issuing, remaining, state, stock } = campaign
  if (issued === stock) return ["pass", `${issued} issued of ${stock}`]
  const got = users.filter((user) => user.state === "issued").length
  const wanted = users.filter(({ state }) => state === "waiting" || state === "issuing" || state === "sold_out").length
  if (wanted === 0 && got < stock) return ["not_applicable", `a crowd of ${got} for a stock of ${stock}, and each has a coupon`]
  if (state !== "open" && state !== "sold_out") return ["not_applicable", `the campaign is ${state}`]
  if (!hadTime) return ["not_applicable", `stopped before the stock could be handed out: ${issued} of ${stock}`]
  return finding([`${issued} issued of ${stock}: ${remaining} remaining, ${issuing} issuing, ${dead} dead`], "")
}

const inOrder = (history: History): Finding => {
  const placed = history.users.filter((user): user is Told & { place: number } => user.place !== undefined)
  const winners = placed.filter(({ state }) => state === "issued").sort((a, b) => a.place - b.place)
  const last = winners.at(-1)
  if (last === undefined || placed.length < 2) return ["not_applicable", "fewer than two places to compare"]
  const lost = ({ id, state }: Told) => state === "sold_out" || state === "closed" || history.stillWaiting.has(id)
  const passed = placed.filter((user) => user.place < last.place && lost(user))
  const shared = placed.length - new Set(placed.map(({ place }) => place)).size
  const backwards = winners.filter((user, i) => i > 0 && (user.serial ?? 0) < (winners[i - 1]!.serial ?? 0))
  return finding(
    [
      some(passed.length, `users were passed by place ${last.place}`, passed[0] && `${passed[0].id} at place ${passed[0].place}`),
      some(shared, "places were given twice"),
      some(
        backwards.length,
        "serials are lower than one at an earlier place",
        backwards[0] && `${backwards[0].serial} at place ${backwards[0].place}`
      )
    ],
    `${winners.length} serials in the order of ${placed.length} places, nobody passed`
  )
}
