/**
 * The waiting room on one SQLite file: each call is one immediate transaction of a handful of statements, however many users it is for.
 *
 * What a call answered is committed, and is there after the process died. The clock is the process's own, which is the engine's: one
 * process serves all. `waitingRoomMigration` makes the tables.
 */
import { type CampaignId, type CampaignState, generationOf } from "@sluice/domain"
import { Clock, Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import {
  type Admission,
  NotLoaded,
  publishLeaseMs,
  type Standing,
  type Standings,
  settleLeaseMs,
  WaitingRoom,
  WaitingRoomError
} from "./WaitingRoom.ts"
import { makePaces } from "./WaitingRoomSqlitePace.ts"
import { makePlaces } from "./WaitingRoomSqlitePlaces.ts"
import { makeRebuild } from "./WaitingRoomSqliteRebuild.ts"
import {
  isActive,
  type Room,
  redefine,
  remainingOf,
  roomParams,
  roomState,
  selectRoom,
  takeTokens,
  updateRoom
} from "./WaitingRoomSqliteRoom.ts"
import { makeWins } from "./WaitingRoomSqliteWins.ts"

export { waitingRoomMigration } from "./WaitingRoomSqliteSchema.ts"

const isOver = (state: CampaignState) => state === "closed" || state === "sold_out"

const fail = (cause: SqlError.SqlError) => new WaitingRoomError({ cause })

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const places = makePlaces(sql)
  const wins = makeWins(sql, places)
  const rebuild = makeRebuild(sql, places)
  const paces = makePaces()

  const atomic = <A, E>(use: (nowMs: number) => Effect.Effect<A, E | SqlError.SqlError>) =>
    sql
      .withTransaction(Effect.flatMap(Clock.currentTimeMillis, (ms) => use(Math.floor(ms))))
      .pipe(Effect.provideService(SqlClient.BeginTransaction, "BEGIN IMMEDIATE"))

  const inRoom = <A>(campaignId: CampaignId, use: (room: Room, nowMs: number) => Effect.Effect<A, SqlError.SqlError>) =>
    atomic(
      Effect.fnUntraced(function* (nowMs) {
        const [room] = yield* sql.unsafe<Room>(selectRoom, [campaignId])
        if (room === undefined) return yield* new NotLoaded({ campaignId })
        return yield* use(room, nowMs)
      })
    ).pipe(Effect.catchTag("SqlError", (cause) => Effect.fail(fail(cause))))

  const save = (room: Room) => sql.unsafe(updateRoom, roomParams(room))

  const standing = (seq: number, position: number | undefined, isNew: boolean): Standing => ({
    state: "waiting",
    seq,
    position: position!,
    isNew
  })

  const join: WaitingRoom["Service"]["join"] = (campaignId, users) =>
    inRoom(
      campaignId,
      Effect.fnUntraced(function* (room, nowMs) {
        const knownOf = yield* places.known(room, users)
        const state = roomState(room, nowMs)
        const refusal = isOver(state) ? state : state === "scheduled" ? "not_open" : undefined
        const added = new Map<string, number>()
        const fits = room.maxWaiting === null ? Number.POSITIVE_INFINITY : room.maxWaiting - room.waiting
        const ranks = yield* places.positions(room, refusal ? [] : users.flatMap((userId) => knownOf(userId).seq ?? []))
        const firstSeq = room.lastSeq + 1
        const firstPosition = room.waiting + 1
        const standings = users.map((userId): Standing => {
          const { seq, serial, wonSeq } = knownOf(userId)
          if (serial !== null) return { state: "won", seq: wonSeq!, serial }
          if (refusal) return { state: refusal }
          if (seq !== null) return standing(seq, ranks.get(seq), false)
          const again = added.get(userId)
          if (again !== undefined) return standing(firstSeq + again, firstPosition + again, false)
          if (added.size >= fits) return { state: "full" }
          const n = added.size
          added.set(userId, n)
          return standing(firstSeq + n, firstPosition + n, true)
        })
        if (added.size > 0) {
          yield* places.append(room, [...added.keys()])
          yield* save(room)
        }
        return { pace: paces.of(campaignId, room, nowMs), standings } satisfies Standings
      })
    )

  const look: WaitingRoom["Service"]["look"] = (campaignId, tickets) =>
    inRoom(
      campaignId,
      Effect.fnUntraced(function* (room, nowMs) {
        const known = places.known(
          room,
          tickets.map(({ userId }) => userId)
        )
        const before = yield* known
        const old = tickets.filter(({ seq }) => generationOf(seq) < room.generation)
        const isChanged = old.length > 0 && (yield* places.bringBack(room, old, before))
        if (isChanged) yield* save(room)
        const knownOf = isChanged ? yield* known : before
        const state = roomState(room, nowMs)
        const ranks = yield* places.positions(
          room,
          isOver(state) ? [] : tickets.flatMap(({ seq, userId }) => (knownOf(userId).seq === seq ? seq : []))
        )
        const standings = tickets.map(({ seq, userId }): Standing => {
          const { seq: current, serial, wonSeq } = knownOf(userId)
          if (serial !== null) return { state: "won", seq: wonSeq!, serial }
          if (state === "closed") return { state }
          if (current !== seq) return { state: "left" }
          return state === "sold_out" ? { state } : standing(seq, ranks.get(seq), false)
        })
        return { pace: paces.of(campaignId, room, nowMs), standings } satisfies Standings
      })
    )

  const leave: WaitingRoom["Service"]["leave"] = (campaignId, tickets) =>
    inRoom(
      campaignId,
      Effect.fnUntraced(function* (room) {
        if ((yield* places.remove(room, tickets)) > 0) yield* save(room)
      })
    )

  const admit: WaitingRoom["Service"]["admit"] = (campaignId, limit) =>
    inRoom(
      campaignId,
      Effect.fnUntraced(function* (room, nowMs) {
        const { count, isChanged } = takeTokens(room, limit, nowMs)
        const given = count === 0 ? [] : yield* wins.give(room, yield* places.takeHead(room, count), nowMs + publishLeaseMs)
        if (isChanged) yield* save(room)
        paces.note(campaignId, room, count, nowMs)
        return {
          wins: given,
          generation: room.generation,
          nowMs,
          waiting: room.waiting,
          remaining: remainingOf(room),
          active: isActive(room, nowMs)
        } satisfies Admission
      })
    )

  return WaitingRoom.of({
    join,
    look,
    leave,
    admit,
    acknowledge: (campaignId, acknowledged) =>
      inRoom(campaignId, (room, nowMs) => Effect.asVoid(wins.acknowledge(room, acknowledged, nowMs + settleLeaseMs))),
    overdue: (campaignId, limit) =>
      inRoom(campaignId, (room, nowMs) =>
        Effect.map(
          wins.overdue(room, limit, { nowMs, latestMs: nowMs + settleLeaseMs, againAtMs: nowMs + publishLeaseMs }),
          (due) => ({ generation: room.generation, nowMs, unsettled: room.pending, wins: due })
        )
      ),
    settle: (campaignId, { issued = [], dead = [] }) =>
      inRoom(
        campaignId,
        Effect.fnUntraced(function* (room) {
          const before = { issued: room.issued, dead: room.dead }
          const unexpected = issued.length > 0 ? yield* wins.issued(room, issued) : 0
          if (dead.length > 0) yield* wins.dead(room, dead)
          if (room.issued !== before.issued || room.dead !== before.dead) yield* save(room)
          return unexpected
        })
      ),
    restore: (campaignId, old) =>
      inRoom(
        campaignId,
        Effect.fnUntraced(function* (room) {
          if (yield* places.restore(room, old)) yield* save(room)
        })
      ),
    counters: (campaignId) =>
      inRoom(campaignId, (room, nowMs) =>
        Effect.succeed({
          stock: room.stock,
          remaining: remainingOf(room),
          waiting: room.waiting,
          issuing: room.pending,
          issued: room.issued,
          dead: room.dead,
          nowMs,
          revision: room.revision
        })
      ),
    unsettled: (campaignId, limit) => inRoom(campaignId, (room) => wins.unsettled(room, limit)),
    configure: (campaign) =>
      inRoom(
        campaign.id,
        Effect.fnUntraced(function* (room, nowMs) {
          if (!redefine(room, campaign, nowMs)) return
          yield* save(room)
          paces.restart(campaign.id)
        })
      ),
    begin: (campaignId, owner, leaseMs) =>
      atomic((nowMs) => rebuild.begin(campaignId, owner, leaseMs, nowMs)).pipe(Effect.mapError(fail)),
    load: (campaignId, owner, part) =>
      atomic(() => rebuild.load(campaignId, owner, part)).pipe(Effect.catchTag("SqlError", (cause) => Effect.fail(fail(cause)))),
    finish: (campaign, owner, holdMs) =>
      atomic((nowMs) => rebuild.finish(campaign, owner, holdMs, nowMs)).pipe(
        Effect.tap(() => Effect.sync(() => paces.forget(campaign.id))),
        Effect.catchTag("SqlError", (cause) => Effect.fail(fail(cause)))
      ),
    ping: sql`SELECT 1`.pipe(Effect.mapError(fail), Effect.asVoid)
  })
})

export const layer: Layer.Layer<WaitingRoom, never, SqlClient.SqlClient> = Layer.effect(WaitingRoom, make)
