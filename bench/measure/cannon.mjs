// The same work as join.lua, look.lua and order.lua, for machines without wrk.
import { readFileSync } from "node:fs"
import autocannon from "autocannon"

const { connections, seconds, url, work } = JSON.parse(process.argv[2])

let n = 0
const join = (request) => ({ ...request, body: JSON.stringify({ userId: `${work.userPrefix}${++n}` }) })
const paths = work.kind === "look" ? readFileSync(work.pathsFile, "utf8").trim().split("\n") : []
const look = (request) => ({ ...request, path: paths[Math.floor(Math.random() * paths.length)] })

const upTo = (limit) => 1 + Math.floor(Math.random() * limit)
const order = (request) => {
  const line = () => ({ productId: String(upTo(work.products)), quantity: upTo(5) })
  const lines = Array.from({ length: upTo(3) }, line).filter(
    (a, i, all) => all.findIndex((b) => b.productId === a.productId) === i
  )
  const headers = { "content-type": "application/json", "idempotency-key": `${work.keyPrefix}${++n}` }
  return { ...request, headers, body: JSON.stringify({ customerId: String(upTo(work.customers)), lines }) }
}

const requests = {
  join: [{ method: "POST", path: work.path, headers: { "content-type": "application/json" }, setupRequest: join }],
  look: [{ method: "GET", setupRequest: look }],
  order: [{ method: "POST", path: "/orders", setupRequest: order }]
}[work.kind]

const run = autocannon({ url, connections, duration: seconds, requests })
const answered = []
run.on("response", (_client, _status, _bytes, ms) => answered.push(ms))
const result = await run
answered.sort((a, b) => a - b)
const at = (share) => answered[Math.ceil(answered.length * share) - 1]
const { errors, timeouts, non2xx, duration } = result
const load = { requests: result.requests.total, seconds: duration, p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99) }
console.log(`RESULT ${JSON.stringify({ ...load, failed: errors + timeouts + non2xx })}`)
