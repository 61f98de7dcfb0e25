/** The health of engines, each asked at once and for a bounded time. */
import { Clock, Effect, Layer } from "effect"
import { type EngineHealth, Health } from "../http/Health.ts"

const patience = "2 seconds"

/** By the engine's name; whatever a probe fails with, only its tag is shown. `dispensable`: requests are answered without them. */
export const layerHealth = <R>(
  probes: Effect.Effect<Readonly<Record<string, Effect.Effect<unknown, { readonly _tag: string }>>>, never, R>,
  dispensable: ReadonlyArray<string> = []
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
              const health: EngineHealth = {
                engine,
                ok: failure === undefined,
                ...(dispensable.includes(engine) ? { required: false } : {}),
                ...(failure === undefined ? {} : { detail: failure }),
                milliseconds
              }
              return health
            }),
          { concurrency: "unbounded" }
        )
      })
    )
  )
