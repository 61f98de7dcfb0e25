/**
 * A crowd against the drop of one campaign: each user arrives at its own time, joins, and asks (or listens) until a final state.
 *
 * Arrivals follow their schedule whatever the answers do, and the time of a join counts from the moment at which it was meant to start,
 * so a server that stalls can't hide it (no coordinated omission). 429 and 503 are asked again when Retry-After says so; a server that is
 * away is asked again until the crowd is stopped. A user is one small object and no fiber: 100,000 fit into a few dozen megabytes.
 */
import { isFinal, TicketState } from "@sluice/domain"
import { Agenda } from "./Agenda.ts"
import { arrivals, random } from "./Arrivals.ts"
import type { Answer, Client, NoAnswer } from "./Client.ts"

export interface User {
  readonly id: string
  readonly listens: boolean
  /** Times are milliseconds from the start of the rush. */
  readonly meantAtMs: number
  /** When it first asked to join. */
  askedAtMs: number | undefined
  joinedAtMs: number | undefined
  endedAtMs: number | undefined
  ticket: string | undefined
  /** The number in the campaign's own sequence, from the ticket. */
  place: number | undefined
  state: UserState
  serial: number | undefined
  code: string | undefined
  tries: number
}

export type UserState = TicketState | "arriving" | "refused" | "failed"

export interface Progress {
  readonly elapsedMs: number
  readonly users: number
  readonly arrived: number
  readonly joined: number
  readonly waiting: number
  readonly issued: number
  readonly soldOut: number
  /** Ended otherwise: refused, failed, or the campaign was closed. */
  readonly others: number
  readonly errors: number
  readonly retried: number
}

export interface CrowdOptions {
  readonly campaignId: string
  readonly users: number
  readonly perSecond: number
  readonly seed: number
  /** Share of the users, 0 to 1, who listen to events instead of asking. */
  readonly listenShare: number
  /** How many may listen at once; who comes later asks. */
  readonly listeners: number
}

const states: ReadonlySet<unknown> = new Set(TicketState.literals)
const minPollMs = 50
const maxPollMs = 60_000

/** The place in a ticket. It is read, not trusted: only the server can verify it. */
export const placeOf = (ticket: string): number | undefined => {
  try {
    const { seq } = JSON.parse(Buffer.from(ticket.split(".")[1] ?? "", "base64url").toString())
    return Number.isSafeInteger(seq) ? seq : undefined
  } catch {
    return undefined
  }
}

type Body = { readonly [K in "state" | "ticket" | "serial" | "code" | "pollAfterMs"]?: unknown }

const isObject = (value: unknown): value is Body => typeof value === "object" && value !== null

export class Crowd {
  readonly users: Array<User> = []
  readonly errors = new Map<string, number>()
  readonly retried = new Map<string, number>()
  readonly requests = { joins: 0, looks: 0, streams: 0 }
  /** Arrivals that had to wait for a free socket: the rate was not held. */
  arrivalsHeld = 0
  lastJoinAtMs = 0
  /** Resolves when every user has come to an end. */
  readonly ended: Promise<void>

  readonly #options: CrowdOptions
  readonly #client: Client
  readonly #agenda = new Agenda<User>((user) => this.#next(user))
  readonly #random: () => number
  readonly #counts = { joined: 0, issued: 0, soldOut: 0, others: 0 }
  #startedAt = 0
  #stoppedAt: number | undefined
  #timer: NodeJS.Timeout | undefined
  #listening = 0
  #end: () => void = () => {}

  constructor(options: CrowdOptions, client: Client) {
    this.#options = options
    this.#client = client
    this.#random = random(options.seed ^ 0x5eed)
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
  }

  start(): void {
    const { perSecond, seed, users } = this.#options
    const next = arrivals(seed, perSecond)
    let meantAtMs = next()
    this.#startedAt = performance.now()
    const arrive = () => {
      const now = this.elapsedMs
      while (this.users.length < users && meantAtMs <= now) {
        this.#join(this.#newUser(meantAtMs))
        meantAtMs = next()
      }
      if (this.users.length < users) this.#timer = setTimeout(arrive, meantAtMs - now)
    }
    arrive()
  }

