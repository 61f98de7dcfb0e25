/**
 * Every call of the API as a function.
 *
 * A call that may be asked twice without harm is: after a lost connection, a 429 or a 5xx, as often as `attempts` says and no sooner than
 * the server asked for. Placing an order is one of them, by its idempotency key; paying, shipping, cancelling and making a campaign are
 * not, and say so when the answer got lost.
 */
import { eventsOf } from "./EventStream.ts"
import { type Body, type Call, type Connection, jsonOf, makeSend, pathOf } from "./Http.ts"
import { makePatience, sleep } from "./Patience.ts"
import { isPassing } from "./SluiceError.ts"
import type {
  Campaign,
  CampaignPatch,
  ChangedOrder,
  Coupon,
  Customer,
  CustomerProfile,
  DeadLetterList,
  DeadLetterTopic,
  Lag,
  Load,
  LoadReject,
  NewCampaign,
  NewOrder,
  Order,
  OrderPage,
  OrderState,
  PlacedOrder,
  Product,
  ProductData,
  ReconcileReport,
  ReplayReport,
  Ticket,
  VerifyReport
} from "./types.ts"

export interface ClientOptions extends Connection {
  /** How often a call that may be repeated is asked in all (5). */
  readonly attempts?: number
  /** How long one answer may take (30 s). */
  readonly timeoutMs?: number
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined
}

export interface PageOptions extends CallOptions {
  readonly state?: OrderState
  /** Orders of one page, 1 to 100 (20). */
  readonly limit?: number
}

export interface UploadOptions extends CallOptions {
  readonly table: string
  readonly job?: string
  readonly format: "csv" | "ndjson"
  readonly encoding?: "gzip" | "zstd"
  readonly columns?: ReadonlyArray<string>
  readonly header?: boolean
  readonly delimiter?: string
  readonly null?: string
  readonly maxRejects?: number
}

const finalTickets: ReadonlySet<string> = new Set<Ticket["state"]>(["issued", "sold_out", "left", "closed"])

/** Whether a ticket's state can't change any more. */
export const isFinal = (ticket: Ticket): boolean => finalTickets.has(ticket.state)

/** `crypto.randomUUID` is not there on a page without https. */
const randomKey = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("")

