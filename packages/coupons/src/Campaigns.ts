/**
 * The campaigns as the SQL store keeps them: the authority on what is on sale.
 *
 * SQL that MariaDB and SQLite share; times are milliseconds since 1970.
 */
import type { Campaign, CampaignId } from "@sluice/domain"
import { transact } from "@sluice/engines"
import { Context, Effect, Layer, Option } from "effect"
import { SqlClient, type SqlError } from "effect/sql"

export interface Change {
  readonly ratePerSecond?: number
  readonly paused?: boolean
  readonly stock?: number
  readonly closesAtMs?: number | null
}

export class Campaigns extends Context.Service<
  Campaigns,
  {
    /** False where the id exists. */
    readonly insert: (campaign: Campaign) => Effect.Effect<boolean, SqlError.SqlError>
    readonly find: (id: CampaignId) => Effect.Effect<Option.Option<Campaign>, SqlError.SqlError>
    /** The newest `listedAtMost`, the newest first. */
    readonly list: Effect.Effect<ReadonlyArray<Campaign>, SqlError.SqlError>
    /** All that close later than that, or never: however many they are. */
    readonly notClosedBefore: (atMs: number) => Effect.Effect<ReadonlyArray<Campaign>, SqlError.SqlError>
    /**
     * Lets `change` decide on the row as it stands, nobody else being able to change it meanwhile. None where there is no such campaign.
     */
    readonly update: <E>(
      id: CampaignId,
      change: (campaign: Campaign) => Effect.Effect<Change, E>
    ) => Effect.Effect<Option.Option<Campaign>, E | SqlError.SqlError>
    /** Begins a new generation of the waiting room: from here on no win of an earlier one is issued. */
    readonly fence: (id: CampaignId) => Effect.Effect<Option.Option<Campaign>, SqlError.SqlError>
  }
>()("sluice/Campaigns") {}

export const campaignsMigration = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const id = sql.literal(
    sql.onDialectOrElse({ mysql: () => "VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin", orElse: () => "TEXT" })
  )
  const name = sql.literal(sql.onDialectOrElse({ mysql: () => "VARCHAR(200) CHARACTER SET utf8mb4", orElse: () => "TEXT" }))
  yield* sql`CREATE TABLE IF NOT EXISTS campaigns (
    id ${id} NOT NULL PRIMARY KEY,
    name ${name} NOT NULL,
    stock INTEGER NOT NULL CHECK (stock > 0),
    rate_per_second INTEGER NOT NULL CHECK (rate_per_second > 0),
    opens_at_ms BIGINT,
    closes_at_ms BIGINT,
    paused SMALLINT NOT NULL,
    max_waiting INTEGER,
    created_at_ms BIGINT NOT NULL,
    tickets_expire_at_ms BIGINT NOT NULL,
    revision INTEGER NOT NULL,
    generation INTEGER NOT NULL
  )`
})

interface Row {
  readonly id: string
  readonly name: string
  readonly stock: number
  readonly rate_per_second: number
  readonly opens_at_ms: number | null
  readonly closes_at_ms: number | null
  readonly paused: number
  readonly max_waiting: number | null
  readonly created_at_ms: number
  readonly tickets_expire_at_ms: number
  readonly revision: number
  readonly generation: number
}

const fromRow = (row: Row): Campaign => ({
  id: row.id,
  name: row.name,
  stock: row.stock,
  ratePerSecond: row.rate_per_second,
  opensAtMs: row.opens_at_ms,
  closesAtMs: row.closes_at_ms,
  paused: row.paused !== 0,
  maxWaiting: row.max_waiting,
  createdAtMs: row.created_at_ms,
  ticketsExpireAtMs: row.tickets_expire_at_ms,
  revision: row.revision,
  generation: row.generation
})

const toRow = (campaign: Campaign): Row => ({
  id: campaign.id,
  name: campaign.name,
  stock: campaign.stock,
  rate_per_second: campaign.ratePerSecond,
  opens_at_ms: campaign.opensAtMs,
  closes_at_ms: campaign.closesAtMs,
  paused: campaign.paused ? 1 : 0,
  max_waiting: campaign.maxWaiting,
  created_at_ms: campaign.createdAtMs,
  tickets_expire_at_ms: campaign.ticketsExpireAtMs,
  revision: campaign.revision,
  generation: campaign.generation
})

/** How many campaigns a list shows. */
export const listedAtMost = 1000

/** How long a ticket stays valid after nothing can happen any more in its campaign. */
export const ticketsOutliveMs = 30 * 24 * 3600_000
/** How long a campaign without an end is taken to last. */
const openEndedMs = 365 * 24 * 3600_000

export const ticketsExpireAtMs = (closesAtMs: number | null, sinceMs: number): number =>
  (closesAtMs ?? sinceMs + openEndedMs) + ticketsOutliveMs

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const forUpdate = sql.literal(sql.onDialectOrElse({ mysql: () => "FOR UPDATE", orElse: () => "" }))
  const first = (rows: ReadonlyArray<Row>) => Option.map(Option.fromNullishOr(rows[0]), fromRow)
  const locked = (id: CampaignId) => Effect.map(sql<Row>`SELECT * FROM campaigns WHERE id = ${id} ${forUpdate}`, first)

  return Campaigns.of({
    insert: (campaign) =>
      sql`INSERT INTO campaigns ${sql.insert({ ...toRow(campaign) })}`.pipe(
        Effect.as(true),
        Effect.catchIf(
          (error) => error.reason._tag === "UniqueViolation" || error.reason._tag === "ConstraintError",
          () => Effect.succeed(false)
        )
      ),
    find: (id) => Effect.map(sql<Row>`SELECT * FROM campaigns WHERE id = ${id}`, first),
    list: Effect.map(
      sql<Row>`SELECT * FROM campaigns ORDER BY created_at_ms DESC, id LIMIT ${sql.literal(String(listedAtMost))}`,
      (rows) => rows.map(fromRow)
    ),
    notClosedBefore: (atMs) =>
      Effect.map(sql<Row>`SELECT * FROM campaigns WHERE closes_at_ms IS NULL OR closes_at_ms > ${atMs}`, (rows) =>
        rows.map(fromRow)
      ),
    update: (id, change) =>
      transact(sql)(
        Effect.gen(function* () {
          const found = yield* locked(id)
          if (Option.isNone(found)) return found
          const changed = { ...found.value, ...(yield* change(found.value)), revision: found.value.revision + 1 }
          const expireAtMs = Math.max(changed.ticketsExpireAtMs, ticketsExpireAtMs(changed.closesAtMs, 0))
          const campaign: Campaign = changed.closesAtMs === null ? changed : { ...changed, ticketsExpireAtMs: expireAtMs }
          const { id: _, ...row } = toRow(campaign)
          yield* sql`UPDATE campaigns SET ${sql.update(row)} WHERE id = ${id}`
          return Option.some(campaign)
        })
      ),
    fence: (id) =>
      transact(sql)(
        Effect.andThen(
          sql`UPDATE campaigns SET generation = generation + 1 WHERE id = ${id}`,
          Effect.map(sql<Row>`SELECT * FROM campaigns WHERE id = ${id}`, first)
        )
      )
  })
})

export const layer: Layer.Layer<Campaigns, never, SqlClient.SqlClient> = Layer.effect(Campaigns, make)
