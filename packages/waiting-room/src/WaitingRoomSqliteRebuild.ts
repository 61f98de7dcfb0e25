/**
 * Rebuilding a room in SQLite from the authorities: parts are brought beside the room, which stays as it is until `finish` replaces it in
 * one transaction. A rebuilder that lost its lease can change nothing any more.
 */
import type { Campaign, CampaignId } from "@sluice/domain"
import { Effect } from "effect"
import type { SqlClient } from "effect/sql"
import { WaitingRoomError, type Win } from "./WaitingRoom.ts"
import type { makePlaces } from "./WaitingRoomSqlitePlaces.ts"
import { isAhead, open, type Room, roomParams, selectRoom, updateRoom } from "./WaitingRoomSqliteRoom.ts"
import { triples } from "./WaitingRoomSqliteWins.ts"

interface Lease {
  readonly owner: string
  readonly leaseMs: number
  readonly leaseUntilMs: number
}

export const makeRebuild = (sql: SqlClient.SqlClient, places: ReturnType<typeof makePlaces>) => {
  const leaseOf = (campaignId: CampaignId) =>
    Effect.map(
      sql<Lease>`
        SELECT owner, lease_ms AS leaseMs, lease_until_ms AS leaseUntilMs FROM room_rebuilds WHERE campaign_id = ${campaignId}`,
      (rows) => rows[0]
    )

  const clear = Effect.fnUntraced(function* (campaignId: CampaignId) {
    yield* sql`DELETE FROM room_rebuild_wins WHERE campaign_id = ${campaignId}`
    yield* sql`DELETE FROM room_rebuild_free WHERE campaign_id = ${campaignId}`
  })

  const begin = Effect.fnUntraced(function* (campaignId: CampaignId, owner: string, leaseMs: number, nowMs: number) {
    const lease = yield* leaseOf(campaignId)
    if (lease?.owner !== owner) {
      if (lease !== undefined && isAhead(lease.leaseUntilMs, lease.leaseMs, nowMs)) return false
      yield* clear(campaignId)
    }
    yield* sql`
      INSERT INTO room_rebuilds (campaign_id, owner, lease_ms, lease_until_ms)
      VALUES (${campaignId}, ${owner}, ${leaseMs}, ${nowMs + leaseMs})
      ON CONFLICT (campaign_id) DO UPDATE SET owner = excluded.owner, lease_ms = excluded.lease_ms,
        lease_until_ms = excluded.lease_until_ms`
    return true
  })

  const assertLease = Effect.fnUntraced(function* (campaignId: CampaignId, owner: string) {
    const lease = yield* leaseOf(campaignId)
    if (lease?.owner === owner) return
    return yield* new WaitingRoomError({ cause: new Error(`the lease to rebuild ${campaignId} is lost`) })
  })

  const load = Effect.fnUntraced(function* (
    campaignId: CampaignId,
    owner: string,
    part: { readonly issued: ReadonlyArray<Win>; readonly free: ReadonlyArray<number> }
  ) {
    yield* assertLease(campaignId, owner)
    yield* sql`
      INSERT INTO room_rebuild_wins (campaign_id, user_id, serial, seq)
      SELECT ${campaignId}, value ->> 0, value ->> 1, value ->> 2 FROM json_each(${triples(part.issued)}) WHERE true
      ON CONFLICT DO NOTHING`
    yield* sql`
      INSERT INTO room_rebuild_free (campaign_id, serial)
      SELECT ${campaignId}, value FROM json_each(${JSON.stringify(part.free)}) WHERE true
      ON CONFLICT DO NOTHING`
  })

  const roomOf = Effect.fnUntraced(function* (campaignId: CampaignId) {
    yield* sql`INSERT INTO room_campaigns (campaign_id) VALUES (${campaignId}) ON CONFLICT DO NOTHING`
    const [room] = yield* sql.unsafe<Room>(selectRoom, [campaignId])
    return room!
  })

  const replaceWins = Effect.fnUntraced(function* (room: Room, campaignId: CampaignId) {
    yield* sql`
      INSERT INTO room_places (room, user_id, seq)
      SELECT room, user_id, seq FROM room_wins WHERE room = ${room.id}
      ON CONFLICT DO NOTHING`
    yield* sql`
      DELETE FROM room_places WHERE room = ${room.id}
        AND user_id IN (SELECT user_id FROM room_rebuild_wins WHERE campaign_id = ${campaignId})`
    yield* sql`DELETE FROM room_wins WHERE room = ${room.id}`
    yield* sql`DELETE FROM room_free WHERE room = ${room.id}`
    yield* sql`
      INSERT INTO room_wins (room, user_id, serial, seq, state, attend_at_ms)
      SELECT ${room.id}, user_id, serial, seq, 'issued', 0 FROM room_rebuild_wins WHERE campaign_id = ${campaignId}`
    yield* sql`
      INSERT INTO room_free (room, serial)
      SELECT ${room.id}, serial FROM room_rebuild_free WHERE campaign_id = ${campaignId}
        AND serial NOT IN (SELECT serial FROM room_rebuild_wins WHERE campaign_id = ${campaignId})`
    const [row] = yield* sql<{ issued: number; free: number; lastSerial: number }>`
      SELECT (SELECT count(*) FROM room_wins WHERE room = ${room.id}) AS issued,
        (SELECT count(*) FROM room_free WHERE room = ${room.id}) AS free,
        max(coalesce((SELECT max(serial) FROM room_wins WHERE room = ${room.id}), 0),
          coalesce((SELECT max(serial) FROM room_free WHERE room = ${room.id}), 0)) AS lastSerial`
    Object.assign(room, row, { pending: 0, dead: 0 })
  })

  const finish = Effect.fnUntraced(function* (campaign: Campaign, owner: string, holdMs: number, nowMs: number) {
    yield* assertLease(campaign.id, owner)
    const room = yield* roomOf(campaign.id)
    if (room.generation >= campaign.generation) {
      return yield* new WaitingRoomError({
        cause: new Error(`the room of ${campaign.id} is of generation ${room.generation} already`)
      })
    }
    open(room, campaign, holdMs, nowMs)
    yield* replaceWins(room, campaign.id)
    yield* places.recount(room)
    yield* sql.unsafe(updateRoom, roomParams(room))
    yield* clear(campaign.id)
    yield* sql`DELETE FROM room_rebuilds WHERE campaign_id = ${campaign.id}`
  })

  return { begin, load, finish }
}
