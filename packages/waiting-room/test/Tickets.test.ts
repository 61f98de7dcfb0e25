import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { createSigner } from "fast-jwt"
import { vi } from "vitest"
import { type TicketKey, Tickets, type VerifiedTicket } from "../src/index.ts"

const older: TicketKey = { kid: "k1", secret: Redacted.make("first secret of at least 32 bytes") }
const newer: TicketKey = { kid: "k2", secret: Redacted.make("other secret of at least 32 bytes") }
const ticket = { campaignId: "c1", userId: "u1", seq: 2 ** 32 + 7 }
const later = Date.now() + 60_000

const placeOf = (found: VerifiedTicket | undefined) =>
  found && { campaignId: found.campaignId, userId: found.userId, seq: found.seq }

const using = (keys: readonly [TicketKey, ...ReadonlyArray<TicketKey>]) =>
  Tickets.use(Effect.succeed).pipe(Effect.provide(Tickets.layer(keys)))

describe("Tickets", () => {
  it.effect("a place gives the same ticket each time, and the ticket the place", () =>
    Effect.gen(function* () {
      const tickets = yield* using([older])
      const text = tickets.sign(ticket, later)
      assert.strictEqual(tickets.sign({ ...ticket }, later), text)
      assert.deepStrictEqual(placeOf(tickets.verifyUnsafe("c1", text)), ticket)
    })
  )

  it.effect("a ticket is what any signer of JWTs makes of the same claims", () =>
    Effect.gen(function* () {
      const tickets = yield* using([older])
      const sign = createSigner({ key: Redacted.value(older.secret), algorithm: "HS256", kid: older.kid, noTimestamp: true })
      for (const [aud, sub] of [
        ["c1", "u1"],
        ["A_.-~@:+=9", "_".padEnd(64, ".-~@:+=9Z")]
      ] as const) {
        const text = tickets.sign({ campaignId: aud, userId: sub, seq: ticket.seq }, later)
        assert.strictEqual(text, sign({ aud, sub, seq: ticket.seq, exp: Math.floor(later / 1000) }))
      }
    })
  )

  it.effect("a key is rotated without losing the tickets of the old one", () =>
    Effect.gen(function* () {
      const text = (yield* using([older])).sign(ticket, later)
      const rotated = yield* using([newer, older])
      assert.deepStrictEqual(placeOf(rotated.verifyUnsafe("c1", text)), ticket)
      assert.notStrictEqual(rotated.sign(ticket, later), text)
      assert.isUndefined((yield* using([newer])).verifyUnsafe("c1", text))
    })
  )

  it.effect("forged, foreign and expired tickets fail alike", () =>
    Effect.gen(function* () {
      const tickets = yield* using([older])
      const text = tickets.sign(ticket, later)
      const [header, payload, signature] = text.split(".") as [string, string, string]
      const claims = { aud: "c1", sub: "u1", seq: 1, exp: Math.floor(later / 1000) }
      const key = Redacted.value(older.secret)
      const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
      const forgeries = [
        "",
        "x",
        "..",
        `${header}.${payload}.`,
        `${header}.${payload}.${signature.slice(0, -4)}AAAA`,
        `${header}.${base64({ ...claims, seq: 2 })}.${signature}`,
        `${base64({ alg: "none", typ: "JWT" })}.${payload}.`,
        `${base64({ alg: "none", typ: "JWT", kid: "k1" })}.${payload}.${signature}`,
        createSigner({ key, algorithm: "HS256", kid: "unknown" })(claims),
        createSigner({ key, algorithm: "HS512", kid: "k1" })(claims),
        createSigner({ key: "quite another secret of 32 bytes", algorithm: "HS256", kid: "k1" })(claims),
        createSigner({ key, algorithm: "HS256", kid: "k1", noTimestamp: true })({ ...claims, exp: undefined }),
        createSigner({ key, algorithm: "HS256", kid: "k1", noTimestamp: true })({ ...claims, sub: "a/b" }),
        createSigner({ key, algorithm: "HS256", kid: "k1", noTimestamp: true })({ ...claims, seq: 1.5 }),
        tickets.sign(ticket, Date.now() - 2000),
        `${text}=`,
        `${header}.${payload}.${Buffer.from(signature, "base64url").toString("base64")}`,
        "a".repeat(100_000)
      ]
      for (const forgery of forgeries) {
        assert.isUndefined(tickets.verifyUnsafe("c1", forgery), forgery.slice(0, 200))
        assert.strictEqual((yield* Effect.flip(tickets.verify("c1", forgery)))._tag, "TicketInvalid")
      }
      assert.deepStrictEqual(placeOf(tickets.verifyUnsafe("c1", text)), ticket)
      assert.isUndefined(tickets.verifyUnsafe("c2", text), "of another campaign, also when it was just seen")
    })
  )

  it.effect("a ticket with any other last character is forged", () =>
    Effect.gen(function* () {
      const tickets = yield* using([older])
      for (let seq = 1; seq <= 50; seq++) {
        const text = tickets.sign({ ...ticket, seq }, later)
        const passing = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"]
          .map((last) => text.slice(0, -1) + last)
          .filter((other) => tickets.verifyUnsafe("c1", other) !== undefined)
        assert.deepStrictEqual(passing, [text])
      }
    })
  )

  it.effect("a ticket that was verified a moment ago expires all the same", () =>
    Effect.gen(function* () {
      const tickets = yield* using([older])
      const text = tickets.sign(ticket, Date.now() + 2000)
      assert.deepStrictEqual(placeOf(tickets.verifyUnsafe("c1", text)), ticket)
      vi.useFakeTimers({ now: Date.now() + 2001, toFake: ["Date"] })
      try {
        assert.isUndefined(tickets.verifyUnsafe("c1", text))
      } finally {
        vi.useRealTimers()
      }
    })
  )
})
