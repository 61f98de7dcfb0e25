/**
 * The campaigns as this process knows them, renewed each half second and at once after a change made here: however many there are, all in
 * which something can still happen.
 */
import type { Campaign } from "@sluice/domain"
import { Clock, Context, Effect, Layer, Ref, Schedule, Stream } from "effect"
import { Campaigns } from "./Campaigns.ts"

/** A campaign that ended is still looked after for this long: its last wins are on their way. */
const afterlifeMs = 24 * 3600_000

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
      const refresh = Clock.currentTimeMillis.pipe(
        Effect.flatMap((nowMs) => campaigns.notClosedBefore(nowMs - afterlifeMs)),
        Effect.flatMap((list) => Ref.set(known, list)),
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
