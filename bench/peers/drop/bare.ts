/**
 * The entrance of a waiting room with nothing on top: node:http, ioredis, and one script call a request. A competent peer: a place is the
 * next number of a sequence, asking again keeps it, and the answer carries the position.
 *
 * It has no ticket to sign, no campaign to look up, no limits, and no second engine: what stands above it in a figure is the price of those.
 */
import { createServer } from "node:http"
import { Redis } from "ioredis"

const redis = new Redis(process.env.REDIS_URL!, { enableAutoPipelining: false })
redis.on("error", () => {})

redis.defineCommand("place", {
  numberOfKeys: 2,
  lua: `
    local seq = redis.call("ZSCORE", KEYS[1], ARGV[1])
    if not seq then
      seq = redis.call("INCR", KEYS[2])
      redis.call("ZADD", KEYS[1], "NX", seq, ARGV[1])
    end
    return { tonumber(seq), redis.call("ZRANK", KEYS[1], ARGV[1]) }`
})
const commands = redis as unknown as { place: (room: string, seq: string, userId: string) => Promise<[seq: number, rank: number]> }

const limit = 16 * 1024
const route = /^\/campaigns\/([\w-]+)\/tickets(?:\/([\w.-]+))?$/

const server = createServer((req, res) => {
  const send = (status: number, value: unknown) => {
    const body = JSON.stringify(value)
    res.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(body) })
    res.end(body)
  }
  const failed = () => send(503, { error: "try again" })
  if (req.url === "/health/ready") return send(redis.status === "ready" ? 200 : 503, {})
  const [, campaign, userId] = route.exec(req.url!) ?? []
  if (campaign === undefined) return send(404, { error: "not found" })
  const room = `bare:{${campaign}}:room`

  if (req.method === "GET" && userId !== undefined) {
    redis.zrank(room, userId).then(
      (rank) => (rank === null ? send(404, { error: "not found" }) : send(200, { userId, state: "waiting", position: rank + 1 })),
      failed
    )
    return
  }
  if (req.method !== "POST") return send(405, { error: "not allowed" })
  const chunks: Array<Buffer> = []
  let length = 0
  req.on("data", (chunk: Buffer) => {
    length += chunk.length
    if (length <= limit) chunks.push(chunk)
  })
  req.on("end", () => {
    if (length > limit) return send(413, { error: "too large" })
    let body: { userId?: unknown }
    try {
      body = JSON.parse(Buffer.concat(chunks).toString())
    } catch {
      return send(400, { error: "not JSON" })
    }
    const { userId } = body
    if (typeof userId !== "string" || userId === "" || userId.length > 64) return send(400, { error: "userId" })
    commands.place(room, `bare:{${campaign}}:seq`, userId).then(
      ([seq, rank]) => send(202, { userId, seq, state: "waiting", position: rank + 1 }),
      failed
    )
  })
})

server.listen(Number(process.env.PORT), "127.0.0.1")
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.on(signal, () => {
    server.close()
    server.closeAllConnections()
    redis.disconnect()
  })
}
