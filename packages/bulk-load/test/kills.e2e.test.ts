/** A loader that dies at each named point and is started again: every row and every reject of the source exactly once. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { type Database, freshDatabase } from "@sluice/testkit/database"
import { liveUrl, whenLive } from "@sluice/testkit/live"
import mysql from "mysql2/promise"
import { afterAll, assert, beforeAll, describe, it } from "vitest"

const program = fileURLToPath(new URL("./loadOnce.ts", import.meta.url))
const sourceRows = 20_000
/** Of the source's rows, one value is not a number and one email is there twice. */
const bad = [7_000, 15_000]

await whenLive(() => {
  describe("a loader that dies", () => {
    let database: Database
    let connection: mysql.Connection
    const folder = mkdtempSync(join(tmpdir(), "sluice-kills-"))
    const file = join(folder, "people.csv")
    const given = join(folder, "given.csv")

    beforeAll(async () => {
      database = await freshDatabase(liveUrl("SLUICE_MARIADB_URL"))
      connection = await mysql.createConnection({ uri: database.url })
      const lines = Array.from({ length: sourceRows }, (_, i) =>
        i === bad[0] ? `n${i},${i}@x,old` : `n${i},${i === bad[1] ? 3 : i}@x,1`
      )
      writeFileSync(file, `name,email,age\n${lines.join("\n")}\n`)
      writeFileSync(given, `id,name,email,age\n${lines.map((line, i) => `${i + 1},${line}`).join("\n")}\n`)
    })

    afterAll(async () => {
      await connection.end()
      await database.drop()
      rmSync(folder, { recursive: true })
    })

    const run = async (table: string, crashAt?: string, source = file) => {
      const child = spawn(process.execPath, [program, source, table, table, "4000", "2", join(folder, table)], {
        env: {
          PATH: process.env.PATH,
          SLUICE_MARIADB_URL: database.url,
          ...(crashAt === undefined ? {} : { SLUICE_CRASH_AT: crashAt })
        },
        stdio: ["ignore", "pipe", "pipe"]
      })
      let output = ""
      let errors = ""
      child.stdout.on("data", (text) => (output += text))
      child.stderr.on("data", (text) => (errors += text))
      const [code, signal] = await once(child, "close")
      return { end: signal ?? code, output, errors }
    }

    const points = ["load.begun", "load.sent", "load.recorded", "load.committed"].flatMap((point) =>
      point === "load.begun" ? [[point]] : [[`${point}:1`], [`${point}:3`], [`${point}:2`, `${point}:1`, `${point}:1`]]
    )

    for (const [i, kills] of points.entries()) {
      it(`at ${kills.join(", then ")}`, async () => {
        const table = `people_${i}`
        await connection.query(
          `CREATE TABLE ${table} (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20) NOT NULL, email VARCHAR(60) NOT NULL,
            age INTEGER, UNIQUE one_email (email))`
        )
        for (const crashAt of kills)
          assert.strictEqual((await run(table, crashAt)).end, "SIGKILL", `${crashAt} was never reached`)
        const last = await run(table)
        assert.strictEqual(last.end, 0, last.errors)
        const { rejects, rows, verification } = JSON.parse(last.output)
        assert.deepStrictEqual([rows, rejects, verification.outcome], [sourceRows - 2, 2, "equal"])
        const [held] = await connection.query(`SELECT name, email FROM ${table} ORDER BY id`)
        const expected = Array.from({ length: sourceRows }, (_, n) => n).filter((n) => !bad.includes(n))
        assert.deepStrictEqual(
          (held as Array<{ name: string; email: string }>).map(({ email, name }) => `${name} ${email}`),
          expected.map((n) => `n${n} ${n}@x`)
        )
        const written = readFileSync(join(folder, table), "utf8").trim().split("\n")
        assert.deepStrictEqual(
          written.map((line) => JSON.parse(line).line),
          bad.map((n) => n + 2)
        )
      })
    }

    // Two chunks are stored at once where the rows bring their ids: whoever is ahead must not be there alone. How many are left after a kill
    // is up to the race; one is in any case.
    for (const [i, kills] of [
      ["load.sent:2"],
      ["load.sent:4", "load.sent:1"],
      ["load.recorded:2", "load.recorded:1"],
      ["load.committed:3", "load.committed:1"]
    ].entries()) {
      it(`at ${kills.join(", then ")}, with two connections at once`, async () => {
        const table = `given_${i}`
        await connection.query(
          `CREATE TABLE ${table} (id BIGINT NOT NULL PRIMARY KEY, name VARCHAR(20) NOT NULL, email VARCHAR(60) NOT NULL, age INTEGER,
            UNIQUE one_email (email))`
        )
        for (const crashAt of kills) {
          assert.strictEqual((await run(table, crashAt, given)).end, "SIGKILL", `${crashAt} was never reached`)
          const [[held]] = (await connection.query(`SELECT COUNT(*) AS n, MAX(id) AS last FROM ${table}`)) as unknown as [
            [{ n: number; last: number | null }]
          ]
          const missing = bad.filter((n) => n < (held.last ?? 0)).length
          assert.strictEqual(
            held.n,
            (held.last ?? 0) - missing,
            "rows of a later chunk were kept without those of an earlier one"
          )
        }
        const last = await run(table, undefined, given)
        assert.strictEqual(last.end, 0, last.errors)
        assert.deepInclude(JSON.parse(last.output), { rows: sourceRows - 2, rejects: 2 })
        const [held] = await connection.query(`SELECT id FROM ${table} ORDER BY id`)
        assert.deepStrictEqual(
          (held as Array<{ id: number }>).map(({ id }) => id - 1),
          Array.from({ length: sourceRows }, (_, n) => n).filter((n) => !bad.includes(n))
        )
      })
    }
  })
})
