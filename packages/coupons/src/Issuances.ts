/**
 * Wins written to the database: the authority on who has a coupon.
 *
 * The primary key (campaign, serial) with serial in 1..stock and the unique key (campaign, user) hold promise 1 whatever arrives, and
 * however often. A win of a generation that was fenced is not written, so a serial given again after a loss can't meet its first owner.
 */

import { randomBytes } from "node:crypto"
import type { CampaignId, CouponWon, Issuance, UserId } from "@sluice/domain"
import { crashPoint, transact } from "@sluice/engines"
import type { Place, Win } from "@sluice/waiting-room"
import { Array, Clock, Context, Effect, Layer, Option, Stream } from "effect"
import { SqlClient, type SqlError } from "effect/sql"

/** What became of one win. */
export type Outcome =
  | { readonly _tag: "Issued"; readonly campaignId: CampaignId; readonly win: Win }
  /** Of a generation that ended: its user is to wait again. */
  | { readonly _tag: "Fenced"; readonly campaignId: CampaignId; readonly place: Place }
  | { readonly _tag: "Refused"; readonly campaignId: CampaignId; readonly win: Win; readonly reason: string }

export class Issuances extends Context.Service<
  Issuances,
  {
    /** One transaction; each win has its outcome, in the same order. Writing a win again gives the same outcome. */
    readonly issue: (wins: ReadonlyArray<CouponWon>) => Effect.Effect<ReadonlyArray<Outcome>, SqlError.SqlError>
    readonly bySerial: (
      campaignId: CampaignId,
      serials: ReadonlyArray<number>
    ) => Effect.Effect<ReadonlyArray<Issuance>, SqlError.SqlError>
    /** A user's coupons, newest first. */
    readonly byUser: (userId: UserId) => Effect.Effect<ReadonlyArray<Issuance>, SqlError.SqlError>
    readonly count: (campaignId: CampaignId) => Effect.Effect<number, SqlError.SqlError>
    /** All of a campaign's, by serial, in pages: memory stays flat. */
    readonly all: (campaignId: CampaignId) => Stream.Stream<Issuance, SqlError.SqlError>
  }
>()("sluice/Issuances") {}

export const issuancesMigration = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const id = sql.literal(
    sql.onDialectOrElse({ mysql: () => "VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin", orElse: () => "TEXT" })
  )
  const code = sql.literal(
    sql.onDialectOrElse({ mysql: () => "CHAR(19) CHARACTER SET ascii COLLATE ascii_bin", orElse: () => "TEXT" })
  )
  yield* sql`CREATE TABLE IF NOT EXISTS issuances (
    campaign_id ${id} NOT NULL,
    serial INTEGER NOT NULL CHECK (serial > 0),
    user_id ${id} NOT NULL,
    seq BIGINT NOT NULL,
    code ${code} NOT NULL,
    issued_at_ms BIGINT NOT NULL,
    PRIMARY KEY (campaign_id, serial),
    CONSTRAINT issuances_user UNIQUE (user_id, campaign_id),
    CONSTRAINT issuances_code UNIQUE (code)
  )`
})

interface Row {
  readonly campaign_id: string
  readonly serial: number
  readonly user_id: string
  readonly seq: number
  readonly code: string
  readonly issued_at_ms: number
}

const fromRow = (row: Row): Issuance => ({
  campaignId: row.campaign_id,
  serial: row.serial,
  userId: row.user_id,
  seq: row.seq,
  code: row.code,
  issuedAtMs: row.issued_at_ms
})

/** Crockford's base 32: no letter that is mistaken for another. */
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

/** 80 random bits, as `7K3M-9QWX-0ZTB-4HNC`: not to be guessed, and never twice. */
export const newCode = (): string => {
  const bytes = randomBytes(16)
  let code = ""
  for (let i = 0; i < 16; i++) code += (i > 0 && i % 4 === 0 ? "-" : "") + alphabet[bytes[i]! & 31]
  return code
}

