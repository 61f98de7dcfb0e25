// New orders at a fixed rate; each is asked for in the version that its answer named as soon as that answer is here. The lag is the time
// from the one answer to the other, as a client sees it: what is on its way between them counts in.
import { Agent, request } from "node:http"

const { customers, keyPrefix, products, rate, seconds, url } = JSON.parse(process.argv[2])
const agent = new Agent({ keepAlive: true, maxSockets: 512 })
const { hostname, port } = new URL(url)

const call = (method, path, body, headers = {}) =>
  new Promise((resolve, reject) => {
    const sent = request({ hostname, port, path, method, agent, headers, timeout: 10_000 }, (response) => {
      let text = ""
      response.setEncoding("utf8").on("data", (part) => {
        text += part
      })
      response.on("end", () => resolve({ status: response.statusCode, text }))
    })
    sent.on("error", reject)
    sent.end(body)
  })

const upTo = (limit) => 1 + Math.floor(Math.random() * limit)
const total = rate * seconds
const lags = []
const reasons = []
let n = 0
const one = async () => {
  const lines = Array.from({ length: upTo(3) }, () => ({ productId: String(upTo(products)), quantity: upTo(5) }))
  const body = JSON.stringify({ customerId: String(upTo(customers)), lines })
  const headers = { "content-type": "application/json", "idempotency-key": `${keyPrefix}${++n}` }
  const placed = await call("POST", "/orders", body, headers)
  if (placed.status !== 201) throw new Error(`POST ${placed.status} ${placed.text}`)
  const answeredAt = performance.now()
  const { orderId, version } = JSON.parse(placed.text)
  const read = await call("GET", `/orders/${orderId}?version=${version}`)
  if (read.status !== 200) throw new Error(`GET ${read.status} ${read.text}`)
  lags.push(performance.now() - answeredAt)
}

const start = performance.now() + 100
let sent = 0
await new Promise((resolve) => {
  const settle = () => lags.length + reasons.length === total && resolve()
  const tick = () => {
    const due = Math.min(total, Math.floor(((performance.now() - start) * rate) / 1000))
    while (sent < due) {
      sent++
      one().then(settle, (error) => {
        reasons.push(error.message)
        settle()
      })
    }
    if (sent < total) setTimeout(tick, 1)
  }
  tick()
})
agent.destroy()
lags.sort((a, b) => a - b)
const at = (share) => lags[Math.max(0, Math.ceil(lags.length * share) - 1)]
if (reasons.length > 0) console.log(`${reasons.length} failed, the first: ${reasons[0]}`)
const load = { requests: total, seconds: (performance.now() - start) / 1000, p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99) }
console.log(`RESULT ${JSON.stringify({ ...load, failed: reasons.length })}`)
