/**
 * One connection to MariaDB that loads: statements in their order, rows by bulk execute, and `LOAD DATA LOCAL` from blocks in memory.
 *
 * A server may ask a client for any file at any time. This one answers only while its own statement runs, only to the name in it, and
 * only with the blocks; mysql2 refuses every other request.
 */
import { randomUUID } from "node:crypto"
import type { Socket } from "node:net"
import { Readable } from "node:stream"
import { connectionOptions, session } from "@sluice/engines/MariaDbSession"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Driver from "mysql2"
import {
  beginBulk,
  type Inserted,
  knowsBulk,
  largestPacket,
  offerBulk,
  overhead,
  type Parameter,
  prepareBulk
} from "./BulkExecute.ts"
import { LoadError } from "./LoadTarget.ts"

export interface Outcome {
  readonly affectedRows: number
  readonly warnings: number
}

export interface MariaDbSession {
  readonly query: <A = Record<string, unknown>>(
    sql: string,
    values?: ReadonlyArray<unknown>
  ) => Effect.Effect<ReadonlyArray<A>, LoadError>
  readonly run: (sql: string, values?: ReadonlyArray<unknown>) => Effect.Effect<Outcome, LoadError>
  readonly load: (statement: (file: string) => string, parts: Iterable<Uint8Array>) => Effect.Effect<Outcome, LoadError>
  /** Ahead of the first time that it is executed. */
  readonly prepare: (sql: string) => Effect.Effect<void, LoadError>
  /**
   * Sends rows of parameters, as `Fields` has them, and executes the statement for all of them when it is told to; where it is not told
   * before the scope ends, it does so unheard. Undefined where the server can't, or not for so much; `mostBytes` is its
   * max_allowed_packet.
   */
  readonly bulk: (
    statement: BulkStatement,
    rows: ReadonlyArray<Uint8Array>,
    mostBytes: number
  ) => Effect.Effect<Effect.Effect<Inserted, LoadError> | undefined, LoadError, Scope.Scope>
}

export interface BulkStatement {
  readonly sql: string
  readonly parameters: ReadonlyArray<Parameter>
}

interface DriverError {
  readonly code?: string
  readonly errno?: number
  readonly sqlMessage?: string
  readonly fatal?: boolean
  readonly message?: string
}

/** The connection or the server is gone, or another transaction was in the way. */
const transient = new Set([1020, 1053, 1158, 1159, 1160, 1161, 1205, 1213, 1927, 2006, 2013])

export const loadError = (cause: unknown): LoadError => {
  const { code, errno, fatal, message, sqlMessage } = cause as DriverError
  const isTransient =
    errno === undefined || errno <= 0
      ? fatal === true || /^(E[A-Z]+|PROTOCOL_|ER_.*SHUTDOWN)/.test(code ?? "")
      : transient.has(errno)
  return new LoadError({ message: sqlMessage ?? message ?? String(cause), isTransient, cause })
}

/** A packet of the protocol must not be longer than the server's max_allowed_packet. */
const partBytes = 1024 * 1024

function* inParts(blocks: Iterable<Uint8Array>): Generator<Uint8Array> {
  for (const bytes of blocks) {
    for (let at = 0; at < bytes.length; at += partBytes) yield bytes.subarray(at, at + partBytes)
  }
}

/** Where a statement fails, the driver leaves two listeners on its socket, and with them the stream that it sent. */
const keepListeners = (socket: Socket) => {
  const kept = ["pause", "drain"].map((event) => [event, new Set(socket.rawListeners(event))] as const)
  return () => {
    for (const [event, before] of kept) {
      for (const listener of socket.rawListeners(event)) {
        if (!before.has(listener)) socket.removeListener(event, listener as () => void)
      }
    }
  }
}

export interface SessionOptions {
  /** A server that neither takes nor gives anything for so long is gone. 60 s unless given; a question may be without a limit. */
  readonly silenceMs?: number | undefined
}

/** Ends a connection on which nothing has moved; gives what ends the watch. */
const watch = (socket: Socket, silenceMs: number) => {
  let moved = -1
  const timer = setInterval(() => {
    const now = socket.bytesRead + socket.bytesWritten - socket.writableLength
    if (now === moved)
      socket.destroy(Object.assign(new Error(`MariaDB was silent for ${silenceMs / 1000} s`), { code: "ETIMEDOUT" }))
    moved = now
  }, silenceMs)
  return () => clearInterval(timer)
}

