/** Fakes of what stands behind the HTTP side, and clients that can misbehave. */
import { request } from "node:http"
import { connect, type Socket } from "node:net"
import { CampaignAdmin, DeadLetters, Drop, type Joined } from "@sluice/coupons"
import {
  type Campaign,
  CampaignExists,
  CampaignNotFound,
  type CampaignView,
  ChangeRefused,
  JoinRefused,
  TicketInvalid,
  type TicketView,
  Unavailable
} from "@sluice/domain"
import { VerifiedTicket } from "@sluice/waiting-room"
import { Effect, type Exit, Layer, Redacted, Stream } from "effect"
import { AuditLog, type Change } from "../src/audit/AuditLog.ts"
import { type EngineHealth, Health } from "../src/http/Health.ts"
import type { HttpOptions } from "../src/http/Options.ts"
import { HttpAddress, layer } from "../src/http/Server.ts"
import { LoadNotFound } from "../src/load/LoadErrors.ts"
import { Loads } from "../src/load/Loads.ts"
import { layerShopFakes } from "./orders-fakes.ts"

export const adminKey = "0123456789abcdef0123456789abcdef"

export const campaign = (id: string): CampaignView => ({
  id,
  name: `Campaign ${id}`,
  state: "open",
  stock: 10,
  remaining: 6,
  waiting: 3,
  issuing: 1,
  issued: 2,
  dead: 1,
  ratePerSecond: 100,
  opensAt: null,
  closesAt: null,
  maxWaiting: null
})

const stored = (id: string): Campaign => ({
  id,
  name: `Campaign ${id}`,
  stock: 10,
  ratePerSecond: 100,
  opensAtMs: null,
  closesAtMs: null,
  paused: false,
  maxWaiting: null,
  createdAtMs: 0,
  ticketsExpireAtMs: 0,
  revision: 1,
  generation: 1
})

export const waiting = (ticket: string): TicketView => ({
  ticket,
  state: "waiting",
  position: 3,
  etaSeconds: 0.5,
  pollAfterMs: 500
})

export const issued = (ticket: string): TicketView => ({
  ticket,
  state: "issued",
  position: null,
  etaSeconds: null,
  pollAfterMs: null,
  serial: 7,
  code: "CODE-7"
})

/** What each campaign id does; every other one is there and open. */
const failureOf = (id: string) => {
  if (id === "unknown") return new CampaignNotFound({ campaignId: id })
  if (id === "down") return new Unavailable({ engine: "redis", retryAfterSeconds: 3 })
  return undefined
}

export interface Fakes {
  /** Every call that reached a service, as `name argument ...`. */
  readonly calls: Array<string>
  readonly engines: Array<EngineHealth>
  /** What came into the audit log. */
  readonly audited: Array<Change>
  /** How many joins and looks came without a fiber. */
  unsafe: number
  /** How many watch a ticket or campaign now. */
  watchers: number
  /** Answers of joins and looks wait for this. */
  hold: Promise<void> | undefined
  /** What watchers of tickets are told; ends after the last. */
  ticketEvents: (ticket: string) => Stream.Stream<TicketView>
  campaignEvents: (id: string) => Stream.Stream<CampaignView>
}

export const makeFakes = (): Fakes => ({
  calls: [],
  audited: [],
  engines: [{ engine: "fake", ok: true, milliseconds: 1 }],
  unsafe: 0,
  watchers: 0,
  hold: undefined,
  ticketEvents: (ticket) => Stream.make(waiting(ticket), issued(ticket)),
  campaignEvents: (id) => Stream.concat(Stream.make(campaign(id)), Stream.never)
})

