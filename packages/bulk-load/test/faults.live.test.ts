/** What goes wrong between a loader and MariaDB, and what is in the table afterwards. */
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { connect, createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Database, freshDatabase } from "@sluice/testkit/database"
import { liveUrl, whenLive } from "@sluice/testkit/live"
import { proxyOf } from "@sluice/testkit/proxy"
import { Effect, Redacted } from "effect"
import mysql from "mysql2/promise"
import { afterAll, afterEach, assert, beforeAll, beforeEach, describe, it } from "vitest"
import { BulkLoader, LoadTarget, LoadTargetMariaDb, TextSource } from "../src/index.ts"

/** Between the loader and the server; `onRequest` sees what the loader sends, and may say `cut` instead of passing it on. */
const proxy = async (url: URL, on: { request?: (bytes: Buffer, cut: () => void) => void; hold?: (bytes: Buffer) => boolean }) => {
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(Number(url.port), url.hostname)
    const cut = () => {
      client.destroy()
      upstream.destroy()
    }
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on("error", cut).on("close", cut)
    }
    let isHeld = false
    client.on("data", (bytes) => {
      if (on.hold?.(bytes) === true) isHeld = true
      on.request?.(bytes, cut)
      upstream.write(bytes)
    })
    upstream.on("data", (bytes) => {
      // The server has answered: what it was told has happened, and nobody hears of it.
      if (isHeld) cut()
      else client.write(bytes)
    })
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  const through = new URL(url)
  through.port = String((server.address() as { readonly port: number }).port)
  return {
    url: through.href,
    close: () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    }
  }
}

const isCommit = (bytes: Buffer) => bytes.length === 11 && bytes.toString("latin1", 5) === "COMMIT"

