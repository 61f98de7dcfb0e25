/**
 * A user's whole way through a drop as one call: joins, keeps the ticket, follows it to its end.
 *
 * The place is the ticket's, and the ticket is in `storage` as soon as it is there: a page that is loaded again, a process that is started
 * again, or a second call takes the old place back. A lost network, a server that restarts, one that is too busy: it asks again, as
 * `Patience` does, and calls `onTrouble`. It follows by Server-Sent Events; where they do not come through it asks every `pollAfterMs`.
 * An abort ends the waiting and not the place.
 */
import { type ClientOptions, isFinal } from "./Client.ts"
import { eventsOf } from "./EventStream.ts"
import { type Connection, jsonOf, makeSend, pathOf } from "./Http.ts"
import { makePatience, sleep } from "./Patience.ts"
import { isPassing, SluiceProblem } from "./SluiceError.ts"
import { keepTicket, type TicketStorage } from "./TicketStorage.ts"
import type { Ticket } from "./types.ts"

export type Outcome =
  | { readonly state: "issued"; readonly serial: number; readonly code: string }
  | { readonly state: "sold_out" }
  /** The place was given up, by whoever has the ticket. */
  | { readonly state: "left" }
  | { readonly state: "closed" }

export interface JoinAndWait extends Connection, Pick<ClientOptions, "timeoutMs"> {
  readonly campaignId: string
  readonly userId: string
  /** `localStorage`, or anything like it, also asynchronous. Without it a ticket lives as long as the call. */
  readonly storage?: TicketStorage | undefined
  readonly signal?: AbortSignal | undefined
  /** Called with the first answer, after each change, and once trouble is over. */
  readonly onState?: ((ticket: Ticket) => void) | undefined
  /** Called when nobody answered, or only for a later time: what it was, and when it will be asked again. */
  readonly onTrouble?: ((error: Error, waitMs: number) => void) | undefined
  /** How long to have waited without any answer before the last error is thrown (10 minutes). */
  readonly patienceMs?: number
}

/** For so long nothing is expected of streams that brought nothing. */
const withoutStreamsMs = 60_000
const pollMs = 2_000

const outcomeOf = ({ code, serial, state }: Ticket): Outcome => {
  if (state === "issued") return { state, serial: serial!, code: code! }
  if (state === "sold_out" || state === "left" || state === "closed") return { state }
  throw new Error(`${state} is no end`)
}

/** How a refusal to join that is an end looks as a ticket. */
const closed: Ticket = { ticket: null, state: "closed", position: null, etaSeconds: null, pollAfterMs: null }

export const joinAndWait = async (options: JoinAndWait): Promise<Outcome> => {
  const { campaignId, onState, onTrouble, patienceMs: waitMs = 600_000, signal, timeoutMs = 15_000, userId } = options
  const send = makeSend(options)
  const kept = keepTicket(options.storage, campaignId, userId)

  let told = ""
  const { ask } = makePatience({
    signal,
    waitMs,
    onTrouble: (error, ms) => {
      told = ""
      onTrouble?.(error, ms)
    }
  })
  const tell = (view: Ticket): Ticket => {
    const text = JSON.stringify(view)
    if (text !== told) onState?.(view)
    told = text
    return view
  }
  const tickets = pathOf("campaigns", campaignId, "tickets")
  const join = async () => {
    const call = { method: "POST", path: tickets, json: { userId }, signal, timeoutMs } as const
    try {
      return await ask(async () => jsonOf<Ticket>(await send(call), signal))
    } catch (error) {
      if (SluiceProblem.is(error, "closed")) return closed
      throw error
    }
  }
  const look = (ticket: string) =>
    ask(async () => jsonOf<Ticket>(await send({ path: `${tickets}/${ticket}`, signal, timeoutMs }), signal))

  let streamsAt = 0
  /** Follows the stream for as long as it lasts; resolves with the last it told. A refusal is left to `look`, which meets it too. */
  const follow = async (ticket: string, view: Ticket): Promise<Ticket> => {
    let last = view
    streamsAt = Date.now() + withoutStreamsMs
    try {
      for await (const event of eventsOf<Ticket>(send, `${tickets}/${ticket}/events`, signal)) {
        streamsAt = 0
        last = tell(event)
        if (isFinal(last)) return last
      }
    } catch (error) {
      if (!isPassing(error) && !(error instanceof SluiceProblem)) throw error
    }
    // Who else was on this stream comes back now, too.
    if (streamsAt === 0) await sleep(Math.random() * pollMs, signal)
    return last
  }

  signal?.throwIfAborted()
  let ticket = await kept.read()
  let isNew = false
  for (;;) {
    let view: Ticket
    try {
      view = tell(await (ticket === undefined ? join() : look(ticket)))
    } catch (error) {
      // What was kept is not of this campaign, or too old. Joining gives the place that the user has, if there is one.
      if (ticket === undefined || isNew || !SluiceProblem.is(error, "ticket_invalid")) throw error
      ticket = undefined
      continue
    }
    isNew = ticket === undefined
    if (view.ticket !== null && view.ticket !== ticket) {
      ticket = view.ticket
      await kept.write(ticket)
    }
    if (!isFinal(view) && Date.now() >= streamsAt) view = await follow(ticket!, view)
    if (isFinal(view)) {
      if (view.state === "left") await kept.forget()
      return outcomeOf(view)
    }
    if (streamsAt > 0) await sleep(view.pollAfterMs ?? pollMs, signal)
  }
}
