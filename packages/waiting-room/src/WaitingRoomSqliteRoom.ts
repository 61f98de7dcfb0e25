/**
 * One room's row, and the rules that need nothing else: whether it runs, how many may pass.
 *
 * The clock is the process's own. Where it went back nothing is granted for the time in between, and no instant that lies further ahead
 * than it was ever set (a hold, a lease) is waited for.
 */
import { type Campaign, placesPerGeneration, stateOf } from "@sluice/domain"

/** The columns that any call may change, all of them saved together. */
const columns = {
  generation: "generation",
  revision: "revision",
  stock: "stock",
  ratePerSecond: "rate_per_second",
  opensAtMs: "opens_at_ms",
  closesAtMs: "closes_at_ms",
  paused: "paused",
  maxWaiting: "max_waiting",
  lastSeq: "last_seq",
  lastSerial: "last_serial",
  free: "free",
  waiting: "waiting",
  pending: "pending",
  issued: "issued",
  dead: "dead",
  microTokens: "micro_tokens",
  refilledAtMs: "refilled_at_ms",
  holdMs: "hold_ms",
  holdUntilMs: "hold_until_ms"
} as const

type Nullable = "opensAtMs" | "closesAtMs" | "maxWaiting"

export type Room = { readonly id: number } & {
  -readonly [K in keyof typeof columns]: K extends Nullable ? number | null : number
}

const names = Object.keys(columns) as ReadonlyArray<keyof typeof columns>

export const selectRoom = `SELECT id, ${names.map((name) => `${columns[name]} AS "${name}"`).join(", ")} FROM room_campaigns WHERE campaign_id = ?`
export const updateRoom = `UPDATE room_campaigns SET ${names.map((name) => `${columns[name]} = ?`).join(", ")} WHERE id = ?`
export const roomParams = (room: Room) => [...names.map((name) => room[name]), room.id]

export const remainingOf = (room: Room) => room.stock - room.lastSerial + room.free

/** Whether an instant set `spanMs` ahead is still to come, by a clock that may have gone back since. */
export const isAhead = (atMs: number, spanMs: number, nowMs: number) => nowMs < atMs && atMs - nowMs <= spanMs

export const roomState = (room: Room, nowMs: number) =>
  stateOf({ opensAtMs: room.opensAtMs, closesAtMs: room.closesAtMs, paused: room.paused === 1 }, remainingOf(room), nowMs)

export const isRunning = (room: Room, nowMs: number) =>
  roomState(room, nowMs) === "open" && !isAhead(room.holdUntilMs, room.holdMs, nowMs)

/** Whether a call to admit could let anybody pass as things stand. */
export const isActive = (room: Room, nowMs: number) => isRunning(room, nowMs) && room.waiting > 0

const micro = 1_000_000
/** A tenth of a second's worth, and one at least. */
const capacity = (room: Room) => Math.max(micro, room.ratePerSecond * (micro / 10))

/** Nothing is saved up while the room was not open or held, nor for more than a tenth of a second, nor for a clock that went back. */
const refill = (room: Room, nowMs: number) => {
  if (!isAhead(room.holdUntilMs, room.holdMs, nowMs)) room.holdUntilMs = Math.min(room.holdUntilMs, nowMs)
  const fromMs = Math.max(room.refilledAtMs, room.opensAtMs ?? 0, room.holdUntilMs)
  const kept = fromMs > nowMs ? 0 : room.microTokens
  const elapsedMs = Math.min(Math.max(nowMs - fromMs, 0), 1_000)
  room.microTokens = Math.min(capacity(room), kept + elapsedMs * room.ratePerSecond * (micro / 1_000))
  room.refilledAtMs = nowMs
}

/**
 * Takes what may pass now from the bucket. `isChanged` tells whether the room has to be saved: a refill alone comes out the same again
 * next time, but an instant that lay ahead of the clock was put right.
 */
export const takeTokens = (room: Room, limit: number, nowMs: number): { readonly count: number; readonly isChanged: boolean } => {
  if (!isRunning(room, nowMs)) return { count: 0, isChanged: false }
  const isAmiss = room.refilledAtMs > nowMs || room.holdUntilMs > nowMs
  refill(room, nowMs)
  const count = Math.max(0, Math.min(Math.floor(room.microTokens / micro), room.waiting, remainingOf(room), limit))
  room.microTokens -= count * micro
  return { count, isChanged: count > 0 || isAmiss }
}

const emptyBucket = (room: Room, nowMs: number) => {
  room.microTokens = 0
  room.refilledAtMs = nowMs
}

const define = (room: Room, campaign: Campaign) => {
  room.revision = campaign.revision
  room.stock = Math.max(room.stock, campaign.stock)
  room.ratePerSecond = campaign.ratePerSecond
  room.opensAtMs = campaign.opensAtMs
  room.closesAtMs = campaign.closesAtMs
  room.paused = campaign.paused ? 1 : 0
  room.maxWaiting = campaign.maxWaiting
}

/** Takes over a newer definition of the same generation; tells whether there was anything to take. */
export const redefine = (room: Room, campaign: Campaign, nowMs: number): boolean => {
  if (campaign.generation !== room.generation || campaign.revision <= room.revision) return false
  const resumed = room.paused === 1 && !campaign.paused
  if (isRunning(room, nowMs)) refill(room, nowMs)
  define(room, campaign)
  if (resumed) emptyBucket(room, nowMs)
  return true
}

/** Opens the room under a new generation, holding admission for `holdMs`. */
export const open = (room: Room, campaign: Campaign, holdMs: number, nowMs: number) => {
  if (campaign.revision >= room.revision) define(room, campaign)
  emptyBucket(room, nowMs)
  room.generation = campaign.generation
  room.lastSeq = campaign.generation * placesPerGeneration
  room.holdMs = holdMs
  room.holdUntilMs = nowMs + holdMs
}
