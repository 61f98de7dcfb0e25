/**
 * A crowd that keeps a history: what each user asked, and what it was told. The promises are checked from the history alone.
 */
import type { TicketView } from "@sluice/domain"
import { call } from "./processes.ts"

export interface Member {
  readonly userId: string
  /** The position it was told when it joined; none where the stock was gone or it had its turn already. */
  readonly place: number | undefined
  /** The number in its ticket: the order of the crowd, whoever had passed before it joined. Without a ticket it is after all others. */
  readonly seq: number
  /** None where the stock was gone when it came: that answer is final. */
  readonly ticket: string | null
  /** Every state it was told, in order, without repetition. */
  readonly told: Array<TicketView>
}

const seqOf = (ticket: string | null): number =>
  ticket === null ? Number.MAX_SAFE_INTEGER : JSON.parse(Buffer.from(ticket.split(".")[1]!, "base64url").toString()).seq

const memberOf = (userId: string, told: TicketView): Member => {
  if (told.ticket === null && told.state !== "sold_out") throw new Error(`join answered no ticket: ${JSON.stringify(told)}`)
  return { userId, place: told.position ?? undefined, seq: seqOf(told.ticket), ticket: told.ticket, told: [told] }
}

const at = <A>(items: ReadonlyArray<A>, i: number): A => items[i % items.length]!

/** Runs `task` for each item, at most `width` at a time. */
export const each = async <A>(
  items: ReadonlyArray<A>,
  width: number,
  task: (item: A, index: number) => Promise<void>
): Promise<void> => {
  let next = 0
  await Promise.all(
    Array.from({ length: Math.min(width, items.length) }, async () => {
      while (next < items.length) {
        const index = next++
        await task(items[index]!, index)
      }
    })
  )
}

/** Asks again while the answer is a refused connection, 429 or 503, as a client is told to. */
export const patiently = async <A>(ask: () => Promise<{ readonly status: number; readonly body: A }>, timeoutMs = 60_000) => {
  const until = Date.now() + timeoutMs
  for (;;) {
    const answer = await ask().catch(() => undefined)
    if (answer !== undefined && answer.status !== 503 && answer.status !== 429) return answer
    if (Date.now() > until) throw new Error(`no answer within ${timeoutMs} ms; the last was ${JSON.stringify(answer)}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** `n` users join one after the other's request was sent, spread over the gateways. */
export const join = async (urls: ReadonlyArray<string>, campaignId: string, n: number, prefix = "u"): Promise<Array<Member>> => {
  const members: Array<Member> = []
  const userIds = Array.from({ length: n }, (_, i) => `${prefix}${i + 1}`)
  await each(userIds, 32, async (userId, i) => {
    const { body, status } = await patiently(() =>
      call<TicketView>(`${at(urls, i)}/campaigns/${campaignId}/tickets`, "POST", { userId })
    )
    if (status !== 202 && status !== 200) throw new Error(`join answered ${status}: ${JSON.stringify(body)}`)
    members.push(memberOf(userId, body))
  })
  return members.sort((a, b) => a.seq - b.seq)
}

/** Looks after every ticket until each is final. */
export const waitForAll = async (
  urls: ReadonlyArray<string>,
  campaignId: string,
  members: ReadonlyArray<Member>,
  timeoutMs = 60_000
): Promise<void> => {
  const until = Date.now() + timeoutMs
  let open = members.filter((member) => !isFinal(member))
  for (let round = 0; open.length > 0; round++) {
    if (Date.now() > until)
      throw new Error(`${open.length} tickets are not final; the first: ${JSON.stringify(open[0]!.told.at(-1))}`)
    await each(open, 32, async (member, i) => {
      const answer = await call<TicketView>(`${at(urls, i + round)}/campaigns/${campaignId}/tickets/${member.ticket}`).catch(
        () => undefined
      )
      if (answer?.status !== 200) return
      if (member.told.at(-1)!.state !== answer.body.state || member.told.at(-1)!.position !== answer.body.position)
        member.told.push(answer.body)
    })
    open = open.filter((member) => !isFinal(member))
    if (open.length > 0) await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

const isFinal = ({ told }: Member) => ["issued", "sold_out", "left", "closed"].includes(told.at(-1)!.state)

export interface Verdict {
  readonly issued: ReadonlyArray<Member>
  readonly broken: ReadonlyArray<string>
}

/** Promises 1, 2, 3 and 5, from what the members were told and what their coupons say now. */
export const judge = async (url: string, campaignId: string, stock: number, members: ReadonlyArray<Member>): Promise<Verdict> => {
  const broken: Array<string> = []
  const issued = members.filter(({ told }) => told.at(-1)!.state === "issued")
  const serials = issued.map(({ told }) => told.at(-1)!.serial!)
  if (new Set(serials).size !== serials.length) broken.push("1: a serial was given twice")
  if (serials.some((serial) => serial < 1 || serial > stock)) broken.push("1: a serial is outside of the stock")
  if (issued.length > stock) broken.push(`1: ${issued.length} were told issued of a stock of ${stock}`)
  if (members.length >= stock && issued.length !== stock) broken.push(`3: ${issued.length} of ${stock} were issued`)
  for (const { told, userId } of members) {
    const first = told.find(({ state }) => state === "issued")
    if (first !== undefined && told.at(-1)!.code !== first.code)
      broken.push(`2: ${userId} was told issued, and later something else`)
  }
  await each(issued, 32, async ({ told, userId }) => {
    const { body } = await patiently(() =>
      call<Array<{ campaignId: string; serial: number; code: string }>>(`${url}/users/${userId}/coupons`)
    )
    const own = body.filter((coupon) => coupon.campaignId === campaignId)
    const { code, serial } = told.at(-1)!
    if (own.length !== 1 || own[0]!.code !== code || own[0]!.serial !== serial)
      broken.push(`2: the coupon of ${userId} is not what it was told`)
  })
  const last = Math.max(0, ...issued.map(({ seq }) => seq))
  const passed = members.filter(({ seq, told }) => seq < last && told.at(-1)!.state !== "issued")
  if (passed.length > 0)
    broken.push(`5: ${passed.length} were passed by somebody with a later place, the first ${JSON.stringify(passed[0])}`)
  return { issued, broken }
}
