/** What a load came to, for people. */
import type { LoadSummary, Verification } from "@sluice/bulk-load/BulkLoader"
import { count, list, paint } from "../commands/Output.ts"
import { megabytes } from "./Progress.ts"

const verificationText = (verification: Verification): string => {
  if (verification.outcome === "skipped") return `skipped: ${verification.reason}`
  const { leftOut } = verification
  const but = leftOut.length === 0 ? "" : `, without ${leftOut.join(", ")}`
  return `equal: count and checksum of ${count(verification.rows)} rows${but}`
}

const states = {
  done: ["green", "done"],
  dry_run: ["green", "checked, nothing stored"],
  stopped: ["yellow", "stopped"],
  cancelled: ["yellow", "cancelled"]
} as const

export const summaryText = (summary: LoadSummary, peakBytes: number, rejects: string | undefined): string => {
  const { firstId, job, lastId, loadedRows, rows, seconds, state, table } = summary
  const [style, text] = states[state]
  const passed = state === "dry_run" ? rows : loadedRows
  return [
    paint(style, text),
    list([
      ["table", table],
      ["job", job],
      ["rows", rows],
      ...(loadedRows === rows || state === "dry_run" ? [] : [["of them now", loadedRows] as const]),
      ["rejects", rejects === undefined || summary.rejects === 0 ? summary.rejects : `${count(summary.rejects)}, in ${rejects}`],
      ["seconds", seconds.toFixed(2)],
      ["rows/s", Math.round(passed / Math.max(seconds, 0.001))],
      ["peak memory", megabytes(peakBytes)],
      ["ids", firstId === null || lastId === null ? null : `${firstId} to ${lastId}`],
      ["verification", verificationText(summary.verification)]
    ])
  ].join("\n")
}