export const layerFakes = (fakes: Fakes) => {
  const told = (name: string, ...args: ReadonlyArray<unknown>) =>
    Effect.sync(() =>
      fakes.calls.push([name, ...args.map((arg) => (typeof arg === "string" ? arg : JSON.stringify(arg)))].join(" "))
    )

  const known = Effect.fnUntraced(function* (id: string) {
    const failure = failureOf(id)
    if (failure !== undefined) return yield* failure
    if (id === "defect") return yield* Effect.die(new Error("secret-internals"))
  })

  const join = Effect.fnUntraced(function* (
    id: string,
    userId: string
  ): Effect.fn.Return<Joined, CampaignNotFound | JoinRefused | Unavailable> {
    yield* told("join", id, userId)
    yield* known(id)
    if (id === "not_open" || id === "closed" || id === "full") return yield* new JoinRefused({ campaignId: id, reason: id })
    if (id === "sold") {
      return { isNew: false, view: { ticket: null, state: "sold_out", position: null, etaSeconds: null, pollAfterMs: null } }
    }
    return { isNew: userId !== "again", view: waiting(`t.${id}.${userId}`) }
  })

  const verified = new Map<string, VerifiedTicket>()
  const verifyUnsafe = (id: string, ticket: string) => {
    if (!ticket.startsWith(`t.${id}.`) || !/^[\w.-]{1,2048}$/.test(ticket)) return undefined
    const found = verified.get(ticket) ?? new VerifiedTicket(ticket, id, "u", 1, Number.POSITIVE_INFINITY)
    verified.set(ticket, found)
    return found
  }
  const valid = Effect.fnUntraced(function* (id: string, ticket: string) {
    yield* known(id)
    if (verifyUnsafe(id, ticket) === undefined) return yield* new TicketInvalid()
  })

  const look = Effect.fnUntraced(function* (id: string, ticket: string) {
    yield* told("look", id, ticket)
    yield* valid(id, ticket)
    return ticket.endsWith("winner") ? issued(ticket) : waiting(ticket)
  })

  const later = <A, E>(effect: Effect.Effect<A, E>, done: (exit: Exit.Exit<A, E>) => void) => {
    fakes.unsafe++
    const exit = Effect.runSyncExit(effect)
    ;(fakes.hold ?? Promise.resolve()).then(() => setImmediate(() => done(exit)))
  }

  const held = <A, E>(effect: Effect.Effect<A, E>) =>
    Effect.andThen(
      Effect.promise(() => fakes.hold ?? Promise.resolve()),
      effect
    )

  const watched = <A>(stream: Stream.Stream<A>) =>
    Stream.unwrap(
      Effect.as(
        Effect.acquireRelease(
          Effect.sync(() => fakes.watchers++),
          () => Effect.sync(() => fakes.watchers--)
        ),
        stream
      )
    )

  const drop = Layer.succeed(
    Drop,
    Drop.of({
      join: (id, userId) => held(join(id, userId)),
      look: (id, ticket) => held(look(id, ticket)),
      leave: (id, ticket) => Effect.andThen(told("leave", id, ticket), valid(id, ticket)),
      watch: (id, ticket) =>
        Stream.unwrap(
          Effect.as(
            Effect.andThen(told("watch", id, ticket), valid(id, ticket)),
            watched(Stream.suspend(() => fakes.ticketEvents(ticket)))
          )
        ),
      joinUnsafe: (id, userId, done) => later(join(id, userId), done),
      lookUnsafe: ({ campaignId, text }, done) => later(look(campaignId, text), done),
      verifyUnsafe,
      coupons: (userId) =>
        Effect.as(told("coupons", userId), [
          { campaignId: "sale", serial: 7, code: "CODE-7", issuedAt: "2026-11-24T12:00:00.000Z" }
        ]),
      campaigns: Effect.as(told("campaigns"), [campaign("sale")]),
      campaign: (id) => told("campaign", id).pipe(Effect.andThen(known(id)), Effect.as(campaign(id))),
      watchCampaign: (id) =>
        Stream.unwrap(
          Effect.as(Effect.andThen(told("watchCampaign", id), known(id)), watched(Stream.suspend(() => fakes.campaignEvents(id))))
        )
    })
  )

  const admin = Layer.succeed(
    CampaignAdmin,
    CampaignAdmin.of({
      create: Effect.fnUntraced(function* (input) {
        yield* told("create", input)
        if (input.id === "taken") return yield* new CampaignExists({ campaignId: input.id })
        return campaign(input.id)
      }),
      change: Effect.fnUntraced(function* (id, patch, seen) {
        yield* told("change", id, patch)
        if (failureOf(id) instanceof CampaignNotFound) return yield* new CampaignNotFound({ campaignId: id })
        seen?.(stored(id))
        if (patch.stock === 1) return yield* new ChangeRefused({ detail: "The stock only goes up." })
        return campaign(id)
      }),
      reconcile: Effect.fnUntraced(function* (id) {
        yield* told("reconcile", id)
        return { campaignId: id, stock: 10, issued: 2, issuing: 1, remaining: 6, dead: 1, driftFound: 0, driftMended: 0 }
      })
    })
  )
  const deadLetters = Layer.succeed(
    DeadLetters,
    DeadLetters.of({
      list: (topic, limit) => Effect.as(told("deadLetters", topic, limit), { topic, total: 0, deadLetters: [] }),
      replay: (topic, limit) => Effect.as(told("replay", topic, limit), { topic, replayed: 0, remaining: 0, refused: [] })
    })
  )

  const loads = Layer.succeed(
    Loads,
    Loads.of({
      maxUploadBytes: 1000,
      upload: ({ job, table }) => Effect.as(told("upload", table, job), { job }),
      list: Effect.as(told("loads"), []),
      find: (job) => Effect.fail(new LoadNotFound({ job })),
      watch: (job) => Stream.fail(new LoadNotFound({ job })),
      cancel: (job) => Effect.fail(new LoadNotFound({ job })),
      rejectsFile: (job) => job
    })
  )

  const audit = Layer.succeed(
    AuditLog,
    AuditLog.of({
      record: (change) => Effect.sync(() => fakes.audited.push(change)),
      page: (limit, before) => Effect.as(told("audit", limit, before ?? "newest"), { entries: [], next: null })
    })
  )

  return Layer.mergeAll(
    audit,
    loads,
    drop,
    admin,
    deadLetters,
    layerShopFakes(told),
    Layer.succeed(Health, { check: Effect.sync(() => fakes.engines) })
  )
}

