/**
 * Holds a campaign's waiting room against the issuances, the authority, and mends what differs.
 *
 * What is under way is no drift: a win without its issuance, or an issuance of which the room has yet to hear, ends by itself. Drift is
 * what stays:
 * - an issuance that the room had not expected, or has not heard of in twice the time after which it asks: telling the room mends it;
 * - an issuance that the room knows and nobody has, or counters that do not add up: only a room built anew is right again.
 *
 * The room hears of an issuance after it is committed. So where the room counts first, it never has more than the database counts then;
 * in a sale that runs, what is committed in between may hide as many that were lost, until the next look.
 */
import { type CampaignId, CampaignNotFound, type ReconcileReport, Unavailable } from "@sluice/domain"
import { settleLeaseMs, WaitingRoom, type Win } from "@sluice/waiting-room"
import { Clock, Effect, Option, Stream } from "effect"
import type { SqlError } from "effect/sql"
import { Campaigns } from "./Campaigns.ts"
import { Issuances } from "./Issuances.ts"
import { Recovery } from "./Recovery.ts"

const sqlDown = Effect.mapError((_: SqlError.SqlError) => new Unavailable({ engine: "sql", retryAfterSeconds: 1 }))

/** Wins that are listed to tell those under way from those that stand still. */
const unsettledAtMost = 1_000_000

export const make = Effect.gen(function* () {
  const campaigns = yield* Campaigns
  const issuances = yield* Issuances
  const recovery = yield* Recovery
  const room = yield* WaitingRoom

  /** Tells the room every issuance, which changes nothing about those that it knows; answers how many it should have known. */
  const tell = Effect.fnUntraced(function* (campaignId: CampaignId) {
    const unsettled = yield* recovery.answered(campaignId, room.unsettled(campaignId, unsettledAtMost))
    const pending = new Set(unsettled.map(({ serial }) => serial))
    const overdueMs = (yield* Clock.currentTimeMillis) - 2 * settleLeaseMs
    let missed = 0
    yield* issuances.all(campaignId).pipe(
      Stream.mapError(() => new Unavailable({ engine: "sql", retryAfterSeconds: 1 })),
      Stream.grouped(500),
      Stream.runForEach((rows) => {
        missed += rows.filter(({ issuedAtMs, serial }) => issuedAtMs < overdueMs && pending.has(serial)).length
        const issued = rows.map(({ seq, serial, userId }): Win => ({ seq, serial, userId }))
        return Effect.map(recovery.answered(campaignId, room.settle(campaignId, { issued })), (unexpected) => {
          missed += unexpected
        })
      })
    )
    return missed
  })

  /** Counts on both sides, the room first; `wrong` is by how much the room can't be right. */
  const compare = Effect.fnUntraced(function* (campaignId: CampaignId) {
    const counters = yield* recovery.answered(campaignId, room.counters(campaignId))
    const written = yield* sqlDown(issuances.count(campaignId))
    const { dead, issued, issuing, remaining, stock } = counters
    return { counters, wrong: Math.max(0, issued - written, Math.abs(stock - remaining - issuing - issued - dead)) }
  })

  const reconcile = Effect.fn("Reconciliation.reconcile")(function* (campaignId: CampaignId) {
    const missed = yield* tell(campaignId)
    const first = yield* compare(campaignId)
    const campaign = yield* sqlDown(campaigns.find(campaignId))
    if (Option.isNone(campaign)) return yield* new CampaignNotFound({ campaignId })

    // A second look, for what telling did not mend.
    const refused = missed === 0 ? 0 : yield* tell(campaignId)
    const second = missed === 0 && first.wrong === 0 ? first : yield* compare(campaignId)
    const left = Math.max(refused, second.wrong)
    if (left > 0) yield* recovery.renew(campaignId, campaign.value.generation)
    const last = left === 0 ? second : yield* compare(campaignId)

    const driftFound = Math.max(0, missed - refused) + left
    const { dead, issued, issuing, remaining, stock } = last.counters
    const driftMended = driftFound - Math.min(driftFound, last.wrong)
    return { campaignId, stock, issued, issuing, remaining, dead, driftFound, driftMended } satisfies ReconcileReport
  })

  return { reconcile }
})
