import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { request } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { fileURLToPath } from "node:url"
import { type Database, freshDatabase } from "@sluice/testkit/database"
import { clusterEnv, liveUrl, whenLive } from "@sluice/testkit/live"
import { adminKey, call, eventually, freePort, startSluice, stopAll } from "@sluice/testkit/processes"
import mysql from "mysql2/promise"
import { afterAll, afterEach, assert, beforeAll, describe, it } from "vitest"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))
const folder = mkdtempSync(join(tmpdir(), "sluice-load-e2e-"))
afterAll(() => rmSync(folder, { recursive: true }))
afterEach(stopAll)

const clean = () => Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("SLUICE_")))

/** `sluice load` as a process; `input` goes to its standard input. */
const sluiceLoad = (env: Record<string, string>, args: ReadonlyArray<string>, input?: string) => {
  const child = spawn(process.execPath, [main, "load", ...args], { env: { ...clean(), NO_COLOR: "1", ...env } })
  const said = { out: "", err: "" }
  child.stdout.setEncoding("utf8").on("data", (text: string) => (said.out += text))
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said.err += text))
  child.stdin.on("error", () => {})
  child.stdin.end(input)
  const ended = once(child, "close").then(([code, signal]) => (signal ?? code) as number | NodeJS.Signals)
  return { child, said, ended }
}

const rowsCsv = (count: number) => `name,n\n${Array.from({ length: count }, (_, i) => `row number ${i},${i % 100}`).join("\n")}\n`

/** Sends the body piece by piece, as a slow client does; what comes back is not awaited. */
const slowUpload = (url: string, body: string, pieceBytes: number, everyMs: number) => {
  const sending = request(url, { method: "POST", headers: { authorization: `Bearer ${adminKey}`, "content-type": "text/csv" } })
  sending.on("error", () => {})
  sending.on("response", (answer) => answer.resume())
  let at = 0
  const timer = setInterval(() => {
    if (at >= body.length) {
      clearInterval(timer)
      sending.end()
    } else {
      sending.write(body.slice(at, at + pieceBytes))
      at += pieceBytes
    }
  }, everyMs)
  return () => {
    clearInterval(timer)
    sending.destroy()
  }
}

const upload = (url: string, body: string) =>
  fetch(url, { method: "POST", body, headers: { authorization: `Bearer ${adminKey}`, "content-type": "text/csv" } })

interface Load {
  readonly state: string
  readonly rows: number
}

const loadOf = async (url: string, job: string) => (await call<Load>(`${url}/loads/${job}`, "GET", undefined, true)).body

describe("uploads to a server on the embedded engines", () => {
  it("killed under one, it says interrupted, and the same body again leaves each row once", async () => {
    const port = await freePort()
    const dataDir = mkdtempSync(join(folder, "data-"))
    const env = { SLUICE_DATA_DIR: dataDir }
    const first = await startSluice({ port, env })
    const db = new DatabaseSync(join(dataDir, "sluice.db"), { timeout: 10_000 })
    db.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL, n INT)")
    const count = 60_000
    const body = rowsCsv(count)
    const address = `${first.url}/loads?table=t&job=big`
    const giveUp = slowUpload(address, body, 40_000, 30)
    await eventually("some rows", async () => (await loadOf(first.url, "big")).rows > 0)
    await first.kill("SIGKILL")
    giveUp()
    const second = await startSluice({ port, env })
    const left = await loadOf(second.url, "big")
    assert.strictEqual(left.state, "interrupted")
    assert.isAbove(left.rows, 0)
    assert.isBelow(left.rows, count)
    const busy = sluiceLoad(env, ["t", "-"], "name\nx\n")
    assert.strictEqual(await busy.ended, 2)
    assert.match(busy.said.err, /another Sluice runs on it/)
    assert.strictEqual((await upload(address, body)).status, 202)
    await eventually("done", async () => (await loadOf(second.url, "big")).state === "done")
    const counted = db.prepare("SELECT COUNT(*) AS n, COUNT(DISTINCT name) AS d FROM t").get()
    assert.deepStrictEqual({ ...counted }, { n: count, d: count })
    db.close()
  })
})

