/**
 * Signs places as tickets and verifies them without a look-up: standard JWTs (HS256), `aud` the campaign, `sub` the user, `seq` the place.
 *
 * The same place always gives the same text, so asking again gives the same ticket. Keys are named (`kid`); the first signs, every one
 * verifies, so a key is rotated by putting a new one before it. Whatever is wrong with a ticket, the error is the same.
 */
import { createHmac, createSecretKey } from "node:crypto"
import { isId, type Ticket, TicketInvalid } from "@sluice/domain"
import { Context, Effect, Layer, Redacted } from "effect"
import { createSigner, createVerifier } from "fast-jwt"

export interface TicketKey {
  readonly kid: string
  /** At least 32 bytes. */
  readonly secret: Redacted.Redacted
}

/**
 * A ticket whose signature holds. The same object is given for as long as the ticket keeps coming, so what there is to remember of its
 * holder stands here and needs no look-up of its own.
 */
export class VerifiedTicket implements Ticket {
  readonly campaignId: string
  readonly userId: string
  readonly seq: number
  readonly expiresAtMs: number
  readonly text: string
  /** Kept by whoever limits how often the holder may ask: when the whole allowance is there again. */
  fullAtMs = 0

  constructor(text: string, campaignId: string, userId: string, seq: number, expiresAtMs: number) {
    this.text = text
    this.campaignId = campaignId
    this.userId = userId
    this.seq = seq
    this.expiresAtMs = expiresAtMs
  }
}

export class Tickets extends Context.Service<
  Tickets,
  {
    readonly sign: (ticket: Ticket, expiresAtMs: number) => string
    /** Fails for every ticket that was not signed for this campaign with a live key, or has expired. */
    readonly verify: (campaignId: string, text: string) => Effect.Effect<VerifiedTicket, TicketInvalid>
    /** The same without an effect: undefined where `verify` fails. */
    readonly verifyUnsafe: (campaignId: string, text: string) => VerifiedTicket | undefined
  }
>()("sluice/Tickets") {
  static readonly layer = (keys: readonly [TicketKey, ...ReadonlyArray<TicketKey>]): Layer.Layer<Tickets> =>
    Layer.sync(Tickets, () => make(keys))
}

const algorithm = "HS256"

/**
 * A signature has one spelling. Its 256 bits leave two bits of the last of 43 characters over, which what decodes base64 does not look at:
 * they have to be zero, or three other texts would pass for each ticket.
 */
const isCompact = /^[\w-]+\.[\w-]+\.[\w-]{42}[AEIMQUYcgkosw048]$/

/** Of each of the two generations of verified tickets, about 0.5 KB each. */
const keptTickets = 131_072

const headerOf = (key: string, kid: string): string => createSigner({ key, algorithm, kid, noTimestamp: true })({}).split(".")[0]!

/** What fast-jwt's signer gives, in 60% of its time: every join has a signature, and ids are JSON as they are. */
const makeSign = (secret: string, kid: string): Tickets["Service"]["sign"] => {
  const key = createSecretKey(Buffer.from(secret))
  const header = headerOf(secret, kid)
  return ({ campaignId, seq, userId }, expiresAtMs) => {
    const claims = `{"aud":"${campaignId}","sub":"${userId}","seq":${seq},"exp":${Math.floor(expiresAtMs / 1000)}}`
    const text = `${header}.${Buffer.from(claims, "latin1").toString("base64url")}`
    return `${text}.${createHmac("sha256", key).update(text).digest("base64url")}`
  }
}

const make = (keys: readonly [TicketKey, ...ReadonlyArray<TicketKey>]): Tickets["Service"] => {
  const sign = makeSign(Redacted.value(keys[0].secret), keys[0].kid)
  // A ticket is only ever read under one of our own headers, to the letter: no other algorithm, no other key can be asked for.
  const verifiers = new Map(
    keys.map(({ kid, secret }) => {
      const key = Redacted.value(secret)
      return [headerOf(key, kid), createVerifier({ key, algorithms: [algorithm] })] as const
    })
  )

  const read = (text: string): VerifiedTicket | undefined => {
    if (text.length > 1024 || !isCompact.test(text)) return undefined
    const verifier = verifiers.get(text.slice(0, text.indexOf(".")))
    if (verifier === undefined) return undefined
    try {
      const { aud, sub, seq, exp } = verifier(text) as Record<string, unknown>
      if (typeof aud !== "string" || !isId(sub) || !Number.isSafeInteger(seq) || typeof exp !== "number") return undefined
      return new VerifiedTicket(text, aud, sub, seq as number, exp * 1000)
    } catch {
      return undefined
    }
  }

  // A waiting user shows the same ticket again and again; its signature is worked out once for as long as it keeps coming.
  let young = new Map<string, VerifiedTicket>()
  let old = young
  const verified = (text: string): VerifiedTicket | undefined => {
    const known = young.get(text)
    if (known !== undefined) return known
    const seen = old.get(text) ?? read(text)
    if (seen === undefined) return undefined
    if (young.size >= keptTickets) {
      old = young
      young = new Map()
    }
    young.set(seen.text, seen)
    return seen
  }

  const verifyUnsafe = (campaignId: string, text: string): VerifiedTicket | undefined => {
    const found = verified(text)
    return found !== undefined && found.campaignId === campaignId && found.expiresAtMs > Date.now() ? found : undefined
  }

  return {
    sign,
    verifyUnsafe,
    verify: (campaignId, text) =>
      Effect.suspend(() => {
        const ticket = verifyUnsafe(campaignId, text)
        return ticket === undefined ? Effect.fail(new TicketInvalid()) : Effect.succeed(ticket)
      })
  }
}
