/**
 * Keeps the waiting rooms in step with the authorities: a changed definition reaches its room, and a win that nobody has settled in time is
 * looked up, and settled or published again. What a process left undone when it died ends here. A room without such wins is asked only as
 * often as one can come to be.
 */
import type { Campaign, CampaignId } from "@sluice/domain"
import { Admission, NotLoaded, publishLeaseMs, WaitingRoom } from "@sluice/waiting-room"
import { Effect, Schedule, Stream } from "effect"
import { Issuances } from "./Issuances.ts"
import { OnSale } from "./OnSale.ts"
import { Recovery } from "./Recovery.ts"

const sweepAtOnce = 500
const everyMs = 500
/** Rounds in which no win of a room that has none can become overdue. */
const restingRounds = publishLeaseMs / everyMs
export const run = Effect.gen(function* () {
  const room = yield* WaitingRoom
  const issuances = yield* Issuances
  const recovery = yield* Recovery
  const onSale = yield* OnSale
  const configured = new Map<CampaignId, string>()
  const resting = new Map<CampaignId, number>()
  let round = 0

  const configure = Effect.fnUntraced(function* (campaign: Campaign) {
    const version = `${campaign.generation}.${campaign.revision}`
    if (campaign.generation === 0 || configured.get(campaign.id) === version) return
    yield* room.configure(campaign)
    configured.set(campaign.id, version)
  })

  const sweep = Effect.fnUntraced(function* ({ generation, id }: Campaign) {
    const overdue = yield* room.overdue(id, sweepAtOnce)
    // Somebody fenced it and did not finish: nothing that it gives would be issued.
    if (overdue.generation < generation) return yield* new NotLoaded({ campaignId: id })
    if (overdue.unsettled === 0) resting.set(id, round + restingRounds)
    if (overdue.wins.length === 0) return
    const written = new Map(
      (yield* issuances.bySerial(
        id,
        overdue.wins.map(({ serial }) => serial)
      )).map((row) => [row.serial, row.userId])
    )
    const isIssued = (win: { readonly serial: number; readonly userId: string }) => written.get(win.serial) === win.userId
    yield* room.settle(id, { issued: overdue.wins.filter(isIssued) })
    yield* Admission.publishWins(
      id,
      overdue,
      overdue.wins.filter((win) => !isIssued(win))
    )
  })

  const keep = (campaign: Campaign) =>
    Effect.andThen(configure(campaign), (resting.get(campaign.id) ?? 0) > round ? Effect.void : sweep(campaign)).pipe(
      Effect.catchTag("NotLoaded", () => recovery.ensure(campaign.id)),
      Effect.catch((error) =>
        Effect.logDebug("a room could not be kept in step; it will be tried again").pipe(
          Effect.annotateLogs({ campaign: campaign.id, error: error._tag })
        )
      )
    )

  yield* Stream.fromSchedule(Schedule.spaced(everyMs)).pipe(
    Stream.mapEffect(() => onSale.campaigns),
    Stream.runForEach((campaigns) => {
      round++
      return Effect.forEach(campaigns, keep, { concurrency: 8, discard: true })
    })
  )
})
