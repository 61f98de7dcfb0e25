/**
 * Load on one URL for some seconds, from wrk where it is installed, else from autocannon in a process of its own. Every request is the
 * next line of work: a join of a user who has never been, a look at one of the paths of a file, or a new order.
 */
import { execFileSync, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { onCore } from "./pinned.ts"

export type Work =
  | { readonly kind: "join"; readonly path: string; readonly userPrefix: string }
  | { readonly kind: "look"; readonly pathsFile: string }
  | ({ readonly kind: "order" } & Orders)

export interface Load {
  readonly requests: number
  readonly seconds: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
}

export interface Generator {
  readonly name: string
  /** `core`: the one it may use, where it may not use all. */
  readonly run: (url: string, work: Work, connections: number, seconds: number, core?: string) => Promise<Load>
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

const variables = (work: Work): Record<string, string> => {
  if (work.kind === "join") return { BENCH_PATH: work.path, BENCH_USER: work.userPrefix }
  if (work.kind === "look") return { BENCH_PATHS: work.pathsFile }
  return { BENCH_KEY: work.keyPrefix, BENCH_CUSTOMERS: String(work.customers), BENCH_PRODUCTS: String(work.products) }
}

const wrk = (version: string): Generator => ({
  name: `wrk ${version}`,
  run: async (url, work, connections, seconds, core) => {
    const args = ["-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "10s", "-s", file(`${work.kind}.lua`), url]
    return result(await output(...onCore(core, "wrk", args), variables(work)))
  }
})

const autocannon: Generator = {
  name: "autocannon",
  run: async (url, work, connections, seconds, core) => {
    const args = [file("cannon.mjs"), JSON.stringify({ url, work, connections, seconds })]
    return result(await output(...onCore(core, process.execPath, args)))
  }
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

/** Looks at a fixed rate, whether earlier ones were answered or not; latency counts from when a request was due. */
export const paced = async (url: string, pathsFile: string, rate: number, seconds: number, core?: string): Promise<Load> => {
  const args = [file("pace.mjs"), JSON.stringify({ url, pathsFile, rate, seconds })]
  return result(await output(...onCore(core, process.execPath, args)))
}

export interface Orders {
  readonly keyPrefix: string
  readonly customers: number
  readonly products: number
}

/** Orders at a fixed rate; the latencies are those from an order's answer to its being seen by a reader. */
export const lag = async (url: string, orders: Orders, rate: number, seconds: number, core?: string): Promise<Load> => {
  const args = [file("lag.mjs"), JSON.stringify({ ...orders, url, rate, seconds })]
  return result(await output(...onCore(core, process.execPath, args)))
}
