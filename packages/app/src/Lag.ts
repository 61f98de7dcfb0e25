/** How far each consumer is behind: of wins, of the outbox, of the changes of orders. */
import { Issuer } from "@sluice/coupons"
import { ordersTopic, Unavailable, winsTopic } from "@sluice/domain"
import { EventLog } from "@sluice/engines"
import { Outbox, Projector } from "@sluice/orders"
import { Context, Effect, Layer, Schema } from "effect"

const Behind = Schema.Struct({
  events: Schema.Finite.annotate({ description: "Waiting for it." }),
  milliseconds: Schema.Finite.annotate({ description: "The age of the oldest of them; 0 when there is none." })
})

export const LagReport = Schema.Struct({ issuer: Behind, relay: Behind, projector: Behind })
export type LagReport = typeof LagReport.Type

const away = (engine: string) => Effect.mapError(() => new Unavailable({ engine, retryAfterSeconds: 1 }))

export class Lag extends Context.Service<Lag, { readonly report: Effect.Effect<LagReport, Unavailable> }>()("sluice/Lag") {
  static readonly layer = Layer.effect(
    Lag,
    Effect.gen(function* () {
      const log = yield* EventLog
      const outbox = yield* Outbox.Outbox
      return Lag.of({
        report: Effect.all(
          {
            issuer: log.lag(winsTopic, Issuer.issuerGroup).pipe(away("event-log")),
            relay: outbox.backlog.pipe(away("sql")),
            projector: log.lag(ordersTopic, Projector.projectorGroup).pipe(away("event-log"))
          },
          { concurrency: "unbounded" }
        )
      })
    })
  )
}
