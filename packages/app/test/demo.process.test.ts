/** `sluice demo`, small: it keeps its promises, says so when one is broken, and leaves nothing behind. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { fileURLToPath } from "node:url"
import { eventually } from "@sluice/testkit/processes"
import { afterAll, assert, describe, it } from "vitest"
import type { DemoReport } from "../src/demo/Demo.ts"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))
const folder = mkdtempSync(join(tmpdir(), "sluice-demo-test-"))
const started: Array<{ readonly child: ChildProcess; readonly ended: Promise<unknown> }> = []

const start = (...args: ReadonlyArray<string>) => {
  const own = mkdtempSync(join(folder, "tmp-"))
  const child = spawn(process.execPath, [main, "demo", ...args], {
    // Settings of whoever runs it have no say.
    env: { ...process.env, TMPDIR: own, NO_COLOR: "1", SLUICE_ENGINES: "cluster", SLUICE_PORT: "1" },
    stdio: ["ignore", "pipe", "pipe"]
  })
  let stdout = ""
  let stderr = ""
  child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text))
  child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text))
  const ended = once(child, "close").then(([code, signal]) => (signal ?? code) as number | NodeJS.Signals)
  const run = { child, ended, own, stdout: () => stdout, stderr: () => stderr }
  started.push(run)
  return run
}

/** Processes that have a demo's folder in their environment or as their place. */
const processesIn = (own: string) =>
  readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/environ`, "latin1").includes(`SLUICE_DATA_DIR=${own}`)
    } catch {
      return false
    }
  })

const small = ["--rows", "100000", "--users", "300", "--stock", "150", "--orders", "40"]

afterAll(async () => {
  for (const { child } of started) child.kill("SIGINT")
  await Promise.all(started.map(({ ended }) => ended))
  rmSync(folder, { recursive: true, force: true })
})

const demoFolder = (own: string) => readdirSync(own).map((name) => join(own, name))[0]

describe("sluice demo", () => {
  it("keeps every promise of all three scenarios, and leaves nothing behind", async () => {
    const run = start(...small, "--json")
    assert.strictEqual(await run.ended, 0, run.stderr())
    const report = JSON.parse(run.stdout()) as DemoReport
    assert.isTrue(report.kept)
    assert.isNull(report.folder)
    assert.deepStrictEqual([...new Set(report.promises.map(({ scenario }) => scenario))], ["bulk load", "drop", "orders"])
    const seen = report.promises.map((promise) => promise.seen).join("\n")
    assert.match(seen, /100,000 rows, 100,000 different, after a SIGKILL at \d/)
    assert.match(seen, /150 rows, serials 1 to 150, 150 different, 150 holders/)
    assert.match(seen, /40 of 40 used, 20 of 20 refused the second time/)
    assert.match(seen, /40 compared, 0 differ/)
    assert.notInclude(run.stderr(), "\u001b")
    assert.match(run.stderr(), /the server is killed by SIGKILL/)
    assert.deepStrictEqual(readdirSync(run.own), [])
    assert.deepStrictEqual(processesIn(run.own), [])
  })

  it("says so when a promise is broken, and ends with 1; --keep leaves what there is", async () => {
    const run = start(...small.slice(0, -1), "500", "--keep")
    await eventually("orders are being placed", async () => {
      const db = new DatabaseSync(join(demoFolder(run.own)!, "sluice.db"), { timeout: 5000, enableForeignKeyConstraints: false })
      try {
        const isUnderWay = Number(db.prepare("SELECT COUNT(*) AS n FROM orders").get()!.n) > 250
        // Somebody loses an order.
        if (isUnderWay) db.exec("DELETE FROM orders WHERE id = (SELECT id FROM orders ORDER BY rowid DESC LIMIT 1)")
        return isUnderWay
      } finally {
        db.close()
      }
    })
    assert.strictEqual(await run.ended, 1, run.stderr())
    assert.match(run.stdout(), /499 written of 500.* NO$/m)
    assert.match(run.stdout(), /^[1-9] of \d+ promises were BROKEN\.$/m)
    const [, kept] = /^Kept in (.+)$/m.exec(run.stdout())!
    assert.isTrue(existsSync(join(kept!, "sluice.db")))
    assert.deepStrictEqual(processesIn(run.own), [])
  })

  it("stopped in the middle, ends with 130 and leaves no process and no file", async () => {
    const run = start("--rows", "100000", "--users", "2000", "--stock", "1000", "--orders", "40")
    await eventually("the drop is under way", async () => run.stderr().includes("a campaign that admits"))
    assert.isNotEmpty(processesIn(run.own))
    run.child.kill("SIGINT")
    assert.strictEqual(await run.ended, 130)
    assert.deepStrictEqual(readdirSync(run.own), [])
    assert.deepStrictEqual(processesIn(run.own), [])
    assert.strictEqual(run.stdout(), "")
  })
})
