/** Whether each engine that this process needs answers, as `/health/ready` shows it. A check is bounded in time and never fails. */
import { Context, type Effect } from "effect"

export interface EngineHealth {
  readonly engine: string
  readonly ok: boolean
  /** False: what needs it waits until it is back, and requests are answered all the same. */
  readonly required?: boolean
  readonly detail?: string
  readonly milliseconds: number
}

export class Health extends Context.Service<Health, { readonly check: Effect.Effect<ReadonlyArray<EngineHealth>> }>()(
  "sluice/Health"
) {}
