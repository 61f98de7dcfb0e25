/** How a demo is watched, on stderr: a line that moves on a terminal, and plain lines one after the other elsewhere. */
import { paint } from "../commands/Output.ts"

export interface Screen {
  readonly title: (text: string) => void
  readonly step: (text: string) => void
  /** Drawn over itself on a terminal; elsewhere not at all, since a step follows. */
  readonly live: (text: string) => void
}

const isLive = () => process.stderr.isTTY === true && process.env.TERM !== "dumb"

const bar = (share: number, width = 24) => {
  const full = Math.max(0, Math.min(width, Math.round(share * width)))
  return `[${"#".repeat(full)}${"-".repeat(width - full)}]`
}

export const progress = (share: number, text: string): string => `${bar(share)} ${text}`

export const screen = (): Screen => {
  const live = isLive()
  let isDrawn = false
  let drawnAt = 0
  const write = (text: string) => {
    process.stderr.write(`${isDrawn ? "\r\u001b[2K" : ""}${text}\n`)
    isDrawn = false
  }
  return {
    title: (text) => write(paint("bold", text, process.stderr)),
    step: (text) => write(`  ${text}`),
    live: (text) => {
      const now = performance.now()
      if (!live || now - drawnAt < 100) return
      drawnAt = now
      const columns = Math.max(20, (process.stderr.columns || 80) - 1)
      process.stderr.write(`\r\u001b[2K${`  ${text}`.slice(0, columns)}`)
      isDrawn = true
    }
  }
}