await whenLive(
  () =>
    void describe("sluice load into MariaDB", () => {
      let database: Database
      let connection: mysql.Connection
      let env: Record<string, string>
      const query = async (sql: string) => (await connection.query(sql))[0] as Array<Record<string, unknown>>

      beforeAll(async () => {
        database = await freshDatabase(liveUrl("SLUICE_MARIADB_URL"))
        connection = await mysql.createConnection({ uri: database.url, charset: "utf8mb4" })
        env = { SLUICE_MARIADB_URL: database.url }
      })
      afterAll(async () => {
        await connection.end()
        await database.drop()
      })

      const table = async (name: string) => {
        await query(`CREATE TABLE ${name} (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, name VARCHAR(40) NOT NULL, n TINYINT)`)
      }

      it("lands a hostile CSV to the letter with exactly the bad rows set aside, which go in once they are mended", async () => {
        await table("hostile")
        const file = join(folder, "hostile.csv")
        const rows = ["tab\tand\\slash", 'quo""te', "line\nbreak", "語 and 🙂", "\\N", "NULL", "", " spaces "]
        const bad = [Buffer.from("\xff,1\n", "latin1"), Buffer.from(`${"x".repeat(41)},1\nover,128\nmany,1,2\nfew\n`)]
        writeFileSync(
          file,
          Buffer.concat([
            Buffer.from("\ufeffname,n\r\n"),
            ...bad,
            Buffer.from(rows.map((row, i) => `"${row}",${i}`).join("\r\n"))
          ])
        )
        const rejects = join(folder, "hostile.rejects")
        const { ended, said } = sluiceLoad(env, ["hostile", file, "--max-rejects", "5", "--rejects", rejects])
        assert.strictEqual(await ended, 0, said.err)
        assert.deepStrictEqual(
          (await query("SELECT name, n FROM hostile ORDER BY id")).map(({ n, name }) => [name, n]),
          rows.map((row, i) => [row.replace('""', '"'), i])
        )
        const lines = readFileSync(rejects, "utf8").trim().split("\n")
        assert.deepStrictEqual(
          lines.map((line) => JSON.parse(line).line),
          [2, 3, 4, 5, 6]
        )
        writeFileSync(rejects, lines.map((line) => JSON.stringify({ ...JSON.parse(line), raw: "mended,7" })).join("\n"))
        for (const _ of [1, 2]) {
          const again = sluiceLoad(env, ["redrive", rejects])
          assert.strictEqual(await again.ended, 0, again.said.err)
        }
        assert.deepStrictEqual(await query("SELECT COUNT(*) AS n FROM hostile WHERE name = 'mended' AND n = 7"), [{ n: 5 }])
      })

      it("killed three times and started again, every row is there once", async () => {
        await table("killed")
        const count = 400_000
        const file = join(folder, "killed.csv")
        writeFileSync(file, rowsCsv(count))
        const args = ["killed", file, "--chunk-rows", "20000", "--limit-rows-per-second", "200000"]
        for (const reached of [20_000, 100_000, 200_000]) {
          const running = sluiceLoad(env, args)
          await eventually(`${reached} rows`, async () => {
            const [{ n } = { n: 0 }] = await query(
              "SELECT COALESCE(SUM(row_count), 0) AS n FROM sluice_load_chunks WHERE job LIKE 'killed:%'"
            )
            return Number(n) >= reached
          })
          running.child.kill("SIGKILL")
          assert.strictEqual(await running.ended, "SIGKILL", running.said.err)
        }
        const last = sluiceLoad(env, args)
        assert.strictEqual(await last.ended, 0, last.said.err)
        assert.match(last.said.out, /^verification +equal: count and checksum of 400,000 rows$/m)
        assert.deepStrictEqual(await query("SELECT COUNT(*) AS n, COUNT(DISTINCT name) AS d FROM killed"), [
          { n: count, d: count }
        ])
      })

      it("finishes its chunk at Ctrl-C, says how to go on, and goes on; tells programs by events and nobody the password", async () => {
        await table("stopped")
        const args = ["stopped", "--generate", "people", "--rows", "1000"]
        const wrong = sluiceLoad(env, args)
        assert.strictEqual(await wrong.ended, 2)
        assert.match(wrong.said.err, /no column "email"/)
        await query(
          "CREATE TABLE people (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, name VARCHAR(100) NOT NULL, email VARCHAR(190) NOT NULL, age INT NOT NULL, created_at DATETIME NOT NULL)"
        )
        const many = ["people", "--generate", "people", "--rows", "200000", "--chunk-rows", "10000"]
        const slow = sluiceLoad(env, [...many, "--limit-rows-per-second", "20000", "--json"])
        await eventually("rows", async () => (await query("SELECT 1 FROM people LIMIT 1")).length > 0)
        slow.child.kill("SIGINT")
        assert.strictEqual(await slow.ended, 1, slow.said.err)
        assert.match(slow.said.err, /stopped; to go on: the same command again/)
        const events = slow.said.out
          .trim()
          .split("\n")
          .map((text) => JSON.parse(text))
        assert.deepStrictEqual([events[0].event, events.at(-1).event, events.at(-1).state], ["started", "summary", "stopped"])
        const twice = sluiceLoad(env, [...many, "--limit-rows-per-second", "1000"])
        await eventually("that it goes on", async () => {
          const [job] = await query("SELECT state FROM sluice_loads WHERE table_name = 'people'")
          return job!.state === "running"
        })
        twice.child.kill("SIGINT")
        await eventually("that it heard", async () => /once more to stop at once/.test(twice.said.err))
        twice.child.kill("SIGINT")
        assert.strictEqual(await twice.ended, 130, twice.said.err)
        assert.match(twice.said.err, /stopped at once; to go on: the same command again/)
        const kept = Number((await query("SELECT COUNT(*) AS n FROM people"))[0]!.n)
        assert.isAtLeast(kept, events.at(-1).rows)
        const rest = sluiceLoad(env, [...many, "--json"])
        assert.strictEqual(await rest.ended, 0, rest.said.err)
        const summary = JSON.parse(rest.said.out.trim().split("\n").at(-1)!)
        assert.deepInclude(summary, { state: "done", rows: 200_000, loadedRows: 200_000 - kept })
        assert.deepStrictEqual(await query("SELECT COUNT(DISTINCT email) AS n FROM people"), [{ n: 200_000 }])
        const { password } = new URL(database.url)
        for (const { said } of [slow, rest, wrong]) assert.notInclude(said.out + said.err, password)
      })

      it("takes rows by a pipe, looks only with --dry-run, and never begins with what it can't finish", async () => {
        await table("piped")
        const dry = sluiceLoad(env, ["piped", "-", "--dry-run"], rowsCsv(1000))
        assert.strictEqual(await dry.ended, 0, dry.said.err)
        assert.deepStrictEqual(await query("SELECT COUNT(*) AS n FROM piped"), [{ n: 0 }])
        const piped = sluiceLoad(env, ["piped", "--job", "piped-1"], rowsCsv(1000))
        assert.strictEqual(await piped.ended, 0, piped.said.err)
        assert.deepStrictEqual(await query("SELECT COUNT(*) AS n FROM piped"), [{ n: 1000 }])
        const secret = "marked-secret-0815"
        const away = sluiceLoad(
          { SLUICE_MARIADB_URL: `mysql://u:${secret}@127.0.0.1:${await freePort()}/x` },
          ["piped"],
          "name\na\n"
        )
        assert.strictEqual(await away.ended, 1)
        assert.match(away.said.err, /ECONNREFUSED/)
        assert.notInclude(away.said.out + away.said.err, secret)
      })

      it("starts without what it does not need: no server, no other driver", async () => {
        await table("lean")
        const hook = `import { registerHooks } from "node:module"
        const seen = new Set()
        registerHooks({ load: (url, context, next) => (seen.add(/node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(url)?.[1] ?? url), next(url, context)) })
        process.on("exit", () => console.error("seen " + JSON.stringify([...seen])))`
        const NODE_OPTIONS = `--import=data:text/javascript;base64,${Buffer.from(hook).toString("base64")}`
        const { ended, said } = sluiceLoad({ ...env, NODE_OPTIONS }, ["lean"], "name\na\n")
        assert.strictEqual(await ended, 0, said.err)
        const seen: ReadonlyArray<string> = JSON.parse(/^seen (.*)$/m.exec(said.err)![1]!)
        assert.include(seen, "mysql2")
        for (const name of ["kafkajs", "mongodb", "ioredis", "undici", "jose"]) assert.notInclude(seen, name)
        assert.deepStrictEqual(
          seen.filter((url) => url.includes("/http/") || url.endsWith("/Sqlite.ts")),
          []
        )
      })

      it("by upload to a server of the cluster: cancelled through another process, and gone on with", async () => {
        const cluster = { ...clusterEnv(), SLUICE_MARIADB_URL: database.url, SLUICE_DATA_DIR: mkdtempSync(join(folder, "data-")) }
        const [one, other] = await Promise.all([startSluice({ env: cluster }), startSluice({ env: cluster })])
        await table("uploaded")
        const count = 100_000
        const body = rowsCsv(count)
        const address = `${one.url}/loads?table=uploaded&job=up`
        const giveUp = slowUpload(address, body, 40_000, 20)
        await eventually("some rows", async () => (await loadOf(other.url, "up")).rows > 0)
        assert.strictEqual((await loadOf(other.url, "up")).state, "running")
        assert.strictEqual((await upload(address.replace(one.url, other.url), body)).status, 409)
        assert.strictEqual((await call(`${other.url}/loads/up`, "DELETE", undefined, true)).status, 204)
        await eventually("cancelled", async () => (await loadOf(other.url, "up")).state === "cancelled")
        giveUp()
        assert.strictEqual((await upload(address.replace(one.url, other.url), body)).status, 202)
        await eventually("done", async () => (await loadOf(one.url, "up")).state === "done")
        assert.deepStrictEqual(await query("SELECT COUNT(*) AS n, COUNT(DISTINCT name) AS d FROM uploaded"), [
          { n: count, d: count }
        ])
      })
    })
)
