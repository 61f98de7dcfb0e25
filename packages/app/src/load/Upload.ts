/** The body of a request as a source: read as fast as it is used, no longer than allowed, and known to be whole or not. */
import type { IncomingMessage } from "node:http"
import { type Duplex, Readable } from "node:stream"
import { Effect } from "effect"

export interface Upload {
  readonly readable: Readable
  /** Completes when the whole body has arrived; never where it does not. */
  readonly received: Effect.Effect<void>
  readonly isTooLarge: () => boolean
  /** Takes what is left of the body and forgets it; never completes where the client has gone. */
  readonly drain: Effect.Effect<void>
}

export const uploadOf = (request: IncomingMessage, maxBytes: number): Upload => {
  const whole = Promise.withResolvers<void>()
  let length = 0
  let isWanted = true
  const readable = new Readable({
    highWaterMark: 256 * 1024,
    read: () => void request.resume(),
    destroy: (error, done) => {
      isWanted = false
      done(error)
    }
  })
  // Who reads it is told by its iterator; nobody may be reading any more.
  readable.on("error", () => {})
  request.pause()
  request
    .on("data", (part: Uint8Array) => {
      length += part.length
      if (length > maxBytes) readable.destroy(new Error(`an upload holds at most ${maxBytes} bytes`))
      if (isWanted && !readable.push(part)) request.pause()
    })
    .on("end", () => {
      whole.resolve()
      if (isWanted) readable.push(null)
    })
    .on("close", () => {
      if (!request.complete && isWanted) readable.destroy(new Error("it ended in its middle; send it again under the same job"))
    })
    .on("error", () => {})
  return {
    readable,
    isTooLarge: () => length > maxBytes,
    received: Effect.promise(() => whole.promise),
    drain: Effect.suspend(() => {
      isWanted = false
      request.resume()
      return Effect.promise(() => whole.promise)
    })
  }
}

const unhurried = new WeakSet<Duplex>()

/**
 * A body may take as long as its rows need: the server's time for a whole request does not count for it, silence does. Node has one time
 * for all requests and tells a connection once; who is told asks `isUnhurried` first.
 */
export const withoutDeadline = (request: IncomingMessage, idleMs: number): void => {
  const { socket } = request
  unhurried.add(socket)
  request.once("close", () => unhurried.delete(socket))
  socket.setTimeout(idleMs)
}

export const isUnhurried = (socket: Duplex): boolean => unhurried.has(socket)
