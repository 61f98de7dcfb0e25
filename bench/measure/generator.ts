/**
 * Load on one URL for some seconds, from wrk where it is installed, else from autocannon in a process of its own. Every request is the
 * next line of work: a join of a user who has never been, or a look at one of the paths of a file.
 */
import { execFileSync, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"

export type Work =
  | { readonly kind: "join"; readonly path: string; readonly userPrefix: string }
  | { readonly kind: "look"; readonly pathsFile: string }

export interface Load {
  readonly requests: number
  readonly seconds: number
  readonly p50Ms: number
  readonly p99Ms: number
}

export interface Generator {
  readonly name: string
  readonly run: (url: string, work: Work, connections: number, seconds: number) => Promise<Load>
}

interface Printed extends Load {
  readonly failed: number
}

const file = (name: string) => fileURLToPath(new URL(name, import.meta.url))

const output = (command: string, args: ReadonlyArray<string>, env: Record<string, string> = {}) =>
  new Promise<string>((resolve, reject) => {
    const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] })
    let out = ""
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        out += text
      })
    }
    child.on("error", reject)
    child.on("exit", (code) => (code === 0 ? resolve(out) : reject(new Error(`${command} ended with ${code}:\n${out}`))))
  })

/** The line that starts with RESULT. A measurement in which anything failed is none. */
const result = (out: string): Load => {
  const line = /^RESULT (.*)$/m.exec(out)?.[1]
  if (line === undefined) throw new Error(`no result from the load generator:\n${out}`)
  const { failed, ...load } = JSON.parse(line) as Printed
  if (failed > 0) throw new Error(`${failed} of ${load.requests} requests failed: not a measurement`)
  return load
}

const wrk = (version: string): Generator => ({
  name: `wrk ${version}`,
  run: async (url, work, connections, seconds) => {
    const env: Record<string, string> =
      work.kind === "join" ? { BENCH_PATH: work.path, BENCH_USER: work.userPrefix } : { BENCH_PATHS: work.pathsFile }
    const args = ["-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "10s", "-s", file(`${work.kind}.lua`), url]
    return result(await output("wrk", args, env))
  }
})

const autocannon: Generator = {
  name: "autocannon",
  run: async (url, work, connections, seconds) =>
    result(await output(process.execPath, [file("cannon.mjs"), JSON.stringify({ url, work, connections, seconds })]))
}

export const findGenerator = (): Generator => {
  try {
    const version = execFileSync("sh", ["-c", "wrk -v 2>&1 || true"]).toString()
    if (version.startsWith("wrk")) return wrk(/^wrk (?:debian\/)?(\S+)/.exec(version)?.[1] ?? "")
  } catch {
    // as if it were not installed
  }
  console.error(
    "wrk is not installed: autocannon makes the load, which costs more of the machine. Better: `apt-get install wrk`."
  )
  return autocannon
}