export const openSession = (
  url: Redacted.Redacted,
  { silenceMs = 60_000 }: SessionOptions = {}
): Effect.Effect<MariaDbSession, LoadError, Scope.Scope> =>
  Effect.gen(function* () {
    const connection = yield* Effect.acquireRelease(
      Effect.callback<Driver.Connection, LoadError>((resume) => {
        const opened = Driver.createConnection({
          ...connectionOptions(url),
          connectTimeout: 5000,
          supportBigNumbers: true,
          charset: "utf8mb4",
          flags: ["-FOUND_ROWS"]
        })
        offerBulk(opened)
        // What fails later fails the statement under way; without a listener it would end the process.
        opened.on("error", () => {})
        opened.connect((cause) => resume(cause ? Effect.fail(loadError(cause)) : Effect.succeed(opened)))
      }),
      (opened) =>
        Effect.callback<void>((resume) => {
          const done = () => resume(Effect.void)
          const late = setTimeout(() => {
            opened.destroy()
            done()
          }, 2000)
          opened.end(() => {
            clearTimeout(late)
            done()
          })
        })
    )
    const socket = (connection as unknown as { readonly stream: Socket }).stream
    const send = (options: Driver.QueryOptions) =>
      Effect.callback<unknown, LoadError>((resume) => {
        const unwatch = watch(socket, silenceMs)
        connection.query(options, (cause: unknown, result: unknown) => {
          unwatch()
          resume(cause ? Effect.fail(loadError(cause)) : Effect.succeed(result))
        })
      })
    const outcome = (result: unknown): Outcome => {
      const { affectedRows, warningStatus } = result as Driver.ResultSetHeader
      return { affectedRows, warnings: warningStatus }
    }
    const run: MariaDbSession["run"] = (sql, values = []) => Effect.map(send({ sql, values: [...values] as never }), outcome)
    for (const statement of session) yield* run(statement)
    // A 0 that the source gives for an AUTO_INCREMENT column is a 0, and no wish for a number.
    yield* run(
      "SET SESSION innodb_lock_wait_timeout = 5, lock_wait_timeout = 50, wait_timeout = 28800, net_read_timeout = 600, " +
        "sql_mode = CONCAT(@@sql_mode, ',NO_AUTO_VALUE_ON_ZERO')"
    )
    const prepared = (sql: string) =>
      Effect.callback<number, LoadError>((resume) =>
        prepareBulk(connection, sql, (cause, id) => resume(id === undefined ? Effect.fail(loadError(cause)) : Effect.succeed(id)))
      )
    return {
      query: <A>(sql: string, values: ReadonlyArray<unknown> = []) =>
        Effect.map(send({ sql, values: [...values] as never }), (rows) => rows as ReadonlyArray<A>),
      run,
      prepare: (sql) => Effect.asVoid(prepared(sql)),
      bulk: Effect.fnUntraced(function* ({ parameters, sql }, rows, mostBytes) {
        const bytes = rows.reduce((sum, { length }) => sum + length, overhead(parameters.length))
        if (!knowsBulk(connection) || bytes > Math.min(mostBytes, largestPacket)) return undefined
        const id = yield* prepared(sql)
        const outcome = yield* Deferred.make<Inserted, LoadError>()
        const release = beginBulk(connection, { id, parameters }, rows, (cause, inserted) =>
          Deferred.doneUnsafe(outcome, inserted === undefined ? Effect.fail(loadError(cause)) : Effect.succeed(inserted))
        )
        yield* Effect.addFinalizer(() => Effect.sync(release))
        return Effect.suspend(() => {
          const unwatch = watch(socket, silenceMs)
          release()
          return Effect.ensuring(Deferred.await(outcome), Effect.sync(unwatch))
        })
      }),
      load: (statement, parts) =>
        Effect.suspend(() => {
          const file = `sluice-${randomUUID()}`
          let isAsked = false
          const forget = keepListeners(socket)
          return Effect.map(
            send({
              sql: statement(file),
              infileStreamFactory: (path: string) => {
                // As the protocol has it: an empty file, and the statement fails.
                if (path !== file || isAsked) {
                  const refused = new Error(`the server asked for a file that it was not offered: ${path}`)
                  return new Readable({ read: () => {} }).destroy(refused)
                }
                isAsked = true
                return Readable.from(inParts(parts), { objectMode: false, highWaterMark: 1 })
              }
            } as Driver.QueryOptions),
            outcome
          ).pipe(Effect.ensuring(Effect.sync(forget)))
        })
    }
  })
