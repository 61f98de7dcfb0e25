/**
 * Idempotency keys: the answer that a key was given, in the order's own transaction.
 *
 * A key is claimed by inserting it; the unique key decides between two who come at once, and whoever is second waits until the first is
 * committed, or for a second. Keys belong to a customer and are kept for a week.
 */
import { createHash } from "node:crypto"
import type { NewOrder } from "@sluice/domain"
import { Data, Duration, Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { changedBy } from "./Statements.ts"

export const keyRetention = Duration.days(7)

/** Somebody else holds one of the keys and has not committed. */
export class KeyBusy extends Data.TaggedError("KeyBusy") {}

export interface KeyClaim {
  readonly customerId: string
  readonly key: string
  readonly bodyHash: string
  readonly orderId: string
  readonly total: number
}

/** Of the meaning of a body, not of its spelling. */
export const bodyHash = ({ couponCode, customerId, lines }: NewOrder): string =>
  createHash("sha256")
    .update(JSON.stringify([customerId, lines.map(({ productId, quantity }) => [productId, quantity]), couponCode ?? null]))
    .digest("hex")

export const keyId = (customerId: string, key: string): string => `${customerId}\n${key}`

const compare = (a: KeyClaim, b: KeyClaim) => {
  const [x, y] = [keyId(a.customerId, a.key), keyId(b.customerId, b.key)]
  return x < y ? -1 : x > y ? 1 : 0
}

/** Claims them all, in one order for everybody; gives for each key by `keyId` who has it now. */
export const claimKeys = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  claims: ReadonlyArray<KeyClaim>,
  atMs: number
): Effect.fn.Return<ReadonlyMap<string, KeyClaim>, SqlError.SqlError | KeyBusy> {
  const rows = [...claims].sort(compare).map((claim) => ({
    customer_id: claim.customerId,
    idempotency_key: claim.key,
    body_hash: claim.bodyHash,
    order_id: claim.orderId,
    total: claim.total,
    created_at_ms: atMs
  }))
  const [first, ...rest] = rows
  if (first === undefined) return new Map()
  const insert = sql.literal(
    sql.onDialectOrElse({ mysql: () => "SET STATEMENT innodb_lock_wait_timeout = 1 FOR INSERT", orElse: () => "INSERT" })
  )
  const keepFirst = sql.literal(
    sql.onDialectOrElse({
      mysql: () => "ON DUPLICATE KEY UPDATE order_id = order_keys.order_id",
      orElse: () => "ON CONFLICT (customer_id, idempotency_key) DO UPDATE SET order_id = order_keys.order_id"
    })
  )
  const owners = yield* sql<{
    customer_id: string
    idempotency_key: string
    body_hash: string
    order_id: string
    total: number
  }>`${insert} INTO order_keys ${sql.insert([first, ...rest])} ${keepFirst}
    RETURNING customer_id, idempotency_key, body_hash, order_id, total`.unprepared.pipe(
    Effect.catchIf(
      (error) => error.reason._tag === "LockTimeoutError",
      () => Effect.fail(new KeyBusy())
    )
  )
  return new Map(
    owners.map((row) => [
      keyId(row.customer_id, row.idempotency_key),
      {
        customerId: row.customer_id,
        key: row.idempotency_key,
        bodyHash: row.body_hash,
        orderId: row.order_id,
        total: row.total
      }
    ])
  )
})

export const releaseKey = (sql: SqlClient.SqlClient, { customerId, key }: KeyClaim) =>
  sql`DELETE FROM order_keys WHERE customer_id = ${customerId} AND idempotency_key = ${key}`

/** Deletes a few that are too old; gives how many. */
export const sweepKeys = (sql: SqlClient.SqlClient, nowMs: number): Effect.Effect<number, SqlError.SqlError> => {
  const before = nowMs - Duration.toMillis(keyRetention)
  return changedBy(
    sql.onDialectOrElse({
      mysql: () => sql`DELETE FROM order_keys WHERE created_at_ms < ${before} LIMIT 500`.raw,
      orElse: () =>
        sql`DELETE FROM order_keys WHERE rowid IN (SELECT rowid FROM order_keys WHERE created_at_ms < ${before} LIMIT 500)`.raw
    })
  )
}
