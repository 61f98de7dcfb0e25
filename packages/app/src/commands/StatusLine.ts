/** How something goes, on stderr: on a terminal in one line that is drawn over itself, else a line every few seconds. */
import { Effect, Schedule } from "effect"

const isLive = () => process.stderr.isTTY === true && process.env.TERM !== "dumb"

/** Until the scope closes; undefined is nothing to say. */
export const statusLine = Effect.fnUntraced(function* (text: () => string | undefined) {
  const live = isLive()
  const draw = Effect.sync(() => {
    const line = text()
    if (line !== undefined) process.stderr.write(live ? `\r\u001b[2K${line}` : `${line}\n`)
  })
  yield* Effect.sleep(live ? "200 millis" : "5 seconds").pipe(
    Effect.andThen(draw),
    Effect.repeat(Schedule.forever),
    Effect.ensuring(Effect.sync(() => live && process.stderr.write("\r\u001b[2K"))),
    Effect.forkScoped
  )
})
