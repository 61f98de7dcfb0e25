/**
 * A whole process as a measurement: wall time from start to end, the CPU time that the system charged it and its own children with, the
 * highest resident memory. Of Linux, from /proc; elsewhere CPU and memory are NaN.
 *
 * CPU is what this process's ended children have used, so only one measurement may run at a time; it counts in ticks of 10 ms.
 */
import { spawn } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { follow } from "./processes.ts"

export interface Program {
  readonly command: string
  readonly args: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
}

export interface Memory {
  readonly seconds: number
  readonly rssMiB: number
  /** What the program said last, where it says how far it is. */
  readonly rows: number
}

export interface Taken {
  readonly seconds: number
  readonly cpuSeconds: number
  /** Of programs that ran at once, added up. */
  readonly peakMiB: number
  readonly memory: ReadonlyArray<Memory>
}

export class ProgramFailed extends Error {
  readonly said: string
  readonly taken: Taken
  constructor(what: string, said: string, taken: Taken) {
    super(`${what}\n${said}`)
    this.said = said
    this.taken = taken
  }
}

const ticksASecond = 100

const childrenCpu = (): number => {
  if (!existsSync("/proc/self/stat")) return Number.NaN
  const text = readFileSync("/proc/self/stat", "utf8")
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ")
  return (Number(fields[13]) + Number(fields[14])) / ticksASecond
}

const statusOf = (pid: number) => {
  try {
    const text = readFileSync(`/proc/${pid}/status`, "utf8")
    const of = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? Number.NaN) / 1024
    return { peak: of("VmHWM"), now: of("VmRSS") }
  } catch {
    return { peak: Number.NaN, now: Number.NaN }
  }
}

/** How often the highest memory so far is looked at: what a process takes in its last moment may be missed. */
const lookEveryMs = 25
const sampleEveryMs = 250

const one = async ({ args, command, env }: Program, rowsIn: (text: string) => number | undefined) => {
  const start = performance.now()
  const clean = Object.entries(process.env).filter(([name]) => !name.startsWith("SLUICE_"))
  const child = spawn(command, args, { env: { ...Object.fromEntries(clean), ...env }, stdio: ["ignore", "pipe", "pipe"] })
  const closed = follow(child)
  let said = ""
  let rows = 0
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      rows = rowsIn(text) ?? rows
      said = (said + text).slice(-4000)
    })
  }
  let peakMiB = 0
  const memory: Array<Memory> = []
  const looking = setInterval(() => {
    const { now, peak } = statusOf(child.pid!)
    if (!(now > 0)) return
    peakMiB = Math.max(peakMiB, peak)
    const seconds = (performance.now() - start) / 1000
    if (memory.length === 0 || seconds - memory.at(-1)!.seconds >= sampleEveryMs / 1000)
      memory.push({ seconds, rssMiB: now, rows })
  }, lookEveryMs)
  await closed
  clearInterval(looking)
  const seconds = (performance.now() - start) / 1000
  return { seconds, peakMiB: peakMiB || Number.NaN, memory, code: child.exitCode, said }
}

/** Runs them all at once, and fails unless each ends with 0. */
export const runMeasured = async (
  programs: ReadonlyArray<Program>,
  rowsIn: (text: string) => number | undefined = () => undefined
): Promise<Taken> => {
  const before = childrenCpu()
  const start = performance.now()
  const ended = await Promise.all(programs.map((program) => one(program, rowsIn)))
  const taken: Taken = {
    seconds: (performance.now() - start) / 1000,
    cpuSeconds: childrenCpu() - before,
    peakMiB: ended.reduce((sum, { peakMiB }) => sum + peakMiB, 0),
    memory: ended[0]?.memory ?? []
  }
  const failed = ended.findIndex(({ code }) => code !== 0)
  if (failed !== -1) {
    const { args, command } = programs[failed]!
    throw new ProgramFailed(`${[command, ...args].join(" ")} ended with ${ended[failed]!.code}`, ended[failed]!.said, taken)
  }
  return taken
}
