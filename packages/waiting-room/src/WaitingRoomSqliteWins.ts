/**
 * The wins of a room in SQLite: serials are given here and nowhere else, and what the authorities say of a win is noted here.
 *
 * Where the room's own unsettled wins contradict an issuance, the issuance stands: it is committed, a win is only promised to be looked
 * after. Whoever loses a serial that way waits again at the old place.
 */
import { Effect } from "effect"
import type { SqlClient } from "effect/sql"
import type { Place, Win } from "./WaitingRoom.ts"
import type { makePlaces } from "./WaitingRoomSqlitePlaces.ts"
import type { Room } from "./WaitingRoomSqliteRoom.ts"

type State = "pending" | "issued" | "dead"

/** Wins as SQL takes them in one parameter. */
export const triples = (wins: ReadonlyArray<Win>) => JSON.stringify(wins.map(({ userId, serial, seq }) => [userId, serial, seq]))

const usersOf = (wins: ReadonlyArray<Win>) => JSON.stringify(wins.map(({ userId }) => userId))
const serialsOf = (wins: ReadonlyArray<Win>) => JSON.stringify(wins.map(({ serial }) => serial))

export const makeWins = (sql: SqlClient.SqlClient, places: ReturnType<typeof makePlaces>) => {
  const insert = (room: Room, wins: ReadonlyArray<Win>, state: State, attendAtMs: number) => {
    room[state] += wins.length
    return sql`
      INSERT INTO room_wins (room, user_id, serial, seq, state, attend_at_ms)
      SELECT ${room.id}, value ->> 0, value ->> 1, value ->> 2, ${state}, ${attendAtMs} FROM json_each(${triples(wins)})`
  }

  const takeSerials = Effect.fnUntraced(function* (room: Room, count: number) {
    const free =
      room.free === 0
        ? []
        : yield* sql<{ serial: number }>`SELECT serial FROM room_free WHERE room = ${room.id} ORDER BY serial LIMIT ${count}`
    const last = free.at(-1)
    if (last !== undefined) yield* sql`DELETE FROM room_free WHERE room = ${room.id} AND serial <= ${last.serial}`
    room.free -= free.length
    const first = room.lastSerial + 1
    room.lastSerial += count - free.length
    return (i: number) => free[i]?.serial ?? first + i - free.length
  })

  /** Gives each of the head a serial, the lowest ones first. */
  const give = Effect.fnUntraced(function* (room: Room, head: ReadonlyArray<Place>, attendAtMs: number) {
    const serialAt = yield* takeSerials(room, head.length)
    const wins = head.map(({ userId, seq }, i): Win => ({ userId, seq, serial: serialAt(i) }))
    yield* insert(room, wins, "pending", attendAtMs)
    return wins
  })

  const acknowledge = (room: Room, wins: ReadonlyArray<Win>, attendAtMs: number) => sql`
    UPDATE room_wins SET attend_at_ms = ${attendAtMs} WHERE room = ${room.id} AND state = 'pending'
      AND (user_id, serial) IN (SELECT value ->> 0, value ->> 1 FROM json_each(${triples(wins)}))`

  /** Those to attend to by now; an instant beyond `latestMs` was set before the clock went back. */
  const overdue = Effect.fnUntraced(function* (
    room: Room,
    limit: number,
    times: { readonly nowMs: number; readonly latestMs: number; readonly againAtMs: number }
  ) {
    const rows = yield* sql<Win>`
      SELECT * FROM (
        SELECT user_id AS userId, serial, seq FROM room_wins
        WHERE room = ${room.id} AND state = 'pending' AND attend_at_ms <= ${times.nowMs}
        ORDER BY attend_at_ms, serial LIMIT ${limit})
      UNION ALL SELECT * FROM (
        SELECT user_id AS userId, serial, seq FROM room_wins
        WHERE room = ${room.id} AND state = 'pending' AND attend_at_ms > ${times.latestMs}
        ORDER BY attend_at_ms, serial LIMIT ${limit})
      LIMIT ${limit}`
    if (rows.length > 0) yield* acknowledge(room, rows, times.againAtMs)
    return rows.map((row): Win => ({ ...row })).sort((a, b) => a.serial - b.serial)
  })

  const unsettled = (room: Room, limit: number) =>
    Effect.map(
      sql<Win>`
        SELECT user_id AS userId, serial, seq FROM room_wins INDEXED BY room_wins_pending
        WHERE room = ${room.id} AND state = 'pending' ORDER BY serial LIMIT ${limit}`,
      (rows) => rows.map((row): Win => ({ ...row }))
    )

  /** Notes as dead what is pending. */
  const dead = Effect.fnUntraced(function* (room: Room, wins: ReadonlyArray<Win>) {
    const rows = yield* sql`
      UPDATE room_wins SET state = 'dead' WHERE room = ${room.id} AND state = 'pending'
        AND (user_id, serial) IN (SELECT value ->> 0, value ->> 1 FROM json_each(${triples(wins)}))
      RETURNING serial`
    room.pending -= rows.length
    room.dead += rows.length
  })

  const giveBack = Effect.fnUntraced(function* (room: Room, serials: ReadonlyArray<number>) {
    room.free += serials.length
    yield* sql`
      INSERT INTO room_free (room, serial) SELECT ${room.id}, value FROM json_each(${JSON.stringify(serials)}) WHERE true
      ON CONFLICT DO NOTHING`
  })

  /** Takes these very serials, wherever they stand; those that were jumped over are free. */
  const claimSerials = Effect.fnUntraced(function* (room: Room, wins: ReadonlyArray<Win>) {
    const highest = wins.reduce((max, { serial }) => Math.max(max, serial), room.lastSerial)
    if (highest > room.lastSerial) {
      yield* sql`
        INSERT INTO room_free (room, serial)
        WITH RECURSIVE jumped (serial) AS (
          SELECT ${room.lastSerial + 1} UNION ALL SELECT serial + 1 FROM jumped WHERE serial < ${highest}
        )
        SELECT ${room.id}, serial FROM jumped`
      room.free += highest - room.lastSerial
      room.lastSerial = highest
    }
    const taken = yield* sql`
      DELETE FROM room_free WHERE room = ${room.id} AND serial IN (SELECT value FROM json_each(${serialsOf(wins)}))
      RETURNING serial`
    room.free -= taken.length
  })

  /** Issuances that this room did not give, or gave otherwise. */
  const adopt = Effect.fnUntraced(function* (room: Room, wins: ReadonlyArray<Win>) {
    const contradicting = yield* sql<Win & { state: State }>`
      DELETE FROM room_wins WHERE room = ${room.id} AND state <> 'issued' AND user_id IN (
        SELECT value FROM json_each(${usersOf(wins)})
        UNION SELECT w.user_id FROM json_each(${serialsOf(wins)}) s
        CROSS JOIN room_wins w ON w.room = ${room.id} AND w.serial = s.value)
      RETURNING user_id AS userId, serial, seq, state`
    for (const { state } of contradicting) room[state] -= 1
    yield* giveBack(
      room,
      contradicting.map(({ serial }) => serial)
    )
    yield* places.restore(room, contradicting)
    yield* places.removeUsers(
      room,
      wins.map(({ userId }) => userId)
    )
    yield* claimSerials(room, wins)
    yield* insert(room, wins, "issued", 0)
  })

  /** Tells how many of them were neither pending nor known. */
  const issued = Effect.fnUntraced(function* (room: Room, wins: ReadonlyArray<Win>) {
    const rows = yield* sql<Win & { state: State }>`
      SELECT user_id AS userId, serial, seq, state FROM room_wins
      WHERE room = ${room.id} AND user_id IN (SELECT value FROM json_each(${usersOf(wins)}))
      UNION SELECT w.user_id, w.serial, w.seq, w.state FROM json_each(${serialsOf(wins)}) s
      CROSS JOIN room_wins w ON w.room = ${room.id} AND w.serial = s.value`
    const byUser = new Map(rows.map((row) => [row.userId, row]))
    const owners = new Map(rows.filter(({ state }) => state === "issued").map(({ serial, userId }) => [serial, userId]))
    const own = new Set<string>()
    const others = new Map<string, Win>()
    let unexpected = 0
    for (const win of wins) {
      const row = byUser.get(win.userId)
      const owner = owners.get(win.serial)
      if (owner === win.userId) continue
      if (row?.state === "issued" || owner !== undefined) {
        unexpected++
        continue
      }
      owners.set(win.serial, win.userId)
      if (row?.serial === win.serial) own.add(win.userId)
      else others.set(win.userId, win)
      if (row?.serial !== win.serial || row.state === "dead") unexpected++
    }
    if (own.size > 0) {
      yield* sql`
        UPDATE room_wins SET state = 'issued'
        WHERE room = ${room.id} AND user_id IN (SELECT value FROM json_each(${JSON.stringify([...own])}))`
      for (const userId of own) room[byUser.get(userId)!.state] -= 1
      room.issued += own.size
    }
    if (others.size > 0) yield* adopt(room, [...others.values()])
    return unexpected
  })

  return { give, acknowledge, overdue, unsettled, dead, issued }
}