await whenLive(() => {
  describe("faults on the way to MariaDB", () => {
    let database: Database
    let connection: mysql.Connection
    let folder: string
    const closing: Array<() => void> = []

    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), "sluice-faults-"))
    })
    afterAll(() => rmSync(folder, { recursive: true }))
    beforeEach(async () => {
      database = await freshDatabase(liveUrl("SLUICE_MARIADB_URL"))
      connection = await mysql.createConnection({ uri: database.url })
      await connection.query(
        "CREATE TABLE people (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20) NOT NULL, age INTEGER)"
      )
      await connection.query("CREATE TABLE given (id BIGINT NOT NULL PRIMARY KEY, name VARCHAR(20) NOT NULL)")
    })
    afterEach(async () => {
      for (const close of closing.splice(0)) close()
      await connection.end()
      await database.drop()
    })

    const csv = (name: string, header: string, rows: number, line: (i: number) => string) => {
      const path = join(folder, name)
      writeFileSync(path, `${header}\n${Array.from({ length: rows }, (_, i) => line(i)).join("\n")}\n`)
      return path
    }
    const load = (path: string, url: string, options: Partial<BulkLoader.LoadOptions> = {}, inserts = true) =>
      TextSource.fromFile(path, TextSource.formatOf(path)).pipe(
        Effect.flatMap((source) => BulkLoader.load(source, { table: "people", job: "job", chunkRows: 4095, ...options })),
        Effect.provide(LoadTargetMariaDb.layer(Redacted.make(url), { inserts }))
      )
    const distinct = async (table: string) => {
      const [rows] = await connection.query(`SELECT COUNT(*) AS n, COUNT(DISTINCT name) AS names FROM ${table}`)
      const [{ n, names }] = rows as [{ n: number; names: number }]
      return [n, names]
    }

    /** Ends whoever is in such a statement, again and again; what comes back stops it, and says how often it happened. */
    const endConnections = (statement: string, most: number) => {
      let ended = 0
      let isOver = false
      const ending = (async () => {
        while (!isOver && ended < most) {
          const [rows] = await connection.query(
            "SELECT ID AS id FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID <> CONNECTION_ID() AND INFO LIKE ?",
            [`${statement}%`]
          )
          for (const { id } of rows as Array<{ id: number }>) {
            await connection.query(`KILL CONNECTION ${id}`).then(
              () => ended++,
              () => {}
            )
          }
        }
      })()
      return async () => {
        isOver = true
        await ending
        return ended
      }
    }

    for (const table of ["people", "given"]) {
      it(`the answer to COMMIT is lost: the ledger tells, and each row is there once (${table})`, async () => {
        const path = csv(`${table}.csv`, "id,name", 20_000, (i) => `${i + 1},n${i}`)
        let commits = 0
        let cuts = 0
        const between = await proxy(new URL(database.url), {
          hold: (bytes) => isCommit(bytes) && [2, 4].includes(++commits) && ++cuts > 0
        })
        closing.push(between.close)
        const source = table === "given" ? path : csv("named.csv", "name", 20_000, (i) => `n${i}`)
        const summary = await Effect.runPromise(load(source, between.url, { table }))
        assert.strictEqual(cuts, 2)
        assert.deepInclude(summary, { state: "done", rows: 20_000, loadedRows: 20_000 })
        assert.deepStrictEqual(summary.verification, { outcome: "equal", rows: 20_000, leftOut: [] })
        assert.deepStrictEqual(await distinct(table), [20_000, 20_000])
      })
    }

    it("COMMIT never arrives: the chunk is loaded again, once", async () => {
      const path = csv("people.csv", "name,age", 20_000, (i) => `n${i},1`)
      let commits = 0
      const between = await proxy(new URL(database.url), {
        request: (bytes, cut) => isCommit(bytes) && ++commits === 2 && cut()
      })
      closing.push(between.close)
      const summary = await Effect.runPromise(load(path, between.url))
      assert.deepInclude(summary, { state: "done", rows: 20_000 })
      assert.deepStrictEqual(await distinct("people"), [20_000, 20_000])
    })

    for (const statement of ["INSERT INTO `people`", "LOAD DATA"]) {
      it(`an administrator ends the loader's connections in ${statement}: it goes on by itself`, async () => {
        const path = csv("people.csv", "name,age", 120_000, (i) => `n${i},1`)
        const ending = endConnections(statement, 2)
        const summary = await Effect.runPromise(load(path, database.url, { chunkRows: 16_000 }, statement !== "LOAD DATA"))
        assert.isAbove(await ending(), 0)
        assert.deepInclude(summary, { state: "done", rows: 120_000 })
        assert.deepStrictEqual(await distinct("people"), [120_000, 120_000])
      })
    }

    it("rows are inserted in bulk, and loaded only where some of a chunk are refused", async () => {
      await connection.query("ALTER TABLE people ADD UNIQUE one_name (name)")
      let loads = 0
      const between = await proxy(new URL(database.url), {
        request: (bytes) => {
          if (bytes.includes("LOAD DATA LOCAL")) loads++
        }
      })
      closing.push(between.close)
      const clean = csv("clean.csv", "age,name", 20_000, (i) => `1,n${i}`)
      assert.deepInclude(await Effect.runPromise(load(clean, between.url)), { state: "done", rows: 20_000, firstId: 1 })
      assert.strictEqual(loads, 0)
      const twice = csv("twice.csv", "name,age", 20_000, (i) => `m${i === 9000 ? 1 : i},1`)
      const summary = await Effect.runPromise(load(twice, between.url, { job: "twice", maxRejects: 1 }))
      assert.deepInclude(summary, { state: "done", rows: 19_999, rejects: 1 })
      assert.isAbove(loads, 0)
      assert.deepStrictEqual(await distinct("people"), [39_999, 39_999])
    })

    it("others get ids in between: what the ledger says of ids holds, and all rows are verified", async () => {
      const path = csv("people.csv", "name,age", 150_000, (i) => `n${i},1`)
      let isOver = false
      const other = await mysql.createConnection({ uri: database.url })
      const insert = () => other.query("INSERT INTO people (name) VALUES ('other'), ('other')")
      await insert()
      const inserting = (async () => {
        while (!isOver) await insert()
        await other.end()
      })()
      const summary = await Effect.runPromise(load(path, database.url, { chunkRows: 16_000 }))
      isOver = true
      await inserting
      assert.deepInclude(summary, { state: "done", rows: 150_000 })
      assert.deepStrictEqual(summary.verification, { outcome: "equal", rows: 150_000, leftOut: [] })
      const [chunks] = await connection.query(
        `SELECT c.chunk, c.row_count, c.last_id - c.first_id + 1 AS ids, SUM(p.name LIKE 'n%') AS ours, COUNT(p.id) AS held
         FROM sluice_load_chunks c LEFT JOIN people p ON p.id BETWEEN c.first_id AND c.last_id GROUP BY c.chunk`
      )
      const numbers = (chunks as Array<Record<string, unknown>>).map(({ held, ids, ours, row_count }) =>
        [ids, ours, held].map((n) => Number(n) - Number(row_count))
      )
      assert.deepStrictEqual(
        numbers.filter((differences) => differences.some((n) => n !== 0)),
        []
      )
    })

    it("rows that no packet can hold are loaded", async () => {
      await connection.query("CREATE TABLE large (id INT AUTO_INCREMENT PRIMARY KEY, c LONGBLOB)")
      const path = csv("large.csv", "c", 5, (i) => String(i).repeat(i % 2 === 0 ? 10 : 9_000_000))
      const summary = await Effect.runPromise(load(path, database.url, { table: "large" }))
      assert.deepInclude(summary, { state: "done", rows: 5 })
      // Their digits are more than the server makes a text of.
      assert.deepStrictEqual(summary.verification, { outcome: "equal", rows: 1, leftOut: [] })
      const [held] = await connection.query("SELECT LENGTH(c) AS n FROM large ORDER BY id")
      assert.deepStrictEqual(
        (held as Array<{ n: number }>).map(({ n }) => n),
        [10, 9_000_000, 10, 9_000_000, 10]
      )
    })

    it("the connection that verifies is ended, between questions and during one: it is asked again", async () => {
      const path = csv("people.csv", "name,age", 40_000, (i) => `n${i},1`)
      const ending = endConnections("SELECT COUNT(*) AS n", 3)
      const summary = await Effect.runPromise(load(path, database.url, { chunkRows: 2000 }))
      assert.isAbove(await ending(), 0)
      assert.deepInclude(summary, { state: "done", rows: 40_000 })
      assert.deepStrictEqual(summary.verification, { outcome: "equal", rows: 40_000, leftOut: [] })
    })

    it("a job that is cancelled from elsewhere ends after its chunk and goes on when it is started again", async () => {
      const path = csv("people.csv", "name,age", 40_000, (i) => `n${i},1`)
      const cancel = Effect.flatMap(LoadTarget, (target) => target.cancel("job")).pipe(
        Effect.provide(LoadTargetMariaDb.layer(Redacted.make(database.url)))
      )
      const cancelling = async () => {
        while (!(await Effect.runPromise(Effect.orElseSucceed(cancel, () => false))))
          await new Promise((done) => setTimeout(done, 5))
      }
      const [first] = await Promise.all([
        Effect.runPromise(load(path, database.url, { chunkRows: 2000, limitRowsPerSecond: 20_000 })),
        cancelling()
      ])
      assert.strictEqual(first.state, "cancelled")
      assert.isBelow(first.rows, 40_000)
      assert.deepStrictEqual(await distinct("people"), [first.rows, first.rows])
      assert.deepInclude(await Effect.runPromise(load(path, database.url)), { state: "done", rows: 40_000 })
      assert.deepStrictEqual(await distinct("people"), [40_000, 40_000])
    })

    it("rows that a trigger refuses stand alone, with its reason", async () => {
      await connection.query(
        "CREATE TRIGGER no_minors BEFORE INSERT ON people FOR EACH ROW IF NEW.age < 18 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'too young'; END IF"
      )
      const path = csv("people.csv", "name,age", 9000, (i) => `n${i},${i === 4321 || i === 8999 ? 17 : 18}`)
      const rejects = join(folder, "trigger.ndjson")
      const summary = await Effect.runPromise(load(path, database.url, { maxRejects: 2, rejects }))
      assert.deepInclude(summary, { state: "done", rows: 8998, rejects: 2 })
      const written = readFileSync(rejects, "utf8").trim().split("\n")
      assert.deepStrictEqual(
        written.map((line) => JSON.parse(line)).map(({ line, raw, reason }) => [line, raw, reason]),
        [
          [4323, "n4321,17", "too young"],
          [9001, "n8999,17", "too young"]
        ]
      )
    })

    it("what only the server knows to be wrong (CHECK, foreign key) is refused, never stored and never a warning", async () => {
      await connection.query("ALTER TABLE people ADD CONSTRAINT grown CHECK (age >= 18), ADD boss BIGINT")
      await connection.query("ALTER TABLE people ADD CONSTRAINT has_boss FOREIGN KEY (boss) REFERENCES given (id)")
      await connection.query("INSERT INTO given VALUES (1, 'boss')")
      const path = csv("people.csv", "name,age,boss", 100, (i) => `n${i},${i === 7 ? 17 : 18},${i === 50 ? 2 : 1}`)
      const rejects = join(folder, "checks.ndjson")
      const summary = await Effect.runPromise(load(path, database.url, { maxRejects: 2, rejects }))
      assert.deepInclude(summary, { state: "done", rows: 98, rejects: 2 })
      const reasons = readFileSync(rejects, "utf8")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line))
      assert.deepStrictEqual(
        reasons.map(({ line }) => line),
        [9, 52]
      )
      assert.match(reasons[0].reason, /grown/)
      assert.match(reasons[1].reason, /foreign key/i)
    })

    it("a 0 given for an AUTO_INCREMENT column is stored as a 0", async () => {
      await connection.query("CREATE TABLE zeros (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(10))")
      const path = csv("zeros.csv", "id,name", 3, (i) => `${i},n${i}`)
      const summary = await Effect.runPromise(load(path, database.url, { table: "zeros", job: "zeros" }))
      assert.deepInclude(summary, { state: "done", rows: 3 })
      assert.deepStrictEqual(summary.verification, { outcome: "equal", rows: 3, leftOut: [] })
      const [rows] = await connection.query("SELECT id FROM zeros ORDER BY id")
      assert.deepStrictEqual(rows as unknown, [{ id: 0 }, { id: 1 }, { id: 2 }])
    })

    it("what is not the rows' fault fails the load and makes no rejects", async () => {
      await connection.query("ALTER TABLE people ADD other INTEGER")
      await connection.query(
        "CREATE TRIGGER broken BEFORE INSERT ON people FOR EACH ROW SET NEW.other = (SELECT COUNT(*) FROM no_such_table)"
      )
      const path = csv("people.csv", "name,age", 100, (i) => `n${i},1`)
      const rejects = join(folder, "none.ndjson")
      const error = await Effect.runPromise(Effect.flip(load(path, database.url, { maxRejects: 1000, rejects })))
      assert.strictEqual(error._tag, "LoadError")
      assert.include(error.message, "no_such_table")
      assert.strictEqual(readFileSync(rejects, "utf8"), "")
      assert.deepStrictEqual(await distinct("people"), [0, 0])
    })

    it("the disk under the rejects file is full: nothing of the chunk is kept, and with room it goes on", async () => {
      const path = csv("people.csv", "name,age", 20_000, (i) => `n${i},${i === 9000 ? "x" : 1}`)
      const error = await Effect.runPromise(Effect.flip(load(path, database.url, { maxRejects: 1, rejects: "/dev/full" })))
      assert.match(error.message, /rejects file \/dev\/full: .*(ENOSPC|no space)/i)
      const [[kept]] = (await connection.query(
        "SELECT COALESCE(SUM(row_count), 0) AS n, MAX(rejects) AS r FROM sluice_load_chunks"
      )) as unknown as [[{ n: string; r: number }]]
      assert.deepStrictEqual(await distinct("people"), [Number(kept.n), Number(kept.n)])
      assert.isBelow(Number(kept.n), 9001)
      assert.strictEqual(kept.r, 0)
      const rejects = join(folder, "room.ndjson")
      const summary = await Effect.runPromise(load(path, database.url, { maxRejects: 1, rejects }))
      assert.deepInclude(summary, { state: "done", rows: 19_999, rejects: 1 })
      assert.strictEqual(readFileSync(rejects, "utf8").trim().split("\n").length, 1)
    })

    it("the server falls silent in the middle: nobody waits for ever, and it goes on where it was", async () => {
      const path = csv("silent.csv", "id,name", 60_000, (i) => `${i + 1},n${i}`)
      const between = await proxyOf(database.url)
      closing.push(() => void between.close())
      let silenced = 0
      const source = await Effect.runPromise(TextSource.fromFile(path, TextSource.formatOf(path)))
      const summary = await Effect.runPromise(
        BulkLoader.load(source, {
          table: "given",
          job: "silent",
          chunkRows: 8000,
          onProgress: ({ rows }) => {
            if (rows < 20_000 || silenced++ > 0) return
            between.silence()
            setTimeout(between.heal, 3000)
          }
        }).pipe(Effect.provide(LoadTargetMariaDb.layer(Redacted.make(between.url), { silenceMs: 500 })))
      )
      assert.isAbove(silenced, 0)
      assert.deepInclude(summary, { state: "done", rows: 60_000, loadedRows: 60_000 })
      assert.deepStrictEqual(await distinct("given"), [60_000, 60_000])
    })

    it("two chunks under way at once want the same value: the earlier row stays, the later one is refused", async () => {
      await connection.query("ALTER TABLE given ADD UNIQUE one_name (name)")
      // The last row of one chunk, and the first one of the next: whichever is stored first, it is not for long that it keeps the other out.
      const path = csv("twice.csv", "id,name", 40_000, (i) => `${i + 1},n${i === 20_000 ? 19_999 : i}`)
      const rejects = join(folder, "twice.ndjson")
      const summary = await Effect.runPromise(
        load(path, database.url, { table: "given", chunkRows: 16_000, maxRejects: 1, rejects })
      )
      assert.deepInclude(summary, { state: "done", rows: 39_999, rejects: 1 })
      const { line, raw } = JSON.parse(readFileSync(rejects, "utf8"))
      assert.deepStrictEqual([line, raw], [20_002, "20001,n19999"])
      const [[kept]] = (await connection.query("SELECT id FROM given WHERE name = 'n19999'")) as unknown as [[{ id: number }]]
      assert.strictEqual(kept.id, 20_000)
    })

    it("one chunk too many rejects while the next is under way: what was committed is a beginning of the source", async () => {
      const path = csv("bad.csv", "id,name", 100_000, (i) => (i === 50_000 ? "x,bad" : `${i + 1},n${i}`))
      const error = await Effect.runPromise(Effect.flip(load(path, database.url, { table: "given", chunkRows: 5000 })))
      assert.strictEqual(error._tag, "TooManyRejects")
      const [[held]] = (await connection.query("SELECT COUNT(*) AS n, MAX(id) AS last FROM given")) as unknown as [
        [{ n: number; last: number }]
      ]
      assert.strictEqual(held.n, held.last)
      assert.isAtMost(held.n, 50_000)
      const summary = await Effect.runPromise(load(path, database.url, { table: "given", maxRejects: 1 }))
      assert.deepInclude(summary, { state: "done", rows: 99_999, rejects: 1, loadedRows: 99_999 - held.n })
      assert.deepStrictEqual(await distinct("given"), [99_999, 99_999])
    })

    it("a chunk that somebody else's lock holds up is not overtaken by the one behind it", async () => {
      const path = csv("held.csv", "id,name", 40_000, (i) => `${i + 1},n${i}`)
      const other = await mysql.createConnection({ uri: database.url })
      await other.query("START TRANSACTION")
      await other.query("INSERT INTO given VALUES (5000, 'mine')")
      const loading = Effect.runPromise(load(path, database.url, { table: "given", chunkRows: 16_000 }))
      // Time for the next chunk to be stored, too.
      const isWaiting = async () => {
        const [rows] = await connection.query(
          "SELECT 1 FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND INFO LIKE 'INSERT INTO `given`%' AND TIME_MS > 1500"
        )
        return (rows as Array<unknown>).length > 0
      }
      while (!(await isWaiting())) await new Promise((done) => setTimeout(done, 5))
      const kept = await distinct("given")
      await other.query("ROLLBACK")
      await other.end()
      assert.isBelow(kept[0]!, 5000)
      assert.deepInclude(await loading, { state: "done", rows: 40_000 })
      assert.deepStrictEqual(await distinct("given"), [40_000, 40_000])
    })

    it("jobs of one name in two databases are two jobs", async () => {
      const other = await freshDatabase(liveUrl("SLUICE_MARIADB_URL"))
      try {
        const start = { job: "same", table: "people", source: "s", identity: "i", columns: ["name"] }
        const open = Effect.flatMap(LoadTarget, (target) =>
          Effect.flatMap(target.describe(start.table), (table) => target.open(start, table))
        )
        const there = await mysql.createConnection({ uri: other.url })
        await there.query("CREATE TABLE people (name VARCHAR(20))")
        await there.end()
        await Effect.runPromise(
          Effect.scoped(
            Effect.gen(function* () {
              yield* Effect.provide(open, LoadTargetMariaDb.layer(Redacted.make(database.url)))
              yield* Effect.provide(open, LoadTargetMariaDb.layer(Redacted.make(other.url)))
            })
          )
        )
      } finally {
        await other.drop()
      }
    })
  })
})
