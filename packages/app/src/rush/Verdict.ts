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
  /** When it first asked to join, and when that was first answered. */
  readonly askedAtMs: number | undefined
  readonly joinedAtMs: number | undefined
  readonly serial: number | undefined
  readonly code: string | undefined
}

export interface History {
  readonly users: ReadonlyArray<Told>
  readonly stock: number
  /** At the very end; undefined where it could not be asked. */
  readonly campaign: CampaignView | undefined
  /** Coupons of this campaign, of those issued users who were asked about; undefined where there was no answer to it. */
  readonly coupons: ReadonlyMap<string, ReadonlyArray<Coupon> | undefined>
  /** Users without an end who were looked at once more after the campaign; what they were told then is in `users`. */
  readonly asked: ReadonlySet<string>
  /** Users who were still told `waiting` after the last coupon had been told. */
  readonly stillWaiting: ReadonlySet<string>
  /** Whether the drop had the time to hand out its stock. */
  readonly hadTime: boolean
  /** Nobody had joined before this crowd. */
  readonly isNew: boolean
  /** Nobody but this crowd joins: all that is issued is issued to it. */
  readonly isOwn: boolean
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
  const greedy = [...coupons].flatMap(([id, owned = []]) => (owned.length > 1 ? [`${id} has ${owned.length}`] : []))
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
  const silent: Array<string> = []
  const missing: Array<string> = []
  const other: Array<string> = []
  for (const { code, id, serial } of asked) {
    const owned = history.coupons.get(id)
    if (owned === undefined) silent.push(id)
    else if (owned.length === 0) missing.push(`${id}, told serial ${serial}`)
    else if (code === undefined || !owned.some((coupon) => coupon.serial === serial && coupon.code === code)) {
      other.push(`${id} was told serial ${serial}, has ${owned.map((coupon) => coupon.serial).join(", ")}`)
    }
  }
  return finding(
    [
      some(silent.length, `of ${asked.length} users' coupons could not be seen`, silent[0]),
      some(missing.length, "users told issued have no coupon", missing[0]),
      some(other.length, "users have another serial or code than they were told", other[0])
    ],
    `${asked.length} of ${issued.length} asked, each with the very serial and code`
  )
}

const isOpen = (state: UserState) => state === "arriving" || state === "waiting" || state === "issuing"

/** Where all that was issued went to this crowd and it is over: coupons that the campaign counts, and nobody was told of. */
const untold = ({ asked, campaign, isOwn, users }: History): Finding | undefined => {
  if (!isOwn || campaign === undefined || campaign.issuing > 0) return undefined
  const open = users.filter(({ state }) => isOpen(state))
  if (campaign.remaining > 0 && open.length > 0) return undefined
  const told = users.filter(({ state }) => state === "issued").length
  if (told >= campaign.issued) return undefined
  const unknown = open.filter(({ id }) => !asked.has(id)).length
  const difference = `the campaign counts ${campaign.issued} issued, ${told} of its users were told so`
  return campaign.issued - told <= unknown
    ? ["not_applicable", `${difference}; ${unknown} could not be asked any more`]
    : ["fail", difference]
}

const neverUndersold = (history: History): Finding => {
  const { campaign, hadTime, users } = history
  if (campaign === undefined) return ["not_applicable", "the campaign was not asked at the end"]
  const { dead, issued, issuing, remaining, state, stock } = campaign
  const difference = untold(history)
  if (difference !== undefined) return difference
  if (issued === stock) return ["pass", `${issued} issued of ${stock}`]
  const got = users.filter((user) => user.state === "issued").length
  const wanted = users.filter(({ state }) => state === "waiting" || state === "issuing" || state === "sold_out").length
  if (wanted === 0 && got < stock) return ["not_applicable", `a crowd of ${got} for a stock of ${stock}, and each has a coupon`]
  if (state !== "open" && state !== "sold_out") return ["not_applicable", `the campaign is ${state}`]
  if (!hadTime) return ["not_applicable", `stopped before the stock could be handed out: ${issued} of ${stock}`]
  return finding([`${issued} issued of ${stock}: ${remaining} remaining, ${issuing} issuing, ${dead} dead`], "")
}

/** Whoever had a place before another one asked for the first time has the earlier one. */
const overtaken = (placed: ReadonlyArray<Told & { readonly place: number }>): ReadonlyArray<string> => {
  const answered = placed.filter(({ joinedAtMs }) => joinedAtMs !== undefined).sort((a, b) => a.joinedAtMs! - b.joinedAtMs!)
  const faults: Array<string> = []
  let last: Told | undefined
  let next = 0
  for (const user of placed.filter(({ askedAtMs }) => askedAtMs !== undefined).sort((a, b) => a.askedAtMs! - b.askedAtMs!)) {
    for (; next < answered.length && answered[next]!.joinedAtMs! < user.askedAtMs!; next++) {
      if (last === undefined || answered[next]!.place > last.place!) last = answered[next]
    }
    if (last !== undefined && user.place < last.place!)
      faults.push(`${user.id} at place ${user.place}, ${last.id} at ${last.place}`)
  }
  return faults
}

/** Ends in which somebody who stayed has no coupon. The crowd never leaves, and nothing that it asks is refused for good. */
const lostEnds: ReadonlySet<UserState> = new Set(["sold_out", "closed", "left", "refused", "failed"])

const inOrder = (history: History): Finding => {
  const placed = history.users.filter((user): user is Told & { place: number } => user.place !== undefined)
  const winners = placed.filter(({ state }) => state === "issued").sort((a, b) => a.place - b.place)
  const last = winners.at(-1)
  if (placed.length < 2) return ["not_applicable", "fewer than two places to compare"]
  const late = history.isNew ? overtaken(placed) : []
  if (last === undefined && late.length === 0) return ["not_applicable", "nobody with a place was told issued"]
  const lost = ({ id, state }: Told) => lostEnds.has(state) || history.stillWaiting.has(id)
  const passed = last === undefined ? [] : placed.filter((user) => user.place < last.place && lost(user))
  const shared = placed.length - new Set(placed.map(({ place }) => place)).size
  const backwards = winners.filter((user, i) => i > 0 && (user.serial ?? 0) < (winners[i - 1]!.serial ?? 0))
  return finding(
    [
      some(
        passed.length,
        `users were passed by place ${last?.place}`,
        passed[0] && `${passed[0].id} at place ${passed[0].place}`
      ),
      some(shared, "places were given twice"),
      some(late.length, "users joined after others had a place, and got an earlier one", late[0]),
      some(
        backwards.length,
        "serials are lower than one at an earlier place",
        backwards[0] && `${backwards[0].serial} at place ${backwards[0].place}`
      )
    ],
    `${winners.length} serials in the order of ${placed.length} places, nobody passed`
  )
}
