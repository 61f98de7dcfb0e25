import { spawnSync } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "vitest"

const consoleFolder = fileURLToPath(new URL("../../console/", import.meta.url))
const served = join(consoleFolder, "public")
const vite = join(dirname(createRequire(import.meta.url).resolve("vite/package.json")), "bin/vite.js")

describe("the built console", () => {
  it("is what its sources give: else run `npm run build -w packages/console`", () => {
    const outDir = mkdtempSync(join(tmpdir(), "sluice-console-build-"))
    try {
      const { status, stderr } = spawnSync(process.execPath, [vite, "build", "--outDir", outDir], {
        cwd: consoleFolder,
        env: { ...process.env, NODE_ENV: "production" },
        encoding: "utf8"
      })
      assert.strictEqual(status, 0, stderr)
      const files = readdirSync(outDir).sort()
      assert.deepStrictEqual(files, ["console.css", "console.js"])
      for (const file of files) {
        assert.isTrue(
          readFileSync(join(outDir, file)).equals(readFileSync(join(served, file))),
          `${file} is not of these sources`
        )
      }
    } finally {
      rmSync(outDir, { recursive: true, force: true })
    }
  })

  it("is less than 120 KB in all", () => {
    const bytes = ["index.html", "console.js", "console.css", "favicon.svg"].map((file) => statSync(join(served, file)).size)
    assert.isBelow(
      bytes.reduce((sum, size) => sum + size, 0),
      120_000
    )
  })

  it("brings nothing in from elsewhere", () => {
    const addresses = readFileSync(join(served, "console.js"), "utf8").match(/https?:\/\/[^"'`\s]+/g) ?? []
    assert.deepStrictEqual(
      addresses.filter((address) => !address.startsWith("http://www.w3.org/")),
      []
    )
  })
})
