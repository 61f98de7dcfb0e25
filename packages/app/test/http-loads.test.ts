import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { gzipSync, zstdCompressSync } from "node:zlib"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as LoadTargetSqlite from "@sluice/bulk-load/LoadTargetSqlite"
import * as Sqlite from "@sluice/engines/Sqlite"
import { Effect, Layer } from "effect"
import type { HttpOptions } from "../src/http/Options.ts"
import { HttpAddress, layer } from "../src/http/Server.ts"
import * as Loads from "../src/load/Loads.ts"
import { isOwnTable } from "../src/load/Loads.ts"
import { asAdmin, type Init, layerFakes, makeFakes, raw, send, testOptions } from "./http-testing.ts"

const folder = mkdtempSync(join(tmpdir(), "sluice-http-loads-"))
afterAll(() => rmSync(folder, { recursive: true }))

let made = 0

const start = Effect.fnUntraced(function* (limits: Partial<Loads.Options> = {}, options: HttpOptions = {}) {
  const filename = join(folder, `${made++}.db`)
  const db = new DatabaseSync(filename, { timeout: 5000 })
  yield* Effect.addFinalizer(() => Effect.sync(() => db.close()))
  db.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL, n INT)")
  const loads = Loads.layer({ maxLoads: 2, maxUploadBytes: 1_000_000, dataDir: folder, engine: "sqlite", ...limits }).pipe(
    Layer.provide(LoadTargetSqlite.layer),
    Layer.provide(Sqlite.layer({ filename }))
  )
  const services = Layer.mergeAll(layerFakes(makeFakes()), loads)
  const context = yield* Layer.build(layer({ ...testOptions, ...options }).pipe(Layer.provide(services)))
  const { port, url } = Effect.runSync(Effect.provideContext(HttpAddress, context))
  const rows = () =>
    db
      .prepare("SELECT name, n FROM t ORDER BY id")
      .all()
      .map(({ n, name }) => `${name}:${n}`)
  const upload = (query: string, body: string | Uint8Array, headers: Record<string, string> = {}) =>
    send(`${url}/loads?${query}`, { method: "POST", body, headers: { ...asAdmin, "content-type": "text/csv", ...headers } })
  const ask = (path: string, init: Init = {}) => send(`${url}${path}`, { ...init, headers: { ...asAdmin, ...init.headers } })
  const ended = Effect.fnUntraced(function* (job: string) {
    const { text } = yield* ask(`/loads/${job}/events`)
    return JSON.parse(text.trim().split("\n").at(-1)!.replace("data: ", ""))
  })
  return { ask, ended, port, rows, upload, url }
})

