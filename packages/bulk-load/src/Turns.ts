/**
 * Lets consecutive pieces of work be under way at once, and end in their order.
 *
 * What is done before one's turn is done ahead, and may be taken back: whoever has the turn and meets trouble clears the way, and those
 * behind begin anew when their turn comes. So nothing ahead can keep an earlier one from ending, and nothing ends before it.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/** In this order; whoever has ended has reached all of them. */
export type Stage = "begun" | "sent" | "ended"

export interface Turn {
  /** Until all before have reached the stage. */
  readonly after: (stage: Stage) => Effect.Effect<void>
  readonly reach: (stage: Stage) => Effect.Effect<void>
  /** None where it was taken back, or not begun because somebody before is in trouble. */
  readonly ahead: <A, E, R>(attempt: Effect.Effect<A, E, R>) => Effect.Effect<Option.Option<A>, E, R>
  /** Takes back what those behind have done; nobody goes ahead until this turn has ended. For who has the turn. */
  readonly clear: Effect.Effect<void>
}

interface Place {
  readonly stages: { readonly [S in Stage]: Deferred.Deferred<void> }
  /** Undefined once there is nobody to wait for. */
  before: Place | undefined
  attempt: { readonly takeBack: Deferred.Deferred<void>; readonly isBack: Deferred.Deferred<void> } | undefined
}

const placeAfter = (before: Place | undefined): Place => ({
  stages: { begun: Deferred.makeUnsafe(), sent: Deferred.makeUnsafe(), ended: Deferred.makeUnsafe() },
  before,
  attempt: undefined
})

/** Gives the turns, one after another. */
export const makeTurns = (): (() => Turn) => {
  let last: Place | undefined
  const open = new Set<Place>()
  let inTrouble: Place | undefined
  return () => {
    const place = placeAfter(last)
    last = place
    open.add(place)
    const reach = (stage: Stage) =>
      Effect.gen(function* () {
        yield* Deferred.succeed(place.stages.begun, undefined)
        if (stage !== "begun") yield* Deferred.succeed(place.stages.sent, undefined)
        if (stage !== "ended") return
        open.delete(place)
        place.before = undefined
        if (inTrouble === place) inTrouble = undefined
        yield* Deferred.succeed(place.stages.ended, undefined)
      })
    return {
      reach,
      after: (stage) => (place.before === undefined ? Effect.void : Deferred.await(place.before.stages[stage])),
      ahead: (attempt) =>
        Effect.suspend(() => {
          if (inTrouble !== undefined && inTrouble !== place) return Effect.succeed(Option.none())
          const takeBack = Deferred.makeUnsafe<void>()
          const isBack = Deferred.makeUnsafe<void>()
          place.attempt = { takeBack, isBack }
          return Effect.raceFirst(Effect.map(attempt, Option.some), Effect.as(Deferred.await(takeBack), Option.none())).pipe(
            Effect.ensuring(
              Effect.suspend(() => {
                place.attempt = undefined
                return Deferred.succeed(isBack, undefined)
              })
            )
          )
        }),
      clear: Effect.suspend(() => {
        inTrouble = place
        const attempts = [...open].flatMap((other) => (other === place || other.attempt === undefined ? [] : [other.attempt]))
        return Effect.forEach(
          attempts,
          ({ isBack, takeBack }) => Effect.andThen(Deferred.succeed(takeBack, undefined), Deferred.await(isBack)),
          { discard: true, concurrency: "unbounded" }
        )
      })
    }
  }
}