  /** Nobody arrives or asks any more; answers that are still under way are not counted. */
  stop(): void {
    if (this.#stoppedAt !== undefined) return
    this.#stoppedAt = this.elapsedMs
    clearTimeout(this.#timer)
    this.#agenda.clear()
    this.#end()
  }

  get elapsedMs(): number {
    return this.#stoppedAt ?? performance.now() - this.#startedAt
  }

  progress(): Progress {
    const { joined, issued, soldOut, others } = this.#counts
    return {
      elapsedMs: this.elapsedMs,
      users: this.#options.users,
      arrived: this.users.length,
      joined,
      waiting: this.users.length - issued - soldOut - others,
      issued,
      soldOut,
      others,
      errors: total(this.errors),
      retried: total(this.retried)
    }
  }

  /** Takes over what an answer says of the user; false where it is not a ticket's view. */
  read(user: User, body: unknown): boolean {
    if (!isObject(body) || !states.has(body.state)) return false
    const { code, serial, ticket } = body
    user.state = body.state as TicketState
    if (typeof ticket === "string" && user.ticket === undefined) {
      user.ticket = ticket
      user.place = placeOf(ticket)
    }
    if (user.state === "issued") {
      user.serial = typeof serial === "number" ? serial : undefined
      user.code = typeof code === "string" ? code : undefined
    }
    return true
  }

  #newUser(meantAtMs: number): User {
    const { listenShare, seed } = this.#options
    const user: User = {
      id: `rush-${(seed >>> 0).toString(36)}-${this.users.length + 1}`,
      listens: this.#random() < listenShare,
      meantAtMs,
      askedAtMs: undefined,
      joinedAtMs: undefined,
      endedAtMs: undefined,
      ticket: undefined,
      place: undefined,
      state: "arriving",
      serial: undefined,
      code: undefined,
      tries: 0
    }
    this.users.push(user)
    return user
  }

  #next(user: User) {
    if (user.ticket === undefined) this.#join(user)
    else this.#look(user)
  }

  get #tickets() {
    return `/campaigns/${this.#options.campaignId}/tickets`
  }

  #join(user: User) {
    this.requests.joins++
    if (user.askedAtMs === undefined) {
      user.askedAtMs = this.elapsedMs
      if (this.#client.isFull()) this.arrivalsHeld++
    }
    this.#client.post(this.#tickets, JSON.stringify({ userId: user.id }), (answer) => this.#answered(user, answer))
  }

  #look(user: User) {
    this.requests.looks++
    this.#client.get(`${this.#tickets}/${user.ticket}`, (answer) => this.#answered(user, answer))
  }

  #listen(user: User) {
    this.requests.streams++
    this.#listening++
    this.#client.listen(
      `${this.#tickets}/${user.ticket}/events`,
      (view) => {
        if (this.#stoppedAt !== undefined) return false
        if (this.#isEnded(user) || !this.read(user, view)) return true
        if (isFinal(user.state as TicketState)) this.#ends(user)
        return !this.#isEnded(user)
      },
      () => {
        this.#listening--
        if (this.#stoppedAt === undefined && !this.#isEnded(user)) this.#again(user, 1000)
      }
    )
  }

  #isEnded(user: User) {
    return user.endedAtMs !== undefined
  }

  #answered(user: User, answer: Answer | NoAnswer) {
    if (this.#stoppedAt !== undefined) return
    if ("error" in answer) {
      add(this.errors, answer.error)
      return this.#backOff(user)
    }
    const { body, status } = answer
    if (status === 200 || status === 202) {
      if (this.read(user, body)) return this.#told(user, body)
      add(this.errors, `${status} not understood`)
      return this.#ends(user, "failed")
    }
    const code = isObject(body) && typeof body.code === "string" ? ` ${body.code}` : ""
    if (status === 429 || status === 503) {
      add(this.retried, `${status}${code}`)
      return this.#again(user, answer.retryAfterMs ?? 1000)
    }
    add(this.errors, `${status}${code}`)
    if (status >= 500 || status === 408) return this.#backOff(user)
    this.#ends(user, status === 409 ? "refused" : "failed")
  }

  #told(user: User, body: unknown) {
    user.tries = 0
    if (user.joinedAtMs === undefined) {
      user.joinedAtMs = this.lastJoinAtMs = this.elapsedMs
      this.#counts.joined++
    }
    if (isFinal(user.state as TicketState)) return this.#ends(user)
    if (user.listens && this.#listening < this.#options.listeners) return this.#listen(user)
    const after = isObject(body) ? body.pollAfterMs : undefined
    this.#agenda.in(typeof after === "number" ? Math.min(Math.max(after, minPollMs), maxPollMs) : 1000, user)
  }

  /** Not before `ms`, and not all at once. */
  #again(user: User, ms: number) {
    this.#agenda.in(ms * (1 + this.#random() / 4), user)
  }

  #backOff(user: User) {
    this.#again(user, 250 * 2 ** Math.min(user.tries++, 4))
  }

  #ends(user: User, state: UserState = user.state) {
    user.state = state
    user.endedAtMs = this.elapsedMs
    if (state === "issued") this.#counts.issued++
    else if (state === "sold_out") this.#counts.soldOut++
    else this.#counts.others++
    const { issued, others, soldOut } = this.#counts
    if (issued + others + soldOut === this.#options.users) this.stop()
  }
}

const add = (counts: Map<string, number>, kind: string) => counts.set(kind, (counts.get(kind) ?? 0) + 1)

const total = (counts: Map<string, number>) => [...counts.values()].reduce((sum, n) => sum + n, 0)
