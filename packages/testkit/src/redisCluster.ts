/** A Redis Cluster of three masters for one test file: free ports, data in a temporary folder, gone at the end. */
import { execFile, spawn } from "node:child_process"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { eventually, freePort } from "./processes.ts"

const run = promisify(execFile)
const cli = (port: number, ...args: ReadonlyArray<string>) => run("redis-cli", ["-h", "127.0.0.1", "-p", String(port), ...args])

export const startRedisCluster = async () => {
  const folder = await mkdtemp(join(tmpdir(), "sluice-redis-cluster-"))
  const ports = await Promise.all([freePort(), freePort(), freePort()])
  const nodes = await Promise.all(
    ports.map(async (port) =>
      spawn(
        "redis-server",
        [
          ...[
            "--port",
            String(port),
            "--bind",
            "127.0.0.1",
            "--cluster-enabled",
            "yes",
            "--cluster-port",
            String(await freePort())
          ],
          ...["--cluster-config-file", `nodes-${port}.conf`, "--dir", folder, "--save", "", "--appendonly", "no"]
        ],
        { stdio: "ignore" }
      )
    )
  )
  await eventually("the nodes answer", async () => {
    await Promise.all(ports.map((port) => cli(port, "ping")))
    return true
  })
  await run("redis-cli", ["--cluster", "create", ...ports.map((port) => `127.0.0.1:${port}`), "--cluster-yes"])
  await eventually("the cluster is whole", async () => {
    const answers = await Promise.all(ports.map((port) => cli(port, "cluster", "info")))
    return answers.every(({ stdout }) => stdout.includes("cluster_state:ok"))
  })
  return {
    urls: ports.map((port) => `redis://127.0.0.1:${port}`),
    /** Ends one of the masters, by its place in `urls`. */
    kill: (index: number) => nodes[index]!.kill("SIGKILL"),
    stop: async () => {
      for (const node of nodes) node.kill("SIGKILL")
      await rm(folder, { recursive: true, force: true })
    }
  }
}
