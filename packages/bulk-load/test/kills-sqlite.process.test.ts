/** A loader into a SQLite file that dies at each named point and is started again: every row and every reject exactly once. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "vitest"

const program = fileURLToPath(new URL("./loadOnceSqlite.ts", import.meta.url))
const sourceRows = 20_000
/** Of the source's rows, one value is not a number and one email is there twice. */
const bad = [7_000, 15_000]

const run = async (args: ReadonlyArray<string>, crashAt?: string) => {
  const child = spawn(process.execPath, [program, ...args], {
    env: { PATH: process.env.PATH, ...(crashAt === undefined ? {} : { SLUICE_CRASH_AT: crashAt }) },
    stdio: ["ignore", "pipe", "pipe"]
  })
  let output = ""
  let errors = ""
  child.stdout.on("data", (text) => (output += text))
  child.stderr.on("data", (text) => (errors += text))
  const [code, signal] = await once(child, "close")
  return { end: signal ?? code, output, errors }
}

describe("a loader into SQLite that dies", () => {
  for (const kills of [
    ["load.begun"],
    ["load.sent:3"],
    ["load.recorded:2", "load.recorded:1"],
    ["load.committed:2", "load.committed:1"]
  ]) {
    it(`at ${kills.join(", then ")}`, async () => {
      const folder = mkdtempSync(join(tmpdir(), "sluice-kills-"))
      try {
        const [database, file, rejects] = ["people.db", "people.csv", "rejects.ndjson"].map((name) => join(folder, name)) as [
          string,
          string,
          string
        ]
        const lines = Array.from({ length: sourceRows }, (_, i) =>
          i === bad[0] ? `n${i},${i}@x,old` : `n${i},${i === bad[1] ? 3 : i}@x,1`
        )
        writeFileSync(file, `name,email,age\n${lines.join("\n")}\n`)
        const created = new DatabaseSync(database)
        created.exec("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE, age INTEGER)")
        created.close()
        for (const crashAt of kills) {
          const killed = await run([database, file, rejects], crashAt)
          assert.strictEqual(killed.end, "SIGKILL", `${crashAt} was never reached: ${killed.errors}`)
        }
        const last = await run([database, file, rejects])
        assert.strictEqual(last.end, 0, last.errors)
        const summary = JSON.parse(last.output)
        assert.deepStrictEqual([summary.rows, summary.rejects, summary.verification.outcome], [sourceRows - 2, 2, "equal"])
        const looked = new DatabaseSync(database)
        const held = looked.prepare("SELECT name, email FROM people ORDER BY id").all()
        looked.close()
        const expected = Array.from({ length: sourceRows }, (_, n) => n).filter((n) => !bad.includes(n))
        assert.deepStrictEqual(
          held.map(({ email, name }) => `${name} ${email}`),
          expected.map((n) => `n${n} ${n}@x`)
        )
        const written = readFileSync(rejects, "utf8").trim().split("\n")
        assert.deepStrictEqual(
          written.map((line) => JSON.parse(line).line),
          bad.map((n) => n + 2)
        )
      } finally {
        rmSync(folder, { recursive: true })
      }
    })
  }
})
