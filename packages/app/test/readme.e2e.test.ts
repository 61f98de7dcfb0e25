import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { clusterEnv, isLive } from "@sluice/testkit/live"
import { eventually, freePort } from "@sluice/testkit/processes"
import { afterAll, assert, describe, it } from "vitest"

const root = fileURLToPath(new URL("../../../", import.meta.url))
const readme = readFileSync(join(root, "README.md"), "utf8")
const blocks = [...readme.matchAll(/```sh\n(.*?)```/gs)].map(([, text]) => text!)
const blockWith = (text: string) => blocks.find((block) => block.includes(text))!

const dataDir = mkdtempSync(join(tmpdir(), "sluice-readme-"))
const started: Array<ChildProcess> = []

const envOf = (more: Record<string, string>) => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("SLUICE_"))),
  SLUICE_DATA_DIR: dataDir,
  NO_COLOR: "1",
  ...more
})

/** A command that stays, in a process group of its own. */
const stay = (command: string, env: NodeJS.ProcessEnv) => {
  const child = spawn("bash", ["-c", command], { cwd: root, env, detached: true, stdio: ["ignore", "pipe", "pipe"] })
  let output = ""
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (output += text))
  started.push(child)
  return { child, output: () => output }
}

const end = async (child: ChildProcess) => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, "exit")
  process.kill(-child.pid!, "SIGTERM")
  await ended
}

const isReady = (port: number) => async () => (await fetch(`http://127.0.0.1:${port}/health/ready`)).status === 200

afterAll(async () => {
  await Promise.all(started.map(end))
  rmSync(dataDir, { recursive: true, force: true })
})

describe("the README", () => {
  it.runIf(isLive())("a process of each kind on the real servers", async () => {
    const env = envOf({ ...clusterEnv(), SLUICE_ENGINES: "cluster" })
    const lines = blockWith("--roles gateway").trim().split("\n")
    assert.lengthOf(lines, 3)
    for (const line of lines) {
      const port = await freePort()
      const { child, output } = stay(line.replace(/SLUICE_PORT=\d+/, `SLUICE_PORT=${port}`), env)
      await eventually("ready", isReady(port))
      assert.include(output(), `at http://127.0.0.1:${port}`)
      await end(child)
    }
  })

  it("has the figures of bench/results", () => {
    const [figures = ""] = /## Figures\n[\s\S]*?(?=\n## )/.exec(readme)!
    const results = ["drop", "load", "orders"]
      .map((name) => readFileSync(join(root, `bench/results/${name}.md`), "utf8"))
      .join("\n")
    const measured = new Set(results.match(/\d[\d,.]*\d/g))
    const told = [...figures.matchAll(/(\d[\d,]*)\/s|\b(0\.\d+)\b/g)].map(([, perSecond, ratio]) => (perSecond ?? ratio)!)
    assert.isAbove(told.length, 5)
    assert.deepStrictEqual(
      told.filter((figure) => !measured.has(figure)),
      []
    )
  })

  it("names every setting, and none that is not", async () => {
    const settings = readFileSync(join(root, "packages/app/src/Settings.ts"), "utf8")
    const known = new Set([...settings.matchAll(/"(SLUICE_[A-Z_]+)"/g)].map(([, name]) => name!))
    const own = [...known].filter((name) => !["SLUICE_URL", "SLUICE_CRASH_AT", "SLUICE_STACK"].includes(name))
    const told = new Set([...readme.matchAll(/SLUICE_[A-Z_]+/g)].map(([name]) => name))
    assert.deepStrictEqual(
      own.filter((name) => !told.has(name)),
      []
    )
    assert.deepStrictEqual(
      [...told].filter((name) => !known.has(name)),
      []
    )
  })
})