export const makeClient = (options: ClientOptions) => {
  const { attempts = 5, timeoutMs = 30_000 } = options
  const send = makeSend(options)

  /** One that is asked once. */
  const once = async <A>(call: Call): Promise<A> => jsonOf<A>(await send({ timeoutMs, ...call }), call.signal)
  /** One that may be asked again. */
  const ask = <A>(call: Call): Promise<A> => makePatience({ signal: call.signal, attempts }).ask(() => once<A>(call))
  const tell = (call: Call): Promise<void> =>
    makePatience({ signal: call.signal, attempts }).ask(async () => {
      await (await send({ timeoutMs, ...call })).body?.cancel()
    })

  /** A stream that comes back when it breaks, until `isLast`. */
  async function* watch<A>(
    path: string,
    signal: AbortSignal | undefined,
    isLast: (event: A) => boolean
  ): AsyncGenerator<A, void, void> {
    for (;;) {
      try {
        const answer = await makePatience({ signal, attempts }).ask(() =>
          send({ path, signal, headers: { accept: "text/event-stream" } })
        )
        for await (const event of eventsOf<A>(answer, signal)) {
          yield event
          if (isLast(event)) return
        }
      } catch (error) {
        if (!isPassing(error)) throw error
      }
      await sleep(Math.random() * 2000, signal)
    }
  }

  const change =
    (verb: "pay" | "ship" | "cancel") =>
    (orderId: string, { signal }: CallOptions = {}) =>
      once<ChangedOrder>({ method: "POST", path: pathOf("orders", orderId, verb), signal })

  const page = (customerId: string, { signal, ...query }: PageOptions & { readonly cursor?: string } = {}) =>
    ask<OrderPage>({ path: pathOf("customers", customerId, "orders"), query, signal })

  /** The orders of all pages, one page asked for when the one before is used up. */
  async function* orders(customerId: string, options: PageOptions = {}): AsyncGenerator<Order, void, void> {
    let cursor: string | null = null
    do {
      const { nextCursor, orders }: OrderPage = await page(customerId, { ...options, ...(cursor !== null && { cursor }) })
      yield* orders
      cursor = nextCursor
    } while (cursor !== null)
  }

  return {
    campaigns: {
      list: ({ signal }: CallOptions = {}) => ask<ReadonlyArray<Campaign>>({ path: "/campaigns", signal }),
      get: (id: string, { signal }: CallOptions = {}) => ask<Campaign>({ path: pathOf("campaigns", id), signal }),
      /** Its counters, at once and after each change, until the caller stops or it is closed. */
      watch: (id: string, { signal }: CallOptions = {}) =>
        watch<Campaign>(pathOf("campaigns", id, "events"), signal, ({ state }) => state === "closed")
    },

    /** One by one; `joinAndWait` does all of it. */
    tickets: {
      join: (campaignId: string, userId?: string, { signal }: CallOptions = {}) =>
        ask<Ticket>({
          method: "POST",
          path: pathOf("campaigns", campaignId, "tickets"),
          json: userId === undefined ? {} : { userId },
          signal
        }),
      look: (campaignId: string, ticket: string, { signal }: CallOptions = {}) =>
        ask<Ticket>({ path: pathOf("campaigns", campaignId, "tickets", ticket), signal }),
      watch: (campaignId: string, ticket: string, { signal }: CallOptions = {}) =>
        watch<Ticket>(pathOf("campaigns", campaignId, "tickets", ticket, "events"), signal, isFinal),
      leave: (campaignId: string, ticket: string, { signal }: CallOptions = {}) =>
        tell({ method: "DELETE", path: pathOf("campaigns", campaignId, "tickets", ticket), signal })
    },

    coupons: (userId: string, { signal }: CallOptions = {}) =>
      ask<ReadonlyArray<Coupon>>({ path: pathOf("users", userId, "coupons"), signal }),

    orders: {
      /** Placed once, however often it has to be asked. Give a key of your own to be sure of that over restarts of yours, too. */
      place: (
        order: NewOrder,
        { idempotencyKey = randomKey(), signal }: CallOptions & { readonly idempotencyKey?: string } = {}
      ) =>
        ask<PlacedOrder>({
          method: "POST",
          path: "/orders",
          headers: { "idempotency-key": idempotencyKey },
          json: order,
          signal
        }),
      pay: change("pay"),
      ship: change("ship"),
      cancel: change("cancel"),
      /** With the `version` that a write answered: that version or a later one, as soon as readers have it. */
      get: (orderId: string, { signal, version }: CallOptions & { readonly version?: number } = {}) =>
        ask<Order>({ path: pathOf("orders", orderId), query: { version }, signal })
    },

    customers: {
      /** One page, the newest first. */
      page,
      /** All of them, the newest first: `for await (const order of client.customers.orders("c1"))`. */
      orders
    },

    /** Needs the admin key as `token`. */
    admin: {
      createCampaign: (campaign: NewCampaign, { signal }: CallOptions = {}) =>
        once<Campaign>({ method: "POST", path: "/campaigns", json: campaign, signal }),
      changeCampaign: (id: string, patch: CampaignPatch, { signal }: CallOptions = {}) =>
        ask<Campaign>({ method: "PATCH", path: pathOf("campaigns", id), json: patch, signal }),
      reconcileCampaign: (id: string, { signal }: CallOptions = {}) =>
        ask<ReconcileReport>({ method: "POST", path: pathOf("campaigns", id, "reconcile"), signal }),
      putCustomer: (id: string, profile: CustomerProfile, { signal }: CallOptions = {}) =>
        ask<Customer>({ method: "PUT", path: pathOf("customers", id), json: profile, signal }),
      putProduct: (id: string, product: ProductData, { signal }: CallOptions = {}) =>
        ask<Product>({ method: "PUT", path: pathOf("products", id), json: product, signal }),
      lag: ({ signal }: CallOptions = {}) => ask<Lag>({ path: "/lag", signal }),
      verifyOrders: ({ signal, ...query }: CallOptions & { readonly sample?: number; readonly repair?: boolean } = {}) =>
        once<VerifyReport>({ method: "POST", path: "/admin/orders/verify", query, signal, timeoutMs: undefined }),
      deadLetters: ({ signal, ...query }: CallOptions & { readonly topic?: DeadLetterTopic; readonly limit?: number } = {}) =>
        ask<DeadLetterList>({ path: "/admin/dead-letters", query, signal }),
      replayDeadLetters: ({
        signal,
        ...query
      }: CallOptions & { readonly topic?: DeadLetterTopic; readonly limit?: number } = {}) =>
        once<ReplayReport>({ method: "POST", path: "/admin/dead-letters/replay", query, signal, timeoutMs: undefined }),
      loads: {
        list: ({ signal }: CallOptions = {}) => ask<ReadonlyArray<Load>>({ path: "/loads", signal }),
        get: (job: string, { signal }: CallOptions = {}) => ask<Load>({ path: pathOf("loads", job), signal }),
        rejects: (job: string, { signal }: CallOptions = {}) =>
          ask<ReadonlyArray<LoadReject>>({ path: pathOf("loads", job, "rejects"), signal }),
        watch: (job: string, { signal }: CallOptions = {}) =>
          watch<Load>(pathOf("loads", job, "events"), signal, ({ state }) => state !== "running"),
        cancel: (job: string, { signal }: CallOptions = {}) => tell({ method: "DELETE", path: pathOf("loads", job), signal }),
        /** Asked once: send the same body again under the same job to go on with one that broke off. */
        upload: (body: Body, { columns, encoding, format, signal, ...query }: UploadOptions) =>
          once<{ readonly job: string }>({
            method: "POST",
            path: "/loads",
            query: { ...query, columns: columns?.join(",") },
            headers: {
              "content-type": format === "csv" ? "text/csv" : "application/x-ndjson",
              ...(encoding !== undefined && { "content-encoding": encoding })
            },
            body,
            signal,
            timeoutMs: undefined
          })
      }
    }
  }
}

export type Client = ReturnType<typeof makeClient>
