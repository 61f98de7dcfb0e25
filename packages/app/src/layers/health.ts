/** The health of engines, each asked at once and for a bounded time. */
import { Clock, Effect, Layer } from "effect"
import { type EngineHealth, Health } from "../http/Health.ts"

const patience = "2 seconds"

/** By the engine's name; whatever a probe fails with, only its tag is shown. */
export const layerHealth = <R>(
  probes: Effect.Effect<Readonly<Record<string, Effect.Effect<unknown, { readonly _tag: string }>>>, never, R>
) =>
  Layer.effect(
    Health,
    Effect.map(probes, (byName) =>
      Health.of({
        check: Effect.forEach(
          Object.entries(byName),
          ([engine, probe]) =>
            Effect.gen(function* () {
              const startedAt = yield* Clock.currentTimeMillis
              const failure = yield* probe.pipe(
                Effect.as(undefined),
                Effect.catch((error) => Effect.succeed(error._tag)),
                Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.succeed(`no answer within ${patience}`) })
              )
              const milliseconds = (yield* Clock.currentTimeMillis) - startedAt
              return failure === undefined
                ? ({ engine, ok: true, milliseconds } satisfies EngineHealth)
                : ({ engine, ok: false, detail: failure, milliseconds } satisfies EngineHealth)
            }),
          { concurrency: "unbounded" }
        )
      })
    )
  )
