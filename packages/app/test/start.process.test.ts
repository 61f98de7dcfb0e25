/** What a start keeps for the next one makes it faster, and never different. */
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
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
