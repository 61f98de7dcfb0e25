/**
 * How fast each room on SQLite moves, as measured by the process that serves them all. Kept in memory: being asked costs no write, and a
 * process that starts measures anew.
 */
import type { CampaignId } from "@sluice/domain"
import type { Pace } from "./WaitingRoom.ts"
import { isActive, isRunning, type Room, remainingOf } from "./WaitingRoomSqliteRoom.ts"

interface Meter {
  askedAtMs: number
  /** Since when it measures; null while there is nothing to measure. */
  fromMs: number | null
  admitted: number
  /** Admissions a second, once measured. */
  rate: number | null
}

const unaskedMs = 3_000
const windowMs = 2_000

export const makePaces = () => {
  const meters = new Map<CampaignId, Meter>()

  /** Notes that somebody asked and `admitted` passed; measures while there is always somebody to admit. */
  const note = (campaignId: CampaignId, room: Room, admitted: number, nowMs: number) => {
    const meter = meters.get(campaignId) ?? { askedAtMs: nowMs, fromMs: null, admitted: 0, rate: null }
    meters.set(campaignId, meter)
    const silent = Math.abs(nowMs - meter.askedAtMs) > unaskedMs
    meter.askedAtMs = nowMs
    if (!isActive(room, nowMs)) {
      meter.fromMs = null
      return
    }
    if (meter.fromMs === null || silent || nowMs < meter.fromMs) {
      meter.fromMs = nowMs
      meter.admitted = 0
      return
    }
    meter.admitted += admitted
    const elapsedMs = nowMs - meter.fromMs
    if (elapsedMs < windowMs) return
    meter.rate = (meter.admitted * 1_000) / elapsedMs
    meter.fromMs = nowMs
    meter.admitted = 0
  }

  const of = (campaignId: CampaignId, room: Room, nowMs: number): Pace => {
    const meter = meters.get(campaignId)
    const asked = meter !== undefined && nowMs - meter.askedAtMs < unaskedMs
    const rate = Math.min(meter?.rate ?? room.ratePerSecond, room.ratePerSecond)
    return { nowMs, remaining: remainingOf(room), ratePerSecond: asked && rate > 0 && isRunning(room, nowMs) ? rate : null }
  }

  /** What was measured says nothing about a room whose definition has changed. */
  const restart = (campaignId: CampaignId) => {
    const meter = meters.get(campaignId)
    if (meter !== undefined) Object.assign(meter, { fromMs: null, rate: null })
  }

  const forget = (campaignId: CampaignId) => {
    meters.delete(campaignId)
  }

  return { note, of, restart, forget }
}
