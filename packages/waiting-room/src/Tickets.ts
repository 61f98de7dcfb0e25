/**
 * Signs places as tickets and verifies them without a look-up: standard JWTs (HS256), `aud` the campaign, `sub` the user, `seq` the place.
 *
 * The same place always gives the same text, so asking again gives the same ticket. Keys are named (`kid`); the first signs, every one
 * verifies, so a key is rotated by putting a new one before it. Whatever is wrong with a ticket, the error is the same.
 */
import type { Ticket, TicketInvalid } from "@sluice/domain"
import { Context, type Effect, type Redacted } from "effect"

export interface TicketKey {
  readonly kid: string
  /** At least 32 bytes. */
  readonly secret: Redacted.Redacted
}

export class Tickets extends Context.Service<
  Tickets,
  {
    readonly sign: (ticket: Ticket, expiresAtMs: number) => string
    /** Fails for every ticket that was not signed for this campaign with a live key, or has expired. */
    readonly verify: (campaignId: string, text: string) => Effect.Effect<Ticket, TicketInvalid>
    /** The same without an effect: undefined where `verify` fails. */
    readonly verifyUnsafe: (campaignId: string, text: string) => Ticket | undefined
  }
>()("sluice/Tickets") {}