describe("an upload", () => {
  it.live("is a job: its rows are in the table, its state can be asked for and watched to its end", () =>
    Effect.gen(function* () {
      const { ask, ended, rows, upload } = yield* start()
      const answer = yield* upload("table=t&job=one", 'name,n\na,1\n"b\nb",\n')
      assert.deepStrictEqual([answer.status, answer.json], [202, { job: "one" }])
      const load = yield* ended("one")
      assert.deepInclude(load, { job: "one", table: "t", state: "done", rows: 2, rejects: 0, error: null })
      assert.deepStrictEqual(rows(), ["a:1", "b\nb:null"])
      assert.deepStrictEqual((yield* ask("/loads/one")).json, load)
      yield* upload("table=t&job=two", "name\nc\n")
      yield* ended("two")
      assert.deepStrictEqual(
        (yield* ask("/loads")).json.map(({ job }: { job: string }) => job),
        ["two", "one"]
      )
    }).pipe(Effect.scoped)
  )

  it.live("gets a job's name where it has none, may be NDJSON, packed, and written otherwise", () =>
    Effect.gen(function* () {
      const { ended, rows, upload } = yield* start()
      const ndjson = { "content-type": "application/x-ndjson" }
      const cases: ReadonlyArray<readonly [string, string | Uint8Array, Record<string, string>?]> = [
        ["table=t", '{"name":"a","n":1}\n', ndjson],
        ["table=t", '{"name":"b"}\n', { "content-type": "application/ndjson; charset=utf-8" }],
        ["table=t", gzipSync("name\nc\n"), { "content-encoding": "gzip" }],
        ["table=t", zstdCompressSync('{"name":"d"}'), { ...ndjson, "content-encoding": "zstd" }],
        ["table=t&header=false&columns=n,name&delimiter=tab&null=nil", "5\te\nnil\tf\n"]
      ]
      for (const [query, body, headers] of cases) {
        const { json, status } = yield* upload(query, body, headers)
        assert.strictEqual(status, 202)
        assert.match(json.job, /^upload-[0-9a-f-]{36}$/)
        assert.deepInclude(yield* ended(json.job), { state: "done" })
      }
      assert.deepStrictEqual(rows(), ["a:1", "b:null", "c:null", "d:null", "e:5", "f:null"])
    }).pipe(Effect.scoped)
  )

  it.live("that is not one is refused before anything is stored, each with what is wrong", () =>
    Effect.gen(function* () {
      const { ask, rows, upload, url } = yield* start()
      const csv = "name\na\n"
      const cases: ReadonlyArray<readonly [number, string, string, string, Record<string, string>?]> = [
        [400, "bad_request", "job=x", csv],
        [400, "bad_request", "table=nosuch", csv],
        [400, "bad_request", "table=%F0%9F%98%80", csv],
        [400, "bad_request", "table=t&columns=zip", csv],
        [400, "bad_request", "table=t", "zip\na\n"],
        [400, "bad_request", "table=t", ""],
        [400, "bad_request", "table=t&job=a%20b", csv],
        [400, "bad_request", "table=t&job=..%2Fx", csv],
        [400, "bad_request", "table=t&delimiter=ab", csv],
        [400, "bad_request", "table=t&delimiter=%22", csv],
        [400, "bad_request", "table=t&maxRejects=-1", csv],
        [400, "bad_request", "table=t&maxRejects=1e400", csv],
        [400, "bad_request", "table=t&unknown=1", csv],
        [400, "bad_request", "table=%60t%60", csv],
        [403, "forbidden", "table=campaigns", csv],
        [403, "forbidden", "table=SLUICE_LOADS", csv],
        [415, "unsupported_media_type", "table=t", csv, { "content-type": "application/json" }],
        [415, "unsupported_media_type", "table=t", csv, { "content-type": "text/csv; charset=latin1" }],
        [415, "unsupported_media_type", "table=t", csv, { "content-encoding": "br" }],
        [401, "unauthorized", "table=t", csv, { authorization: "Bearer no" }]
      ]
      for (const [status, code, query, body, headers] of cases) {
        const answer = yield* upload(query, body, headers)
        assert.deepStrictEqual([answer.status, answer.json.code], [status, code], `${query} ${JSON.stringify(headers)}`)
      }
      assert.deepStrictEqual([rows(), (yield* ask("/loads")).json], [[], []])
      for (const path of ["/loads", "/loads/x", "/loads/x/events", "/loads/x/rejects"]) {
        assert.strictEqual((yield* send(url + path)).status, 401)
      }
      for (const path of ["/loads/x", "/loads/x/events", "/loads/x/rejects"]) {
        assert.strictEqual((yield* ask(path)).json.code, "load_not_found")
      }
      assert.strictEqual((yield* ask("/loads/x", { method: "DELETE" })).status, 404)
    }).pipe(Effect.scoped)
  )

  it.live("sets bad rows aside up to maxRejects, and shows them", () =>
    Effect.gen(function* () {
      const { ask, ended, rows, upload } = yield* start()
      const body = "name,n\na,1\nb,x\nc,3\n"
      yield* upload("table=t&job=bad&maxRejects=1", body)
      assert.deepInclude(yield* ended("bad"), { state: "done", rows: 2, rejects: 1 })
      const [reject, ...others] = (yield* ask("/loads/bad/rejects")).json
      assert.deepInclude(reject, { line: 3, column: "n", raw: "b,x" })
      assert.deepStrictEqual(others, [])
      yield* upload("table=t&job=strict", body)
      const strict = yield* ended("strict")
      assert.deepInclude(strict, { state: "failed", rows: 0 })
      assert.match(strict.error, /more than 0 rows were refused[\s\S]*line 3, n/)
      assert.deepStrictEqual(rows(), ["a:1", "c:3"])
    }).pipe(Effect.scoped)
  )

  it.live("sent again under its name stores each row once; another body under it is refused", () =>
    Effect.gen(function* () {
      const { ended, rows, upload } = yield* start()
      for (const status of [202, 202]) {
        assert.strictEqual((yield* upload("table=t&job=same", "name\na\n")).status, status)
        assert.deepInclude(yield* ended("same"), { state: "done", rows: 1 })
      }
      assert.strictEqual((yield* upload("table=t&job=same", "name\nb\n")).json.code, "load_conflict")
      assert.deepStrictEqual(rows(), ["a:null"])
    }).pipe(Effect.scoped)
  )

  it.live("is bounded in length, told or not", () =>
    Effect.gen(function* () {
      const { port, rows, upload } = yield* start({ maxUploadBytes: 1000 })
      const told = yield* upload("table=t", `name\n${"x\n".repeat(1000)}`)
      assert.deepStrictEqual([told.status, told.json.code], [413, "body_too_large"])
      const client = yield* raw(port)
      client.write(
        `POST /loads?table=t&job=long HTTP/1.1\r\nhost: a\r\nauthorization: ${asAdmin.authorization}\r\ncontent-type: text/csv\r\n` +
          `transfer-encoding: chunked\r\n\r\n5\r\nname\n\r\n`
      )
      for (let i = 0; i < 6; i++) client.write(`c8\r\n${"x".repeat(199)}\n\r\n`)
      const heard = yield* Effect.promise(() => client.until((text) => text.includes("urn:sluice"), "no answer"))
      assert.match(heard, /^HTTP\/1\.1 413 [\s\S]*body_too_large/)
      assert.deepStrictEqual(rows(), [])
    }).pipe(Effect.scoped)
  )

  it.live("may take longer than other requests, one that breaks off fails and goes on when it is sent again", () =>
    Effect.gen(function* () {
      const { ask, ended, port, rows, upload } = yield* start({}, { requestTimeout: "1 second" })
      const head = (job: string) =>
        `POST /loads?table=t&job=${job} HTTP/1.1\r\nhost: a\r\nauthorization: ${asAdmin.authorization}\r\ncontent-type: text/csv\r\n` +
        "transfer-encoding: chunked\r\n\r\n5\r\nname\n\r\n"
      const slow = yield* raw(port)
      slow.write(head("slow"))
      // Begun later, it is cut off for taking too long.
      const other = yield* raw(port)
      other.write(
        "POST /campaigns/sale/tickets HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{"
      )
      assert.match(yield* Effect.promise(() => other.closed()), /^HTTP\/1\.1 408 /)
      for (let i = 0; i < 8; i++) slow.write(`2\r\n${i}\n\r\n`)
      slow.write("0\r\n\r\n")
      assert.match(yield* Effect.promise(() => slow.until((text) => text.includes("}"), "no answer")), /^HTTP\/1\.1 202 /)
      assert.deepInclude(yield* ended("slow"), { state: "done", rows: 8 })

      const long = `name\n${"x".repeat(99)}\n`.concat(`${"y".repeat(99)}\n`.repeat(2000))
      const broken = yield* raw(port)
      broken.write(head("broken").replace("5\r\nname\n\r\n", ""))
      broken.write(`${(100_000).toString(16)}\r\n${long.slice(0, 100_000)}\r\n`)
      yield* ask("/loads/broken").pipe(Effect.repeat({ until: ({ status }) => status === 200 }))
      broken.socket.destroy()
      const load = yield* ended("broken")
      assert.strictEqual(load.state, "failed")
      assert.match(load.error, /send it again/)
      assert.strictEqual((yield* upload("table=t&job=broken", long)).status, 202)
      assert.deepInclude(yield* ended("broken"), { state: "done", rows: 2001 })
      assert.strictEqual(rows().length, 8 + 2001)
    }).pipe(Effect.scoped)
  )

  it.live("waits its turn where as many as may be are under way, and can be cancelled", () =>
    Effect.gen(function* () {
      const { ask, ended, port, upload } = yield* start({ maxLoads: 1, maxUploadBytes: 100_000_000 })
      const first = yield* raw(port)
      first.write(
        `POST /loads?table=t&job=first HTTP/1.1\r\nhost: a\r\nauthorization: ${asAdmin.authorization}\r\ncontent-type: text/csv\r\n` +
          "transfer-encoding: chunked\r\n\r\n"
      )
      const part = `name\n${"z\n".repeat(60_000)}`
      first.write(`${part.length.toString(16)}\r\n${part}\r\n`)
      yield* ask("/loads/first").pipe(Effect.repeat({ until: ({ status }) => status === 200 }))
      const second = yield* upload("table=t", "name\na\n")
      assert.deepStrictEqual([second.status, second.json.code, second.headers["retry-after"]], [503, "overloaded", "5"])
      assert.strictEqual((yield* ask("/loads/first", { method: "DELETE" })).status, 204)
      first.write(`${part.length.toString(16)}\r\n${part}\r\n`)
      assert.deepInclude(yield* ended("first"), { state: "cancelled" })
      assert.strictEqual((yield* ask("/loads/first", { method: "DELETE" })).status, 204)
      const heard = yield* Effect.promise(() => first.closed())
      assert.match(heard, /^HTTP\/1.1 422 /)
      assert.match(heard, /The load was cancelled; \d+ rows are loaded and stay\./)
      yield* upload("table=t&job=next", "name\na\n").pipe(Effect.repeat({ until: ({ status }) => status === 202 }))
      assert.deepInclude(yield* ended("next"), { state: "done", rows: 1 })
    }).pipe(Effect.scoped)
  )
})

describe("the tables that are Sluice's own", () => {
  it("are told by name, and no others", () => {
    for (const name of [
      "campaigns",
      "Issuances",
      "sluice_loads",
      "outbox",
      "outbox_leases",
      "room_wins",
      "log_events",
      "secrets"
    ]) {
      assert.isTrue(isOwnTable(name), name)
    }
    for (const name of ["users", "products", "rooms", "log", "my_sluice_x"]) assert.isFalse(isOwnTable(name), name)
  })
})
