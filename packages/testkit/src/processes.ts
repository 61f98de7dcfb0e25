/**
 * Sluice as its users run it: processes of their own, started, killed at any moment, and started again on what they left.
 *
 * Plain promises: a test that kills things should not share a runtime with them.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:net"
import { fileURLToPath } from "node:url"

const main = fileURLToPath(new URL("../../app/src/main.ts", import.meta.url))

export const adminKey = "an-admin-key-for-tests-of-40-characters-"

export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as { readonly port: number }
  server.close()
  await once(server, "close")
  return port
}

export interface SluiceProcess {
  readonly url: string
  readonly child: ChildProcess
  /** What it has written so far, both streams. */
  readonly output: () => string
  /** Resolves with the exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
  readonly kill: (signal?: NodeJS.Signals) => Promise<number | NodeJS.Signals>
}

export interface StartOptions {
  readonly args?: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
  readonly port?: number
  /** Resolve as soon as it is started, not when it is ready. */
  readonly noWait?: boolean
}

const running = new Set<SluiceProcess>()

const cleanEnv = () => Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("SLUICE_")))

/** `sluice serve`, ready. */
export const startSluice = async (options: StartOptions = {}): Promise<SluiceProcess> => {
  const port = options.port ?? (await freePort())
  const child = spawn(process.execPath, [main, ...(options.args ?? ["serve"])], {
    env: {
      ...cleanEnv(),
      SLUICE_PORT: String(port),
      SLUICE_ADMIN_KEY: adminKey,
      SLUICE_LOG_FORMAT: "logfmt",
      NO_COLOR: "1",
      ...options.env
    },
    stdio: ["ignore", "pipe", "pipe"]
  })
  let output = ""
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding("utf8").on("data", (text: string) => (output += text))
  const ended = once(child, "exit").then(([code, signal]) => (signal ?? code) as number | NodeJS.Signals)
  const sluice: SluiceProcess = {
    url: `http://127.0.0.1:${port}`,
    child,
    output: () => output,
    ended,
    kill: (signal = "SIGKILL") => {
      child.kill(signal)
      return ended
    }
  }
  running.add(sluice)
  ended.then(() => running.delete(sluice))
  if (options.noWait !== true) {
    const ready = eventually("ready", async () => (await fetch(`${sluice.url}/health/ready`)).status === 200, 90_000)
    const died = ended.then((how) => Promise.reject(new Error(`sluice ended with ${how} before it was ready:\n${output}`)))
    await Promise.race([ready, died])
    died.catch(() => {})
  }
  return sluice
}

/** Ends what a test left running, first as an operator would: a member that leaves its group well keeps nobody waiting. */
export const stopAll = async (): Promise<void> => {
  await Promise.all(
    [...running].map(async (sluice) => {
      const late = setTimeout(() => sluice.kill("SIGKILL"), 12_000)
      await sluice.kill("SIGTERM")
      clearTimeout(late)
    })
  )
}

/** Asks until it holds; an ask that fails counts as "not yet". */
export const eventually = async (what: string, holds: () => Promise<boolean>, timeoutMs = 60_000): Promise<void> => {
  const until = Date.now() + timeoutMs
  let last: unknown
  while (Date.now() < until) {
    try {
      if (await holds()) return
      last = "it did not hold"
    } catch (cause) {
      last = cause
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`${what}: not within ${timeoutMs} ms`, { cause: last })
}

export interface Answer<A> {
  readonly status: number
  readonly body: A
}

/** One request with a JSON answer. A process that is away is an error, as it is to its users. */
export const call = async <A = Record<string, unknown>>(
  url: string,
  method = "GET",
  body?: unknown,
  admin = false
): Promise<Answer<A>> => {
  const answer = await fetch(url, {
    method,
    headers: {
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(admin ? { authorization: `Bearer ${adminKey}` } : {})
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(15_000)
  })
  const text = await answer.text()
  return { status: answer.status, body: (text === "" ? null : JSON.parse(text)) as A }
}
