/**
 * Processes on a core of their own, of whatever language, with the CPU time that the system says they took. Where there is no `taskset`
 * or only one core they run where the system puts them, and the report says so.
 */
import { execFileSync, spawn } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { cpus } from "node:os"
import { eventually } from "@sluice/testkit/processes"
import { follow, stop } from "./processes.ts"

const hasTaskset = (() => {
  try {
    execFileSync("taskset", ["--version"], { stdio: "ignore" })
    return cpus().length > 1
  } catch {
    return false
  }
})()

/** The measured server has one core, everything else the other. */
export const cores = hasTaskset ? { server: "1", rest: "0" } : undefined

export const onCore = (core: string | undefined, program: string, args: ReadonlyArray<string>) =>
  core === undefined ? ([program, args] as const) : (["taskset", ["-c", core, program, ...args]] as const)

export interface Pinned {
  readonly url: string
  readonly pid: number
  readonly stop: () => Promise<void>
}

const ticksASecond = 100

/** User and system time of a process so far; NaN where the system has no /proc. */
export const cpuSeconds = (pid: number): number => {
  const file = `/proc/${pid}/stat`
  if (!existsSync(file)) return Number.NaN
  const text = readFileSync(file, "utf8")
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ")
  return (Number(fields[11]) + Number(fields[12])) / ticksASecond
}

export const startPinned = async (options: {
  readonly program: string
  readonly args: ReadonlyArray<string>
  readonly core: string | undefined
  readonly url: string
  readonly env?: Readonly<Record<string, string>>
  readonly ready: () => Promise<boolean>
  readonly timeoutMs?: number
}): Promise<Pinned> => {
  const clean = Object.entries(process.env).filter(([name]) => !name.startsWith("SLUICE_"))
  const [program, args] = onCore(options.core, options.program, options.args)
  const child = spawn(program, args, {
    env: { ...Object.fromEntries(clean), ...options.env },
    stdio: ["ignore", "pipe", "pipe"]
  })
  let said = ""
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-4000)
    })
  }
  const ended = follow(child)
  const died = ended.then(() => Promise.reject(new Error(`${options.program} ended:\n${said}`)))
  died.catch(() => {})
  const timeout = options.timeoutMs ?? 60_000
  await Promise.race([eventually(`${options.program} ready`, options.ready, timeout), died])
  return { url: options.url, pid: child.pid!, stop: () => stop(child, ended) }
}

export const answers = (url: string) => async () => (await fetch(url)).status === 200
