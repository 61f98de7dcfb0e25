/**
 * Every call of the API as a function.
 *
 * A call that may be asked twice without harm is: after a lost connection, a 429 or a 5xx, as often as `attempts` says and no sooner than
 * the server asked for. Placing an order is one of them, by its idempotency key; paying, shipping, cancelling and making a campaign are
 * not, and say so when the answer got lost.
 */
import { makeAdmin } from "./admin.ts"
import type { CallOptions, Calls } from "./calls.ts"
import { eventsOf } from "./EventStream.ts"
import { type Call, type Connection, jsonOf, makeSend, pathOf } from "./Http.ts"
import { makePatience, sleep, waitBefore } from "./Patience.ts"
import { isPassing, SluiceProblem } from "./SluiceError.ts"
import type { Campaign, ChangedOrder, Coupon, NewOrder, Order, OrderPage, OrderState, PlacedOrder, Ticket } from "./types.ts"

export interface ClientOptions extends Connection {
  /** How often a call that may be repeated is asked in all (5). */
  readonly attempts?: number
  /** How long one answer may take (30 s). */
  readonly timeoutMs?: number
}

export interface PageOptions extends CallOptions {
  readonly state?: OrderState
  /** Orders of one page, 1 to 100 (20). */
  readonly limit?: number
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

  const once: Calls["once"] = async <A>(call: Call): Promise<A> => jsonOf<A>(await send({ timeoutMs, ...call }), call.signal)
  const ask: Calls["ask"] = <A>(call: Call): Promise<A> =>
    makePatience({ signal: call.signal, attempts }).ask(() => once<A>(call))
  const tell: Calls["tell"] = (call) =>
    makePatience({ signal: call.signal, attempts }).ask(async () => {
      await (await send({ timeoutMs, ...call })).body?.cancel()
    })

  async function* watch<A>(
    path: string,
    signal: AbortSignal | undefined,
    isLast: (event: A) => boolean
  ): AsyncGenerator<A, void, void> {
    let failures = 0
    for (;;) {
      let waitMs = Math.random() * 2000
      try {
        for await (const event of eventsOf<A>(send, path, signal)) {
          failures = 0
          yield event
          if (isLast(event)) return
        }
      } catch (error) {
        if (!isPassing(error) || ++failures >= attempts) throw error
        waitMs = waitBefore(failures - 1, SluiceProblem.is(error) ? error.retryAfterMs : undefined)
      }
      await sleep(waitMs, signal)
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
    admin: makeAdmin({ ask, once, tell, watch })
  }
}

export type Client = ReturnType<typeof makeClient>
