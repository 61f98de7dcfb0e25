/**
 * Signs places as tickets and verifies them without a look-up: standard JWTs (HS256), `aud` the campaign, `sub` the user, `seq` the place.
 *
 * The same place always gives the same text, so asking again gives the same ticket. Keys are named (`kid`); the first signs, every one
 * verifies, so a key is rotated by putting a new one before it. Whatever is wrong with a ticket, the error is the same.
 */
import { isId, type Ticket, TicketInvalid } from "@sluice/domain"
import { Context, Effect, Layer, Redacted } from "effect"
import { createSigner, createVerifier } from "fast-jwt"

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
>()("sluice/Tickets") {
  static readonly layer = (keys: readonly [TicketKey, ...ReadonlyArray<TicketKey>]): Layer.Layer<Tickets> =>
    Layer.sync(Tickets, () => make(keys))
}

const algorithm = "HS256"

const make = (keys: readonly [TicketKey, ...ReadonlyArray<TicketKey>]): Tickets["Service"] => {
  const sign = createSigner({ key: Redacted.value(keys[0].secret), algorithm, kid: keys[0].kid, noTimestamp: true })
  // A ticket is only ever read under one of our own headers, to the letter: no other algorithm, no other key can be asked for.
  const verifiers = new Map(
    keys.map(({ kid, secret }) => {
      const key = Redacted.value(secret)
      const [header] = createSigner({ key, algorithm, kid, noTimestamp: true })({}).split(".")
      return [header!, createVerifier({ key, algorithms: [algorithm] })] as const
    })
  )

  const verifyUnsafe = (campaignId: string, text: string): Ticket | undefined => {
    if (text.length > 1024) return undefined
    const verifier = verifiers.get(text.slice(0, text.indexOf(".")))
    if (verifier === undefined) return undefined
    try {
      const { aud, sub, seq, exp } = verifier(text) as Record<string, unknown>
      if (aud !== campaignId || !isId(sub) || !Number.isSafeInteger(seq) || typeof exp !== "number") return undefined
      return { campaignId, userId: sub, seq: seq as number }
    } catch {
      return undefined
    }
  }

  return {
    sign: ({ campaignId, userId, seq }, expiresAtMs) =>
      sign({ aud: campaignId, sub: userId, seq, exp: Math.floor(expiresAtMs / 1000) }),
    verifyUnsafe,
    verify: (campaignId, text) =>
      Effect.suspend(() => {
        const ticket = verifyUnsafe(campaignId, text)
        return ticket === undefined ? Effect.fail(new TicketInvalid()) : Effect.succeed(ticket)
      })
  }
}