const pageSize = 5000

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const shared = sql.literal(sql.onDialectOrElse({ mysql: () => "LOCK IN SHARE MODE", orElse: () => "" }))
  const keepFirst = sql.literal(
    sql.onDialectOrElse({
      mysql: () => "ON DUPLICATE KEY UPDATE campaign_id = issuances.campaign_id",
      orElse: () => "ON CONFLICT DO NOTHING"
    })
  )

  const issue = Effect.fnUntraced(function* (wins: ReadonlyArray<CouponWon>) {
    const issuedAtMs = yield* Clock.currentTimeMillis
    const campaignIds = [...new Set(wins.map((win) => win.campaignId))]
    // The shared lock keeps `fence` out until this transaction has ended: what is written here, it will see.
    const campaigns = new Map(
      (yield* sql<{ id: string; generation: number; stock: number }>`SELECT id, generation, stock FROM campaigns
        WHERE ${sql.in("id", campaignIds)} ORDER BY id ${shared}`).map((row) => [row.id, row])
    )
    const fits = (win: CouponWon) => {
      const campaign = campaigns.get(win.campaignId)
      return campaign !== undefined && win.generation === campaign.generation && win.serial <= campaign.stock
    }
    const rows = wins.filter(fits).map((win) => ({
      campaign_id: win.campaignId,
      serial: win.serial,
      user_id: win.userId,
      seq: win.seq,
      code: newCode(),
      issued_at_ms: issuedAtMs
    }))
    if (Array.isArrayNonEmpty(rows)) yield* sql`INSERT INTO issuances ${sql.insert(rows)} ${keepFirst}`.unprepared
    yield* crashPoint("issuer.inserted")

    const owners = new Map<string, string>()
    for (const campaignId of campaignIds) {
      const serials = rows.filter((row) => row.campaign_id === campaignId).map((row) => row.serial)
      if (serials.length === 0) continue
      const written = yield* sql<{ serial: number; user_id: string }>`SELECT serial, user_id FROM issuances
        WHERE campaign_id = ${campaignId} AND ${sql.in("serial", serials)}`.unprepared
      for (const row of written) owners.set(`${campaignId}/${row.serial}`, row.user_id)
    }

    return wins.map((event): Outcome => {
      const { campaignId, serial, seq, userId } = event
      const campaign = campaigns.get(campaignId)
      const win = { serial, seq, userId }
      if (campaign === undefined) return { _tag: "Refused", campaignId, win, reason: "unknown campaign" }
      if (event.generation < campaign.generation) return { _tag: "Fenced", campaignId, place: { userId, seq } }
      if (event.generation > campaign.generation)
        return { _tag: "Refused", campaignId, win, reason: "generation that never began" }
      if (serial > campaign.stock)
        return { _tag: "Refused", campaignId, win, reason: `serial above the stock of ${campaign.stock}` }
      const owner = owners.get(`${campaignId}/${serial}`)
      if (owner === userId) return { _tag: "Issued", campaignId, win }
      return {
        _tag: "Refused",
        campaignId,
        win,
        reason: owner === undefined ? "the user has another serial of this campaign" : "the serial is another user's"
      }
    })
  })

  const page = (campaignId: CampaignId, after: number) =>
    Effect.map(
      sql<Row>`SELECT * FROM issuances WHERE campaign_id = ${campaignId} AND serial > ${after} ORDER BY serial LIMIT ${sql.literal(String(pageSize))}`,
      (rows) => rows.map(fromRow)
    )

  return Issuances.of({
    issue: (wins) => (wins.length === 0 ? Effect.succeed([]) : transact(sql)(issue(wins))),
    bySerial: (campaignId, serials) =>
      serials.length === 0
        ? Effect.succeed([])
        : Effect.map(
            sql<Row>`SELECT * FROM issuances WHERE campaign_id = ${campaignId} AND ${sql.in("serial", serials)}`.unprepared,
            (rows) => rows.map(fromRow)
          ),
    byUser: (userId) =>
      Effect.map(sql<Row>`SELECT * FROM issuances WHERE user_id = ${userId} ORDER BY issued_at_ms DESC LIMIT 1000`, (rows) =>
        rows.map(fromRow)
      ),
    count: (campaignId) =>
      Effect.map(sql<{ n: number }>`SELECT COUNT(*) AS n FROM issuances WHERE campaign_id = ${campaignId}`, (rows) => rows[0]!.n),
    all: (campaignId) =>
      Stream.paginate(0, (after: number) =>
        Effect.map(page(campaignId, after), (rows) => {
          const last = rows.length < pageSize ? Option.none<number>() : Option.some(rows.at(-1)!.serial)
          return [rows, last] as const
        })
      )
  })
})

export const layer: Layer.Layer<Issuances, never, SqlClient.SqlClient> = Layer.effect(Issuances, make)
