// The same work as join.lua and look.lua, for machines without wrk.
import { readFileSync } from "node:fs"
import autocannon from "autocannon"

const { connections, seconds, url, work } = JSON.parse(process.argv[2])

let n = 0
const join = (request) => ({ ...request, body: JSON.stringify({ userId: `${work.userPrefix}${++n}` }) })
const paths = work.kind === "look" ? readFileSync(work.pathsFile, "utf8").trim().split("\n") : []
const look = (request) => ({ ...request, path: paths[Math.floor(Math.random() * paths.length)] })

const requests =
  work.kind === "join"
    ? [{ method: "POST", path: work.path, headers: { "content-type": "application/json" }, setupRequest: join }]
    : [{ method: "GET", setupRequest: look }]

const result = await autocannon({ url, connections, duration: seconds, requests })
const { latency, errors, timeouts, non2xx, duration } = result
const load = { requests: result.requests.total, seconds: duration, p50Ms: latency.p50, p99Ms: latency.p99 }
console.log(`RESULT ${JSON.stringify({ ...load, failed: errors + timeouts + non2xx })}`)
