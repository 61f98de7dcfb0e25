/** What a start keeps for the next one makes it faster, and never different. */
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { eventually, freePort, startSluice } from "@sluice/testkit/processes"
import { assert, describe, it } from "vitest"

const root = fileURLToPath(new URL("../../..", import.meta.url))
const kept = join(root, "node_modules/.cache/sluice/imports-dlq.json")

const help = () => {
  const file = join(root, "packages/app/bin/sluice.mjs")
  const { status, stderr, stdout } = spawnSync(process.execPath, [file, "dlq", "--help"], { encoding: "utf8" })
  assert.deepStrictEqual([status, stderr], [0, ""])
  return stdout
}

describe("starting again", () => {
  it("gives the same with and without what was kept, broken, or of another installation, and mends it", () => {
    rmSync(kept, { force: true })
    const first = help()
    const good = JSON.parse(readFileSync(kept, "utf8"))
    assert.strictEqual(help(), first)
    for (const bad of ["{", "[]", JSON.stringify({ ...good, stamp: "another" }), JSON.stringify({ stamp: good.stamp })]) {
      writeFileSync(kept, bad)
      assert.strictEqual(help(), first)
      assert.deepStrictEqual(Object.keys(JSON.parse(readFileSync(kept, "utf8")).imports).sort(), Object.keys(good.imports).sort())
    }
    const { mtimeMs } = statSync(kept)
    help()
    assert.strictEqual(statSync(kept).mtimeMs, mtimeMs, "nothing new is found out, and nothing written")
  })

  it("a module of the user's own is found where it is, each time", () => {
    const folder = mkdtempSync(join(tmpdir(), "sluice-start-"))
    try {
      for (const rows of [3, 5]) {
        writeFileSync(
          join(folder, "rows.mjs"),
          `export default { columns: ["a"], row: () => { throw new Error("made ${rows}") } }`
        )
        const { stderr } = spawnSync(
          process.execPath,
          [
            join(root, "packages/app/bin/sluice.mjs"),
            "load",
            "t",
            "--generate",
            "./rows.mjs",
            "--rows",
            "1",
            "--database",
            "none.db"
          ],
          { cwd: folder, encoding: "utf8" }
        )
        assert.include(stderr, "none.db")
      }
      assert.notInclude(readFileSync(kept.replace("dlq", "load"), "utf8"), "rows.mjs")
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe("told to stop by way of npm", () => {
  for (const [command, args] of [
    ["npm", ["start"]],
    ["npx", ["sluice", "serve"]]
  ] as const) {
    it(`${command} ${args.join(" ")} ends, and what it started with it`, async () => {
      const folder = mkdtempSync(join(tmpdir(), "sluice-start-"))
      const port = await freePort()
      const env = { ...process.env, SLUICE_PORT: String(port), SLUICE_DATA_DIR: folder, SLUICE_ENGINES: "embedded" }
      const live = async () => (await fetch(`http://127.0.0.1:${port}/health/live`)).status === 200
      // A group of its own, so that nothing is left of a test that fails.
      const child = spawn(command, args, { cwd: root, env, stdio: "ignore", detached: true })
      const ended = once(child, "exit")
      try {
        await eventually("it serves", live, 60_000)
        child.kill("SIGTERM")
        await ended
        await eventually(
          "nothing serves any more",
          () =>
            live().then(
              (isLive) => !isLive,
              () => true
            ),
          15_000
        )
        await eventually("its data is free for the next one", async () => {
          const next = await startSluice({ args: ["serve"], env: { SLUICE_DATA_DIR: folder } })
          return (await next.kill("SIGTERM")) === 0
        })
      } finally {
        try {
          process.kill(-child.pid!, "SIGKILL")
        } catch {}
        rmSync(folder, { recursive: true, force: true })
      }
    })
  }
})
