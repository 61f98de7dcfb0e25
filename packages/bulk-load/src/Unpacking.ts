/**
 * Bytes as they were before gzip or Zstandard packed them, all members and frames of them.
 *
 * Files that `cat`, `pzstd` or an appending writer made hold several frames. Node's gunzip reads on by itself; its Zstandard stream ends
 * with the first frame and says nothing of the rest, so here each frame has a stream of its own.
 */
import { Readable } from "node:stream"
import { createGunzip, createZstdDecompress } from "node:zlib"

export type Bytes = AsyncIterable<Uint8Array>

export type Packing = "gzip" | "zstd"

const gunzipped = (packed: Readable, chunkSize: number): Bytes => {
  const unpacker = createGunzip({ chunkSize })
  packed.on("error", (error) => unpacker.destroy(error))
  return packed.pipe(unpacker)
}

async function* unzstd(packed: Readable, chunkSize: number): Bytes {
  const source = packed[Symbol.asyncIterator]()
  let asked: Promise<IteratorResult<Uint8Array>> | undefined
  let rest: Uint8Array = Buffer.alloc(0)
  let isDone = false
  try {
    while (!isDone || rest.length > 0) {
      const frame = createZstdDecompress({ chunkSize })
      /** What the frame was given and has not used, and where that begins. */
      const given: Array<Uint8Array> = []
      let from = 0
      let isOver = false
      const give = (bytes: Uint8Array) => {
        while (given[0] !== undefined && from + given[0].length <= frame.bytesWritten) from += given.shift()!.length
        given.push(bytes)
        return bytes
      }
      const feed = async function* () {
        if (rest.length > 0) yield give(rest)
        while (!isDone) {
          asked ??= source.next()
          const next = await asked
          if (isOver) return
          asked = undefined
          if (next.done === true) isDone = true
          else yield give(next.value)
        }
      }
      const input = Readable.from(feed(), { objectMode: false })
      input.on("error", (error) => frame.destroy(error))
      input.pipe(frame)
      try {
        for await (const bytes of frame) yield bytes
      } finally {
        isOver = true
        input.destroy()
        frame.destroy()
      }
      rest = Buffer.concat(given).subarray(frame.bytesWritten - from)
    }
  } finally {
    packed.destroy()
  }
}

export const unpacked = (readable: Readable, packing: Packing | undefined, chunkSize: number): Bytes => {
  if (packing === undefined) return readable
  return packing === "gzip" ? gunzipped(readable, chunkSize) : unzstd(readable, chunkSize)
}
