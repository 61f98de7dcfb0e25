/** What an operator is told of the generations of the order view and of their last rebuild. */
import { Count } from "@sluice/domain"
import { Schema } from "effect"
import { Run, type Stored } from "./OrderGenerations.ts"

const { compared, copied, differing, mended, phase, problem, total } = Run.fields

export const RebuildReport = Schema.Struct({
  live: Count.annotate({ description: "What readers see." }),
  former: Schema.NullOr(Count).annotate({ description: "What they saw before; kept up to date until it is dropped." }),
  building: Schema.NullOr(Count).annotate({ description: "What is being built from the write side." }),
  rebuild: Schema.NullOr(
    Schema.Struct({
      state: Schema.Literals(["running", "done", "failed", "stopped", "interrupted"]).annotate({
        description:
          "`interrupted`: its process has died. Such, `failed` and `stopped` ones go on where they were by the next rebuild."
      }),
      phase,
      total,
      copied,
      compared,
      mended,
      differing,
      problem,
      startedAt: Schema.String,
      updatedAt: Schema.String
    })
  ).annotate({ description: "The last one." })
})
export type RebuildReport = typeof RebuildReport.Type

export const reportOf = ({ isHeld, state: { building, former, live, run } }: Stored): RebuildReport => {
  if (run === null) return { live, former, building, rebuild: null }
  const { after, owner, startedAtMs, state, updatedAtMs, ...rest } = run
  const rebuild = {
    ...rest,
    state: state === "running" && !isHeld ? ("interrupted" as const) : state,
    startedAt: new Date(startedAtMs).toISOString(),
    updatedAt: new Date(updatedAtMs).toISOString()
  }
  return { live, former, building, rebuild }
}
