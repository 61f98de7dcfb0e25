// Requests at a fixed rate over kept connections. Latency counts from the moment a request was due, so that a slow server can't hide.
import { readFileSync } from "node:fs"
import { Agent, get } from "node:http"

const { pathsFile, rate, seconds, url } = JSON.parse(process.argv[2])
const paths = readFileSync(pathsFile, "utf8").trim().split("\n")
const agent = new Agent({ keepAlive: true, maxSockets: 256 })
const { hostname, port } = new URL(url)

const total = rate * seconds
const waited = []
let sent = 0
let failed = 0
const start = performance.now() + 100

await new Promise((resolve) => {
  const settle = () => waited.length + failed === total && resolve()
  const send = (dueMs) => {
    const path = paths[Math.floor(Math.random() * paths.length)]
    get({ hostname, port, path, agent, timeout: 10_000 }, (response) => {
      response.resume()
      response.on("end", () => {
        if (response.statusCode === 200) waited.push(performance.now() - dueMs)
        else failed++
        settle()
      })
    }).on("error", () => {
      failed++
      settle()
    })
  }
  const tick = () => {
    const due = Math.min(total, Math.floor(((performance.now() - start) * rate) / 1000))
    while (sent < due) send(start + (++sent * 1000) / rate)
    if (sent < total) setTimeout(tick, 1)
  }
  tick()
})
agent.destroy()
waited.sort((a, b) => a - b)
const at = (share) => waited[Math.max(0, Math.ceil(waited.length * share) - 1)]
const load = { requests: total, seconds: (performance.now() - start) / 1000, p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99) }
console.log(`RESULT ${JSON.stringify({ ...load, failed })}`)
