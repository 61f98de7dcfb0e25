/**
 * Where a demo plays: a temporary folder, and processes of Sluice in it, each the real command with an environment of its own.
 *
 * When the scope closes, however it closes, no process is left, and no folder where it is not to be kept.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { DatabaseSync } from "node:sqlite"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import { adminKeyFile } from "../DataDir.ts"
import type { Screen } from "./Screen.ts"

const main = fileURLToPath(new URL("../main.ts", import.meta.url))

export type End = number | NodeJS.Signals

export interface Running {
  readonly ended: Promise<End>
  /** Resolves when it is gone. */
  readonly kill: (signal: NodeJS.Signals) => Promise<End>
  /** What it wrote on stdout so far. */
  readonly output: () => string
  readonly errors: () => string
}

export interface Stage {
  readonly folder: string
  readonly url: string
  readonly screen: Screen
  /** `onLine` gets the lines of stdout. */
  readonly sluice: (args: ReadonlyArray<string>, onLine?: (line: string) => void) => Running
  /** Runs to the end and gives what was printed as JSON; an exit code that is not expected is an error. */
  readonly json: <A>(args: ReadonlyArray<string>, expected?: ReadonlyArray<End>) => Promise<A>
  /** The server at `url`, ready. */
  readonly serve: () => Promise<Running>
  readonly call: <A>(method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Answer<A>>
  /** Reads the database as it is, beside whoever has it open. */
  readonly query: <A>(sql: string, file?: string) => ReadonlyArray<A>
}

export interface Answer<A> {
  readonly status: number
  readonly body: A
}

export class DemoFailure extends Error {}

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as { readonly port: number }
  server.close()
  await once(server, "close")
  return port
}

/** Without the settings of whoever looks on: the demo is the same for everybody. */
const environment = (own: Record<string, string>) => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("SLUICE_"))),
  ...own
})

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

const readyWithinMs = 60_000

export const stage = (screen: Screen, options: { readonly keep: boolean }) =>
  Effect.gen(function* () {
    const running = new Set<ChildProcess>()
    let isOver = false
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "sluice-demo-"))),
      (made) =>
        Effect.promise(async () => {
          isOver = true
          const left = [...running]
          for (const child of left) child.kill("SIGKILL")
          await Promise.all(left.map((child) => child.exitCode ?? child.signalCode ?? once(child, "exit")))
          if (!options.keep) rmSync(made, { recursive: true, force: true, maxRetries: 5 })
        })
    )
    const port = yield* Effect.promise(freePort)
    const url = `http://127.0.0.1:${port}`
    const env = environment({
      SLUICE_DATA_DIR: folder,
      SLUICE_PORT: String(port),
      SLUICE_LOG_LEVEL: "Error",
      NO_COLOR: "1"
    })

    const sluice: Stage["sluice"] = (args, onLine) => {
      if (isOver) throw new DemoFailure("the demo is over")
      const child = spawn(process.execPath, [main, ...args], { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] })
      running.add(child)
      let output = ""
      let errors = ""
      child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text))
      child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text))
      if (onLine !== undefined) createInterface({ input: child.stdout }).on("line", onLine)
      const ended = once(child, "close").then(([code, signal]): End => {
        running.delete(child)
        return signal ?? code
      })
      ended.catch(() => {})
      return {
        ended,
        kill: (signal) => {
          child.kill(signal)
          return ended
        },
        output: () => output,
        errors: () => errors
      }
    }

    const json: Stage["json"] = async <A>(args: ReadonlyArray<string>, expected: ReadonlyArray<End> = [0]) => {
      const child = sluice([...args, "--json"])
      const end = await child.ended
      if (!expected.includes(end)) throw new DemoFailure(`sluice ${args.join(" ")} ended with ${end}: ${child.errors().trim()}`)
      return JSON.parse(child.output()) as A
    }

    const serve = async () => {
      const server = sluice(["serve"])
      const until = Date.now() + readyWithinMs
      let end: End | undefined
      void server.ended.then((how) => (end = how))
      while (end === undefined && Date.now() < until) {
        const isReady = await fetch(`${url}/health/ready`).then(
          (answer) => answer.ok,
          () => false
        )
        if (isReady) return server
        await pause(50)
      }
      throw new DemoFailure(`the server did not get ready (${end ?? "still running"}): ${server.errors().trim()}`)
    }

    const call: Stage["call"] = async <A>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
      const answer = await fetch(`${url}${path}`, {
        method,
        headers: {
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          authorization: `Bearer ${readFileSync(adminKeyFile(folder), "utf8").trim()}`,
          ...headers
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(20_000)
      })
      const text = await answer.text()
      return { status: answer.status, body: (text === "" ? undefined : JSON.parse(text)) as A }
    }

    const query: Stage["query"] = <A>(sql: string, file = join(folder, "sluice.db")) => {
      const db = new DatabaseSync(file, { readOnly: true, timeout: 10_000 })
      try {
        return db.prepare(sql).all() as unknown as ReadonlyArray<A>
      } finally {
        db.close()
      }
    }

    const made: Stage = { folder, url, screen, sluice, json, serve, call, query }
    return made
  })