export const testOptions: HttpOptions = { port: 0, adminKey: Redacted.make(adminKey), userLimit: false, drainGrace: 0 }

/** A server on a free port for as long as the scope lives. */
export const serve = (fakes: Fakes, options: HttpOptions = {}) =>
  Effect.map(Layer.build(layer({ ...testOptions, ...options }).pipe(Layer.provide(layerFakes(fakes)))), (context) =>
    HttpAddress.pipe(Effect.provideContext(context), Effect.runSync)
  )

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: answers are compared with literals
  readonly json: any
}

export interface Init {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
}

/** Sends the path as it is written; `fetch` would tidy it up. */
export const send = (url: string, { body, headers = {}, method = "GET" }: Init = {}) =>
  Effect.callback<Answer>((resume) => {
    const [, host = "", path = "/"] = /^http:\/\/([^/]+)(.*)$/.exec(url)!
    const [hostname, port] = host.split(":")
    const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) }
    const req = request(
      { hostname, port, path: path || "/", method, headers: { ...length, ...headers }, agent: false },
      (res) => {
        let text = ""
        res.setEncoding("utf8").on("data", (part) => {
          text += part
        })
        res.on("end", () => {
          const flat = Object.fromEntries(Object.entries(res.headers).map(([name, value]) => [name, String(value)]))
          const isJson = flat["content-type"]?.includes("json") && text !== ""
          resume(Effect.succeed({ status: res.statusCode!, headers: flat, text, json: isJson ? JSON.parse(text) : undefined }))
        })
      }
    )
    req.on("error", (error) => resume(Effect.die(error)))
    req.end(body)
    return Effect.sync(() => req.destroy())
  })

export const post = (url: string, body: unknown, headers: Record<string, string> = {}) =>
  send(url, {
    method: "POST",
    body: typeof body === "string" ? body : JSON.stringify(body),
    headers: { "content-type": "application/json", ...headers }
  })

export const asAdmin = { authorization: `Bearer ${adminKey}` }

/** A connection that says exactly what it is told to, and keeps what it hears. */
export class Raw {
  readonly socket: Socket
  heard = ""
  isClosed = false
  #wake: () => void = () => {}

  constructor(port: number) {
    this.socket = connect({ port, host: "127.0.0.1" })
    this.socket.setEncoding("latin1")
    this.socket.on("data", (text) => {
      this.heard += text
      this.#wake()
    })
    this.socket.on("error", () => {})
    this.socket.on("close", () => {
      this.isClosed = true
      this.#wake()
    })
  }

  write(text: string): void {
    this.socket.write(text, "latin1")
  }

  /** Waits until what was heard satisfies the predicate; fails after five seconds. */
  until(predicate: (heard: string, isClosed: boolean) => boolean, what: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${what}; heard: ${this.heard.slice(0, 500)}`)), 5_000)
      this.#wake = () => {
        if (!predicate(this.heard, this.isClosed)) return
        clearTimeout(timer)
        resolve(this.heard)
      }
      this.#wake()
    })
  }

  closed(): Promise<string> {
    return this.until((_, isClosed) => isClosed, "the connection was not closed")
  }
}

export const raw = (port: number) =>
  Effect.acquireRelease(
    Effect.sync(() => new Raw(port)),
    (client) => Effect.sync(() => client.socket.destroy())
  )
