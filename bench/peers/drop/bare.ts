/**
 * The entrance of a waiting room with nothing on top: node:http and ioredis. A competent peer: a place is the next number of a sequence,
 * asking again keeps it, and the answer carries the position. WAY: `single`, one call of Redis a request; `batched`, one script call for all
 * requests of a turn of the event loop.
 *
 * It has no ticket to sign, no campaign to look up, no limits, and no second engine: what stands above it in a figure is the price of those.
 */
import { createServer } from "node:http"
import { Redis } from "ioredis"

const redis = new Redis(process.env.REDIS_URL!, { enableAutoPipelining: false })
redis.on("error", () => {})

const place = `
  local function place(user)
    local seq = redis.call("ZSCORE", KEYS[1], user)
    if not seq then
      seq = redis.call("INCR", KEYS[2])
      redis.call("ZADD", KEYS[1], "NX", seq, user)
    end
    return redis.call("ZRANK", KEYS[1], user)
  end`
const each = (call: string) => `
  local reply = {}
  for i, user in ipairs(ARGV) do reply[i] = ${call} end
  return reply`
redis.defineCommand("joinOne", { numberOfKeys: 2, lua: `${place} return place(ARGV[1])` })
redis.defineCommand("joinAll", { numberOfKeys: 2, lua: place + each("place(user)") })
redis.defineCommand("lookAll", { numberOfKeys: 1, lua: each(`redis.call("ZRANK", KEYS[1], user)`) })

type Rank = number | null
type Ask = (campaign: string, user: string) => Promise<Rank>
type Call = (campaign: string, users: ReadonlyArray<string>) => Promise<ReadonlyArray<Rank>>

const roomOf = (campaign: string) => `bare:{${campaign}}:room`
const seqOf = (campaign: string) => `bare:{${campaign}}:seq`
const scripts = redis as unknown as {
  readonly joinOne: (room: string, seq: string, user: string) => Promise<Rank>
  readonly joinAll: (room: string, seq: string, ...users: ReadonlyArray<string>) => Promise<ReadonlyArray<Rank>>
  readonly lookAll: (room: string, ...users: ReadonlyArray<string>) => Promise<ReadonlyArray<Rank>>
}

interface Batch {
  readonly users: Array<string>
  readonly told: Array<(rank: Rank | PromiseLike<Rank>) => void>
}

const batched = (call: Call): Ask => {
  const batches = new Map<string, Batch>()
  const flush = () => {
    for (const [campaign, { told, users }] of batches) {
      const answers = call(campaign, users)
      answers.then(
        (all) => all.forEach((rank, i) => told[i]!(rank)),
        (error) => told.forEach((tell) => tell(Promise.reject(error)))
      )
    }
    batches.clear()
  }
  return (campaign, user) =>
    new Promise((tell) => {
      if (batches.size === 0) setImmediate(flush)
      const batch = batches.get(campaign) ?? { users: [], told: [] }
      batches.set(campaign, batch)
      batch.users.push(user)
      batch.told.push(tell)
    })
}

const ways: Record<string, { readonly join: Ask; readonly look: Ask }> = {
  single: {
    join: (campaign, user) => scripts.joinOne(roomOf(campaign), seqOf(campaign), user),
    look: (campaign, user) => redis.zrank(roomOf(campaign), user)
  },
  batched: {
    join: batched((campaign, users) => scripts.joinAll(roomOf(campaign), seqOf(campaign), ...users)),
    look: batched((campaign, users) => scripts.lookAll(roomOf(campaign), ...users))
  }
}
const { join, look } = ways[process.env.WAY!]!

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

  if (req.method === "GET" && userId !== undefined) {
    look(campaign, userId).then(
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
    join(campaign, userId).then((rank) => send(202, { userId, state: "waiting", position: rank! + 1 }), failed)
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
