/**
 * The places of a room in SQLite: who stands where, in one statement for many users.
 *
 * Whoever adds or drops places goes through here, so the blocks and the room's count always agree with the places.
 */
import { Effect } from "effect"
import type { SqlClient } from "effect/sql"
import type { Place } from "./WaitingRoom.ts"
import type { Room } from "./WaitingRoomSqliteRoom.ts"

/** What the room knows of a user: a place, a win, or neither. */
export interface Known {
  readonly seq: number | null
  readonly wonSeq: number | null
  readonly serial: number | null
}

const nobody: Known = { seq: null, wonSeq: null, serial: null }

/** Places as SQL takes them in one parameter. */
export const pairs = (places: ReadonlyArray<Place>) => JSON.stringify(places.map(({ userId, seq }) => [userId, seq]))

export const makePlaces = (sql: SqlClient.SqlClient) => {
  const shift = (room: Room, seqs: ReadonlyArray<number>, by: 1 | -1) => {
    room.waiting += by * seqs.length
    return sql`
      INSERT INTO room_blocks (room, block, waiting)
      SELECT ${room.id}, value >> 8, ${by} * count(*) FROM json_each(${JSON.stringify(seqs)}) WHERE true GROUP BY value >> 8
      ON CONFLICT (room, block) DO UPDATE SET waiting = waiting + excluded.waiting`
  }

  const joined = (room: Room, seqs: ReadonlyArray<number>) => (seqs.length === 0 ? Effect.void : shift(room, seqs, 1))

  const left = Effect.fnUntraced(function* (room: Room, seqs: ReadonlyArray<number>) {
    if (seqs.length === 0) return
    yield* shift(room, seqs, -1)
    yield* sql`
      DELETE FROM room_blocks WHERE room = ${room.id} AND waiting = 0
        AND block IN (SELECT value >> 8 FROM json_each(${JSON.stringify(seqs)}))`
  })

  const known = (room: Room, users: ReadonlyArray<string>) =>
    Effect.map(
      sql<Known & { userId: string }>`
        SELECT u.value AS userId, p.seq AS seq, w.seq AS wonSeq, w.serial AS serial
        FROM json_each(${JSON.stringify(users)}) u
        LEFT JOIN room_wins w ON w.room = ${room.id} AND w.user_id = u.value
        LEFT JOIN room_places p ON p.room = ${room.id} AND p.user_id = u.value
        WHERE p.seq IS NOT NULL OR w.serial IS NOT NULL`,
      (rows) => {
        const byUser = new Map<string, Known>(rows.map((row) => [row.userId, row]))
        return (userId: string) => byUser.get(userId) ?? nobody
      }
    )

  /** 1-based ranks among those who wait. */
  const positions = (room: Room, seqs: ReadonlyArray<number>) =>
    seqs.length === 0
      ? Effect.succeed(new Map<number, number>())
      : Effect.map(
          sql<{ seq: number; position: number }>`
            WITH ahead AS MATERIALIZED (
              SELECT block, sum(waiting) OVER (ORDER BY block) - waiting AS places FROM room_blocks WHERE room = ${room.id}
            )
            SELECT s.value AS seq, a.places + (
              SELECT count(*) FROM room_places p WHERE p.room = ${room.id} AND p.seq BETWEEN s.value >> 8 << 8 AND s.value
            ) AS position
            FROM json_each(${JSON.stringify(seqs)}) s CROSS JOIN ahead a ON a.block = s.value >> 8`,
          (rows) => new Map(rows.map(({ seq, position }) => [seq, position]))
        )

  /** Gives new users, none of whom has a place, the next places. */
  const append = Effect.fnUntraced(function* (room: Room, users: ReadonlyArray<string>) {
    if (users.length === 0) return
    const first = room.lastSeq + 1
    room.lastSeq += users.length
    yield* sql`
      INSERT INTO room_places (room, user_id, seq)
      SELECT ${room.id}, value, ${first} + key FROM json_each(${JSON.stringify(users)})`
    yield* joined(
      room,
      users.map((_, i) => first + i)
    )
  })

  /** Gives users the old places back, unless they have won or stand further ahead; tells whether anything changed. */
  const bringBack = Effect.fnUntraced(function* (room: Room, places: ReadonlyArray<Place>, knownOf: (userId: string) => Known) {
    const back = new Map<string, number>()
    for (const { userId, seq } of places) {
      const { seq: current, serial } = knownOf(userId)
      const best = back.get(userId) ?? current
      if (serial === null && seq <= room.lastSeq && (best === null || seq < best)) back.set(userId, seq)
    }
    if (back.size === 0) return false
    const given = yield* sql<Place>`
      INSERT INTO room_places (room, user_id, seq)
      SELECT ${room.id}, b.value ->> 0, b.value ->> 1 FROM json_each(${JSON.stringify([...back])}) b
      WHERE NOT EXISTS (SELECT 1 FROM room_places p WHERE p.room = ${room.id} AND p.seq = b.value ->> 1)
      ON CONFLICT (room, user_id) DO UPDATE SET seq = excluded.seq
      RETURNING user_id AS userId, seq`
    yield* left(
      room,
      given.flatMap(({ userId }) => knownOf(userId).seq ?? [])
    )
    yield* joined(
      room,
      given.map(({ seq }) => seq)
    )
    return given.length > 0
  })

  const restore = (room: Room, old: ReadonlyArray<Place>) =>
    Effect.flatMap(
      known(
        room,
        old.map(({ userId }) => userId)
      ),
      (knownOf) => bringBack(room, old, knownOf)
    )

  /** Gives up the places that still stand as they are named. */
  const remove = Effect.fnUntraced(function* (room: Room, places: ReadonlyArray<Place>) {
    const rows = yield* sql<{ seq: number }>`
      DELETE FROM room_places WHERE room = ${room.id}
        AND (user_id, seq) IN (SELECT value ->> 0, value ->> 1 FROM json_each(${pairs(places)}))
      RETURNING seq`
    yield* left(
      room,
      rows.map(({ seq }) => seq)
    )
    return rows.length
  })

  /** Gives up whatever place these users have. */
  const removeUsers = Effect.fnUntraced(function* (room: Room, users: ReadonlyArray<string>) {
    const rows = yield* sql<{ seq: number }>`
      DELETE FROM room_places WHERE room = ${room.id} AND user_id IN (SELECT value FROM json_each(${JSON.stringify(users)}))
      RETURNING seq`
    yield* left(
      room,
      rows.map(({ seq }) => seq)
    )
  })

  /** Takes the first `count` off the head, in their order. */
  const takeHead = Effect.fnUntraced(function* (room: Room, count: number) {
    const head = yield* sql<Place>`
      SELECT user_id AS userId, seq FROM room_places WHERE room = ${room.id} ORDER BY seq LIMIT ${count}`
    const last = head.at(-1)
    if (last !== undefined) {
      yield* sql`DELETE FROM room_places WHERE room = ${room.id} AND seq <= ${last.seq}`
      yield* left(
        room,
        head.map(({ seq }) => seq)
      )
    }
    return head
  })

  /** Counts anew from the places themselves, after they were changed in bulk. */
  const recount = Effect.fnUntraced(function* (room: Room) {
    yield* sql`DELETE FROM room_blocks WHERE room = ${room.id}`
    yield* sql`
      INSERT INTO room_blocks (room, block, waiting)
      SELECT room, seq >> 8, count(*) FROM room_places WHERE room = ${room.id} GROUP BY seq >> 8`
    const [row] = yield* sql<{ waiting: number }>`
      SELECT coalesce(sum(waiting), 0) AS waiting FROM room_blocks WHERE room = ${room.id}`
    room.waiting = row!.waiting
  })

  return { known, positions, append, bringBack, restore, remove, removeUsers, takeHead, recount }
}
