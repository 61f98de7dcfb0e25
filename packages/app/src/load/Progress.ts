/** How a load goes, in one line: for a terminal, where it is drawn over itself, and for a log, where it comes every few seconds. */
import * as Clock from "effect/Clock"
import * as CliOutput from "effect/cli/CliOutput"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { count } from "../commands/Output.ts"

export interface Snapshot {
  readonly rows: number
  readonly rejects: number
  /** Of the source, in bytes or rows. */
  readonly position: number
}

export interface Scale {
  /** Of the positions, where it is known. */
  readonly size: number | undefined
  readonly unit: "bytes" | "rows"
}

export const clock = (seconds: number): string => {
  if (seconds < 60) return `${Math.ceil(seconds)} s`
  const minutes = Math.floor(seconds / 60)
  return minutes < 60
    ? `${minutes} m ${String(Math.floor(seconds % 60)).padStart(2, "0")} s`
    : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} m`
}

export const megabytes = (bytes: number): string => `${Math.round(bytes / 1_048_576)} MB`

const width = 24

const bar = (share: number): string => {
  const full = Math.min(width, Math.floor(share * width))
  return `[${"#".repeat(full)}${"-".repeat(width - full)}] ${String(Math.floor(share * 100)).padStart(3)}%`
}

/** The rates are of this process. */
export const line = (now: Snapshot, begun: Snapshot, seconds: number, scale: Scale, memory: number, withBar: boolean): string => {
  const rate = seconds > 0 ? (now.rows - begun.rows) / seconds : 0
  const speed = seconds > 0 ? (now.position - begun.position) / seconds : 0
  const left = scale.size === undefined || speed <= 0 ? undefined : Math.max(0, scale.size - now.position) / speed
  return [
    ...(withBar && scale.size !== undefined && scale.size > 0 ? [bar(now.position / scale.size)] : []),
    `${count(now.rows)} rows`,
    `${count(Math.round(rate))} rows/s`,
    ...(scale.unit === "bytes" ? [`${(speed / 1e6).toFixed(1)} MB/s`] : []),
    ...(left === undefined ? [] : [`${clock(left)} left`]),
    `${count(now.rejects)} rejects`,
    megabytes(memory)
  ].join("  ")
}

const isLive = () => process.stderr.isTTY === true && process.env.TERM !== "dumb"

const shortened = (text: string): string => {
  const columns = Math.max(20, (process.stderr.columns || 80) - 1)
  return CliOutput.displayWidth(text) <= columns ? text : text.slice(0, columns)
}

export interface Track {
  /** Where this process began, which may be in the middle. */
  readonly begun: Snapshot
  readonly now: Snapshot
}

/** Shows it on stderr until the scope closes. */
export const show = Effect.fnUntraced(function* (track: () => Track, scale: Scale) {
  const live = isLive()
  const startedAt = yield* Clock.currentTimeMillis
  const draw = Effect.map(Clock.currentTimeMillis, (now) => {
    const { begun, now: reached } = track()
    const text = line(reached, begun, (now - startedAt) / 1000, scale, process.memoryUsage.rss(), live)
    process.stderr.write(live ? `\r\u001b[2K${shortened(text)}` : `${text}\n`)
  })
  yield* Effect.sleep(live ? "200 millis" : "5 seconds").pipe(
    Effect.andThen(draw),
    Effect.repeat(Schedule.forever),
    Effect.ensuring(Effect.sync(() => live && process.stderr.write("\r\u001b[2K"))),
    Effect.forkScoped
  )
})
