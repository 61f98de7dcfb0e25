/**
 * The processes of a measurement: servers with a probe, a Redis of their own. They end with the bench, however it ends.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { eventually, freePort } from "@sluice/testkit/processes"
import { Redis } from "ioredis"

const children = new Set<ChildProcess>()
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL")
})
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130))

export const follow = (child: ChildProcess): Promise<void> => {
  children.add(child)
  return once(child, "exit").then(() => {
    children.delete(child)
  })
}

export const stop = async (child: ChildProcess, ended: Promise<void>) => {
  child.kill("SIGTERM")
  const forced = setTimeout(() => child.kill("SIGKILL"), 10_000)
  await ended
  clearTimeout(forced)
}

export interface Usage {
  readonly cpuMicros: number
  readonly rssBytes: number
}

export interface Server {
  readonly url: string
  readonly usage: () => Promise<Usage>
  readonly stop: () => Promise<void>
}

const probe = new URL("probe.ts", import.meta.url).href

/** A node server that listens where its environment says and answers 200 at /health/ready. */
export const startServer = async (
  file: URL,
  args: ReadonlyArray<string>,
  envAt: (port: number) => Readonly<Record<string, string>>
): Promise<Server> => {
  const port = await freePort()
  const clean = Object.entries(process.env).filter(([name]) => !name.startsWith("SLUICE_"))
  const child = spawn(process.execPath, ["--import", probe, fileURLToPath(file), ...args], {
    env: { ...Object.fromEntries(clean), ...envAt(port) },
    stdio: ["ignore", "ignore", "pipe", "ipc"]
  })
  let said = ""
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-4000)
  })
  const ended = follow(child)
  const url = `http://127.0.0.1:${port}`
  const ready = eventually(`${file.pathname} ready`, async () => (await fetch(`${url}/health/ready`)).status === 200, 60_000)
  const died = ended.then(() => Promise.reject(new Error(`${file.pathname} ended:\n${said}`)))
  died.catch(() => {})
  await Promise.race([ready, died])
  return {
    url,
    usage: async () => {
      const answer = once(child, "message")
      child.send("usage")
      return (await answer)[0] as Usage
    },
    stop: () => stop(child, ended)
  }
}

export interface RedisServer {
  readonly url: string
  readonly version: string
  readonly stop: () => Promise<void>
}

/** With the append-only file on, written to disk every second. It is never rewritten: that would hit one round and not the others. */
export const startRedis = async (): Promise<RedisServer> => {
  let version: string
  try {
    version = /v=([\d.]+)/.exec(execFileSync("redis-server", ["--version"]).toString())?.[1] ?? "unknown"
  } catch {
    throw new Error("redis-server is not installed: `apt-get install redis-server`, or Redis 7 from https://redis.io/downloads")
  }
  const port = await freePort()
  const dir = mkdtempSync(join(tmpdir(), "sluice-bench-redis-"))
  const settings = {
    port,
    bind: "127.0.0.1",
    dir,
    save: "",
    appendonly: "yes",
    appendfsync: "everysec",
    "auto-aof-rewrite-percentage": 0
  }
  const child = spawn(
    "redis-server",
    Object.entries({ ...settings, "maxmemory-policy": "noeviction" }).flatMap(([name, value]) => [`--${name}`, String(value)]),
    {
      stdio: "ignore"
    }
  )
  const ended = follow(child)
  const url = `redis://127.0.0.1:${port}`
  await eventually("redis-server ready", async () => {
    const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null })
    client.on("error", () => {})
    try {
      await client.connect()
      return (await client.ping()) === "PONG"
    } finally {
      client.disconnect()
    }
  })
  return {
    url,
    version,
    stop: async () => {
      await stop(child, ended)
      rmSync(dir, { recursive: true, force: true })
    }
  }
}
