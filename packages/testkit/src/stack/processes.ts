/**
 * Programs that outlive the one that starts them, and are still only ever ended by those who started them.
 *
 * A process is known by its id and its start: an id that the system has given to another program is never taken for ours, and never
 * signalled. Nothing here is restarted or watched: a server that dies stays dead until the next `up`.
 */

import { spawn } from "node:child_process"
import { closeSync, existsSync, openSync, readFileSync } from "node:fs"
import { connect, createServer } from "node:net"
import { delimiter, join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"

/** What went wrong, with what the reader can do about it. */
export class StackError extends Error {
  constructor(problem: string, fix?: string) {
    super(fix === undefined ? problem : `${problem}\n  fix: ${fix}`)
  }
}

export interface Process {
  readonly pid: number
  readonly start: string
}

export interface Command {
  readonly program: string
  readonly args: ReadonlyArray<string>
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
}

/** When the process started, in ticks since boot; undefined once it has ended, or where it is only not yet reaped. */
const startOf = (pid: number): string | undefined => {
  if (process.platform !== "linux") return exists(pid) ? "" : undefined
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ").at(-1)!.split(" ")
    return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19]
  } catch {
    return undefined
  }
}

const exists = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
}

export const processOf = (pid: number): Process | undefined => {
  const start = startOf(pid)
  return start === undefined ? undefined : { pid, start }
}

export const isRunning = ({ pid, start }: Process): boolean => startOf(pid) === start

export const signal = (process_: Process, name: NodeJS.Signals): void => {
  if (isRunning(process_)) process.kill(process_.pid, name)
}

/** Starts a program in a session of its own, with all its output at the end of `log`. */
export const launch = async ({ args, cwd, env, program }: Command, log: string): Promise<Process> => {
  const output = openSync(log, "a", 0o600)
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, ...env },
    detached: true,
    stdio: ["ignore", output, output]
  })
  closeSync(output)
  await new Promise((resolve, reject) => child.once("spawn", resolve).once("error", reject))
  child.unref()
  return processOf(child.pid!) ?? { pid: child.pid!, start: "" }
}

/** Signals and waits for the end, with SIGKILL after `graceMs`. A process that was paused goes on first, or it could not end. */
export const end = async (process_: Process, name: NodeJS.Signals = "SIGTERM", graceMs = 20_000): Promise<void> => {
  signal(process_, name)
  signal(process_, "SIGCONT")
  if (await isTrueWithin(graceMs, () => !isRunning(process_))) return
  signal(process_, "SIGKILL")
  if (!(await isTrueWithin(10_000, () => !isRunning(process_)))) {
    throw new StackError(`Process ${process_.pid} does not end, not even by SIGKILL`)
  }
}

const isTrueWithin = async (ms: number, condition: () => boolean): Promise<boolean> => {
  for (const deadline = Date.now() + ms; !condition(); await sleep(20)) if (Date.now() > deadline) return false
  return true
}

/** Runs a program to its end and gives its output; a failure carries the last lines of all it said. */
export const run = async (
  { args, cwd, env, program }: Command,
  { timeoutMs = 900_000 }: { readonly timeoutMs?: number } = {}
): Promise<string> => {
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: timeoutMs,
    killSignal: "SIGKILL"
  })
  let output = ""
  let said = ""
  child.stdout.setEncoding("utf8").on("data", (text) => {
    output += text
    said += text
  })
  child.stderr.setEncoding("utf8").on("data", (text) => (said += text))
  const code = await new Promise<number | string | null>((resolve, reject) =>
    child.once("error", reject).once("close", (status, killedBy) => resolve(killedBy ?? status))
  )
  if (code !== 0) throw new StackError(`${program} ${args.join(" ")} ended with ${code}\n${lastLines(said, 15)}`)
  return output
}

export const lastLines = (text: string, count: number): string =>
  text.trimEnd().split("\n").slice(-count).join("\n").replace(/^/gm, "  | ")

/** System programs too: /usr/sbin is not on everybody's PATH. */
export const findProgram = (name: string): string | undefined =>
  [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"]
    .map((directory) => join(directory, name))
    .find((path) => existsSync(path))

const canListen = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once("error", () => resolve(false))
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)))
  })

/**
 * A free loopback port, `preferred` if that one still is. Taken from below the range that systems give to outgoing connections, where a
 * client that tries again and again could take the port of a server that is down.
 */
export const freePort = async (preferred?: number): Promise<number> => {
  if (preferred !== undefined && (await canListen(preferred))) return preferred
  for (let tries = 0; tries < 200; tries++) {
    const port = 20_000 + Math.floor(Math.random() * 10_000)
    if (await canListen(port)) return port
  }
  throw new StackError("No free port between 20000 and 29999 on 127.0.0.1")
}

export const canConnect = (host: string, port: number, timeoutMs = 3000): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host, port, timeout: timeoutMs })
    const settle = (result: boolean) => () => {
      socket.destroy()
      resolve(result)
    }
    socket.once("connect", settle(true)).once("error", settle(false)).once("timeout", settle(false))
  })

/** Asks until there is an answer, at most `timeoutMs`; `check` may end the wait early by throwing. */
export const untilAnswered = async <A>(ask: () => Promise<A>, timeoutMs: number, check: () => void = () => {}): Promise<A> => {
  for (const deadline = Date.now() + timeoutMs; ; await sleep(100)) {
    check()
    try {
      return await within(Math.min(timeoutMs, 10_000), ask())
    } catch (error) {
      if (Date.now() > deadline) throw error
    }
  }
}

export const within = <A>(ms: number, promise: Promise<A>): Promise<A> => {
  const timer = Promise.withResolvers<never>()
  const handle = setTimeout(() => timer.reject(new StackError(`no answer within ${ms} ms`)), ms)
  return Promise.race([promise, timer.promise]).finally(() => clearTimeout(handle))
}
