/** What each role does besides answering: loops that run until the process ends. */
import { Issuer, OnSale, Recovery, RoomKeeper } from "@sluice/coupons"
import { Projector, Relay } from "@sluice/orders"
import { Admission } from "@sluice/waiting-room"
import { Cause, Effect, Exit, Layer } from "effect"
import type { Role, Settings } from "../Settings.ts"

const admission = Effect.gen(function* () {
  const onSale = yield* OnSale
  const recovery = yield* Recovery
  const admit = Admission.run({ campaigns: onSale.campaigns, rebuild: (id) => Effect.ignore(recovery.ensure(id)) })
  yield* Effect.all([admit, RoomKeeper.run], { concurrency: "unbounded", discard: true })
})

/** A loop that ends is a bug: it must end the process, where whoever watches it sees it, and not go on without the role. */
const forever = <E, R>(name: Role, loop: Effect.Effect<void, E, R>) =>
  Layer.effectDiscard(
    loop.pipe(
      Effect.onExit((exit) =>
        Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
          ? Effect.void
          : Effect.andThen(
              Effect.logFatal(`the role ${name} has ended`, Exit.isFailure(exit) ? exit.cause : Cause.empty),
              Effect.sync(() => {
                process.exitCode = 1
                process.kill(process.pid, "SIGTERM")
              })
            )
      ),
      Effect.forkScoped
    )
  )

export const layer = ({ engines, outboxRetention, roles }: Settings) => {
  const relay = { retention: outboxRetention, ...(engines.kind === "embedded" ? { owner: "embedded" } : {}) }
  return Layer.mergeAll(
    roles.includes("admission") ? forever("admission", admission) : Layer.empty,
    roles.includes("issuer") ? forever("issuer", Issuer.run) : Layer.empty,
    roles.includes("relay") ? forever("relay", Relay.run(relay)) : Layer.empty,
    roles.includes("projector") ? forever("projector", Projector.run) : Layer.empty
  )
}
