/**
 * MariaDB's bulk execute, which mysql2 does not have: one prepared statement for many rows of parameters, in one packet.
 *
 * https://mariadb.com/docs/server/reference/clientserver-protocol/3-binary-protocol-prepared-statements/com_stmt_bulk_execute
 *
 * mysql2's connection takes any command that behaves as its own do. What is used of it here and is not in its types: the command under
 * way, its sequence numbers, a prepared statement's id, and that it says in its handshake which of MariaDB's extensions it knows (3.24).
 */
import { EventEmitter } from "node:events"
import type * as Driver from "mysql2"

/** The bit of the extended capabilities, as mysql2 counts them. */
const bulkOperations = 4

interface Packet {
  readonly isError: () => boolean
  readonly asError: (encoding: string) => Error
  readonly readInt8: () => number
  readonly readInt16: () => number
  readonly readLengthCodedNumber: () => number
}

interface Internals {
  readonly _command: { mariadbExtendedClientFlags: number }
  readonly _handshakePacket: { readonly mariadbExtendedCapabilityFlags?: number } | null
  readonly _resetSequenceId: () => void
  readonly _bumpSequenceId: (packets: number) => void
  readonly addCommand: (command: EventEmitter) => void
  readonly prepare: (sql: string, done: (error: unknown, statement?: { readonly id: number }) => void) => void
  readonly write: (bytes: Uint8Array) => void
  readonly clientEncoding: string
}
const internals = (connection: Driver.Connection) => connection as unknown as Internals

/** Says that this client knows bulk execute; before the connection has heard from the server. */
export const offerBulk = (connection: Driver.Connection): void => {
  internals(connection)._command.mariadbExtendedClientFlags |= bulkOperations
}

/** Whether the server knows it; once connected. */
export const knowsBulk = (connection: Driver.Connection): boolean =>
  ((internals(connection)._handshakePacket?.mariadbExtendedCapabilityFlags ?? 0) & bulkOperations) !== 0

/** Gives the statement's id; the driver keeps what it has prepared. */
export const prepareBulk = (connection: Driver.Connection, sql: string, onResult: (error: unknown, id?: number) => void): void =>
  internals(connection).prepare(sql, (error, statement) => onResult(error, statement?.id))

const bulkExecute = 0xfa
const typesFollow = 128
/** Of a parameter: a type, and whether it has no sign. */
const types = { text: [253, 0], bytes: [252, 0], int64: [8, 0], uint64: [8, 128], datetime: [12, 0] } as const
export type Parameter = keyof typeof types

/** What a packet may hold besides its rows. */
export const overhead = (parameters: number) => 7 + 2 * parameters
/** What fits into one packet of the protocol. */
export const largestPacket = 2 ** 24 - 2

const head = (statementId: number, parameters: ReadonlyArray<Parameter>, length: number): Buffer => {
  const bytes = Buffer.alloc(4 + overhead(parameters.length))
  bytes.writeUIntLE(overhead(parameters.length) + length, 0, 3)
  bytes[4] = bulkExecute
  bytes.writeUInt32LE(statementId, 5)
  bytes.writeUInt16LE(typesFollow, 9)
  for (const [i, parameter] of parameters.entries()) bytes.set(types[parameter], 11 + 2 * i)
  return bytes
}

export interface Inserted {
  readonly affectedRows: number
  readonly warnings: number
  /** Of the first row; 0 where the database gives none. */
  readonly firstId: number
}

class BulkExecute extends EventEmitter {
  /** The driver calls it with an error when the connection is lost. */
  readonly onResult: (error: unknown, inserted?: Inserted) => void
  readonly #parts: ReadonlyArray<Uint8Array>
  #begunOn: Internals | undefined
  #isReleased = false

  constructor(parts: ReadonlyArray<Uint8Array>, onResult: (error: unknown, inserted?: Inserted) => void) {
    super()
    this.#parts = parts
    this.onResult = onResult
  }

  /** Sends the last byte, without which the server does nothing. */
  release(): void {
    if (this.#isReleased) return
    this.#isReleased = true
    if (this.#begunOn !== undefined) this.#sendLast(this.#begunOn)
  }

  #sendLast(connection: Internals): void {
    connection.write(this.#parts.at(-1)!.subarray(-1))
  }

  /** As the driver calls it: without a packet to begin, then with what the server answers; true when all is done. */
  execute(packet: Packet | undefined, connection: Internals): boolean {
    if (packet === undefined) {
      connection._resetSequenceId()
      connection._bumpSequenceId(1)
      const last = this.#parts.length - 1
      for (const [i, part] of this.#parts.entries()) connection.write(i === last ? part.subarray(0, -1) : part)
      this.#begunOn = connection
      if (this.#isReleased) this.#sendLast(connection)
      return false
    }
    if (packet.isError()) this.onResult(packet.asError(connection.clientEncoding))
    else {
      packet.readInt8()
      const affectedRows = packet.readLengthCodedNumber()
      const firstId = packet.readLengthCodedNumber()
      packet.readInt16()
      this.onResult(null, { affectedRows, firstId, warnings: packet.readInt16() })
    }
    return true
  }
}

/**
 * Sends all but the last byte, so that the rows are there when their turn comes; gives what sends the last one. `rows` are not to be
 * empty, nor to be changed before `onResult` has been called.
 */
export const beginBulk = (
  connection: Driver.Connection,
  statement: { readonly id: number; readonly parameters: ReadonlyArray<Parameter> },
  rows: ReadonlyArray<Uint8Array>,
  onResult: (error: unknown, inserted?: Inserted) => void
): (() => void) => {
  const length = rows.reduce((sum, { length }) => sum + length, 0)
  const command = new BulkExecute([head(statement.id, statement.parameters, length), ...rows], onResult)
  internals(connection).addCommand(command)
  return () => command.release()
}
