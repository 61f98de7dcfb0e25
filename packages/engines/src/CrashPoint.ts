/**
 * Named places at which a process can be made to die, so that tests can show what survives: `SLUICE_CRASH_AT=point[:nth]` ends it there
 * with SIGKILL, the nth time it comes by. Without the variable a point costs nothing.
 */
import * as Effect from "effect/Effect"

const [point, nth = "1"] = (process.env.SLUICE_CRASH_AT ?? "").split(":")
let left = Number(nth)

export const crashPoint = (name: string): Effect.Effect<void> =>
  name === point
    ? Effect.sync(() => {
        if (--left === 0) process.kill(process.pid, "SIGKILL")
      })
    : Effect.void
