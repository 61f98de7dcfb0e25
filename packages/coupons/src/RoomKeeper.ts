/**
 * Keeps the waiting rooms in step with the authorities: a changed definition reaches its room, and a win that nobody has settled in time is
 * looked up, and settled or published again. What a process left undone when it died ends here.
 */
import type { Campaign, CampaignId } from "@sluice/domain"
import { Admission, NotLoaded, WaitingRoom } from "@sluice/waiting-room"
import { Context, Effect, Layer, Ref, Schedule, Stream } from "effect"
import { Campaigns } from "./Campaigns.ts"
import { Issuances } from "./Issuances.ts"
import { Recovery } from "./Recovery.ts"

const sweepAtOnce = 500
/** A campaign that ended is still looked after for this long. */
const afterlifeMs = 24 * 3600_000

/** The campaigns as this process knows them, renewed each half second and at once after a change made here. */
export class OnSale extends Context.Service<
  OnSale,
  {
    readonly campaigns: Effect.Effect<ReadonlyArray<Campaign>>
    readonly refresh: Effect.Effect<void>
  }
>()("sluice/OnSale") {
  static readonly layer = Layer.effect(
    OnSale,
    Effect.gen(function* () {
      const campaigns = yield* Campaigns
      const known = yield* Ref.make<ReadonlyArray<Campaign>>([])
      const refresh = campaigns.list.pipe(
        Effect.flatMap((list) => {
          const over = Date.now() - afterlifeMs
          return Ref.set(
            known,
            list.filter(({ closesAtMs }) => closesAtMs === null || closesAtMs > over)
          )
        }),
        Effect.ignore
      )
      yield* refresh
      yield* Stream.fromSchedule(Schedule.spaced("500 millis")).pipe(
        Stream.runForEach(() => refresh),
        Effect.forkScoped
      )
      return OnSale.of({ campaigns: Ref.get(known), refresh })
    })
  )
}

export const run = Effect.gen(function* () {
  const room = yield* WaitingRoom
  const issuances = yield* Issuances
  const recovery = yield* Recovery
  const onSale = yield* OnSale
  const configured = new Map<CampaignId, string>()

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
    Effect.andThen(configure(campaign), sweep(campaign)).pipe(
      Effect.catchTag("NotLoaded", () => recovery.ensure(campaign.id)),
      Effect.catch((error) =>
        Effect.logDebug("a room could not be kept in step; it will be tried again").pipe(
          Effect.annotateLogs({ campaign: campaign.id, error: error._tag })
        )
      )
    )

  yield* Stream.fromSchedule(Schedule.spaced("500 millis")).pipe(
    Stream.mapEffect(() => onSale.campaigns),
    Stream.runForEach((campaigns) => Effect.forEach(campaigns, keep, { concurrency: 8, discard: true }))
  )
})
