/** A server that asks for files, in place of MariaDB: it gets the rows that it was offered, and nothing else. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { type AddressInfo, createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { openSession } from "../src/MariaDbSession.ts"

const packet = (sequence: number, body: Buffer) =>
  Buffer.concat([Buffer.from([body.length & 0xff, body.length >> 8, 0, sequence]), body])

/** Protocol 10; long password, long flag, database, local files, 4.1, transactions, secure connection, authentication by plug-in. */
const greeting = Buffer.concat([
  Buffer.from("\x0a10.11.0-MariaDB\0\x01\0\0\0abcdefgh\0", "latin1"),
  Buffer.from([0x8d, 0xa2, 45, 2, 0, 0x08, 0, 21]),
  Buffer.alloc(10),
  Buffer.from("abcdefghijkl\0mysql_native_password\0", "latin1")
])
const refused = Buffer.from("\xff\x6c\x06#45000refused", "latin1")
const ok = (rows: number) => Buffer.from([0, rows, 0, 2, 0, 0, 0])

/** Answers a statement for which `asks` names a file by asking for that file, and every other with OK; then `afterwards`. */
const rogue = (asks: (sql: string) => string | undefined, afterwards = ok(1)) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly received: () => string; readonly close: () => void }>((resume) => {
      const sockets: Array<Socket> = []
      let received = ""
      const server = createServer((socket) => {
        sockets.push(socket)
        let pending = Buffer.alloc(0)
        let state: "login" | "commands" | "file" = "login"
        const answer = (sequence: number, body: Buffer): void => {
          const reply = (text: Buffer) => socket.write(packet(sequence + 1, text))
          if (state === "file" && body.length > 0) {
            received += body.toString("latin1")
          } else if (state !== "commands") {
            reply(state === "file" ? afterwards : ok(0))
            state = "commands"
          } else if (body[0] === 3) {
            const file = asks(body.toString("utf8", 1))
            if (file !== undefined) state = "file"
            reply(file === undefined ? ok(0) : Buffer.concat([Buffer.from([0xfb]), Buffer.from(file)]))
          } else socket.end()
        }
        socket.on("error", () => {})
        socket.on("data", (bytes) => {
          pending = Buffer.concat([pending, bytes])
          while (pending.length >= 4 && pending.length >= 4 + pending.readUIntLE(0, 3)) {
            const end = 4 + pending.readUIntLE(0, 3)
            const [sequence, body] = [pending[3]!, pending.subarray(4, end)]
            pending = pending.subarray(end)
            answer(sequence, body)
          }
        })
        socket.write(packet(0, greeting))
      }).listen(0, "127.0.0.1", () => {
        const close = () => {
          for (const socket of sockets) socket.destroy()
          server.close()
        }
        resume(Effect.succeed({ port: (server.address() as AddressInfo).port, received: () => received, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

const secret = "a secret of the machine"
const secretFile = Effect.acquireRelease(
  Effect.sync(() => {
    const folder = mkdtempSync(join(tmpdir(), "sluice-rogue-"))
    writeFileSync(join(folder, "secret"), secret)
    return { folder, path: join(folder, "secret") }
  }),
  ({ folder }) => Effect.sync(() => rmSync(folder, { recursive: true }))
)

const sessionTo = (port: number) => openSession(Redacted.make(`mysql://user:secret@127.0.0.1:${port}/db`))
const statement = (file: string) => `LOAD DATA LOCAL INFILE '${file}' INTO TABLE t`
const offered = (sql: string) => /INFILE '([^']+)'/.exec(sql)?.[1]
const rows = [Buffer.from("1\tone\n")]

it.live("a server that does not know bulk execute is asked for none", () =>
  Effect.gen(function* () {
    const server = yield* rogue(() => undefined)
    const session = yield* sessionTo(server.port)
    assert.isUndefined(yield* session.bulk({ sql: "INSERT INTO t VALUES (?)", parameters: ["text"] }, [Buffer.from([1])], 1000))
  }).pipe(Effect.scoped)
)

describe("a server that asks for files", () => {
  it.live("gets the rows that a statement offers", () =>
    Effect.gen(function* () {
      const server = yield* rogue(offered)
      const session = yield* sessionTo(server.port)
      assert.deepStrictEqual(yield* session.load(statement, rows), { affectedRows: 1, warnings: 0 })
      assert.strictEqual(server.received(), "1\tone\n")
    }).pipe(Effect.scoped)
  )

  it.live("a connection remembers nothing of statements that failed", () =>
    Effect.gen(function* () {
      const warnings: Array<string> = []
      const onWarning = ({ name }: Error) => warnings.push(name)
      process.on("warning", onWarning)
      yield* Effect.addFinalizer(() => Effect.sync(() => process.off("warning", onWarning)))
      const server = yield* rogue(offered, refused)
      const session = yield* sessionTo(server.port)
      for (let i = 0; i < 20; i++) {
        assert.strictEqual((yield* Effect.flip(session.load(statement, rows))).message, "refused")
      }
      yield* Effect.sleep("10 millis")
      assert.deepStrictEqual(warnings, [])
    }).pipe(Effect.scoped)
  )

  it.live("gets nothing for another name, and the process lives on", () =>
    Effect.gen(function* () {
      const { path } = yield* secretFile
      const server = yield* rogue((sql) => (sql.includes("INFILE") ? path : undefined))
      const session = yield* sessionTo(server.port)
      const error = yield* Effect.flip(session.load(statement, rows))
      assert.include(error.message, "not offered")
      assert.strictEqual(server.received(), "")
    }).pipe(Effect.scoped)
  )

  it.live("gets nothing in answer to another statement", () =>
    Effect.gen(function* () {
      const { path } = yield* secretFile
      const server = yield* rogue((sql) => (sql === "SELECT 1" ? path : undefined))
      const session = yield* sessionTo(server.port)
      const error = yield* Effect.flip(session.query("SELECT 1"))
      assert.include(error.message, "LOCAL INFILE")
      assert.strictEqual(server.received(), "")
    }).pipe(Effect.scoped)
  )
})
