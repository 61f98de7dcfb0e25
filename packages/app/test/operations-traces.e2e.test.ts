import { randomUUID } from "node:crypto"
import { mkdtempSync, readFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { clusterEnv, isLive } from "@sluice/testkit/live"
import { call, eventually, startSluice, stopAll } from "@sluice/testkit/processes"
import { afterEach, assert, describe, it } from "vitest"
import { type Collector, newTrace, startCollector, wayTo } from "./operations-collector.ts"

let sent: Collector | undefined
afterEach(async () => {
  await stopAll()
  sent?.close()
})

const start = (collector: string, roles: string) =>
  startSluice({
    args: ["serve", "--roles", roles],
    env: {
      ...clusterEnv(),
      SLUICE_DATA_DIR: mkdtempSync(join(tmpdir(), "sluice-traces-")),
      SLUICE_OTLP_URL: collector,
      SLUICE_TRACE_RATIO: "0"
    }
  })

const traced = (url: string, body: unknown, traceparent: string) =>
  fetch(url, { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json", traceparent } })

describe.runIf(isLive())("traces over processes and real servers", () => {
  it("run from the gateway over Redis, Kafka and the outbox to the coupon and the order view", async () => {
    sent = await startCollector()
    const collector = sent
    const [gateway, ...others] = await Promise.all([
      start(sent.url, "gateway"),
      start(sent.url, "admission,relay"),
      start(sent.url, "issuer,projector")
    ])
    const id = `traces-${randomUUID().slice(0, 8)}`
    await call(`${gateway.url}/campaigns`, "POST", { id, name: "Traces", stock: 5, ratePerSecond: 100 }, true)
    const join = newTrace()
    assert.strictEqual((await traced(`${gateway.url}/campaigns/${id}/tickets`, { userId: "u1" }, join.traceparent)).status, 202)
    const ways = (name: string, { spanId, traceId }: typeof join) => wayTo(name, spanId, collector.of(traceId))
    await eventually("the join is traced to its end", async () => ways("Issuer.issue", join) !== undefined, 30_000)
    assert.deepStrictEqual(ways("Issuer.issue", join), ["POST /campaigns/:id/tickets", "Admission.publish", "Issuer.issue"])
    const rolesOf = (name: string) => sent!.of(join.traceId).find((span) => span.name === name)!.roles
    assert.deepStrictEqual(["POST /campaigns/:id/tickets", "Admission.publish", "Issuer.issue"].map(rolesOf), [
      "gateway",
      "admission,relay",
      "issuer,projector"
    ])

    const address = { street: "Road 1", city: "Town", zipcode: "12345" }
    await call(`${gateway.url}/customers/${id}`, "PUT", { name: "Ann", level: "gold", address }, true)
    await call(`${gateway.url}/products/${id}`, "PUT", { name: "Pot", category: "Kitchen", price: 100 }, true)
    // Several, so that their keys are in several partitions: another process may have some of them.
    const orders = Array.from({ length: 8 }, () => newTrace())
    const body = { customerId: id, lines: [{ productId: id, quantity: 1 }] }
    for (const { traceparent } of orders) {
      assert.strictEqual((await traced(`${gateway.url}/orders`, body, traceparent)).status, 201)
    }
    const seen = () => orders.map((order) => ways("Projector.apply", order)).filter((way) => way !== undefined)
    await eventually("orders are traced to their end", async () => seen().length > 0, 30_000)
    assert.deepStrictEqual(seen()[0], ["POST /orders", "Orders.place", "Relay.publish", "Projector.apply"])

    const page = readFileSync(new URL("../../../docs/reference/metrics.md", import.meta.url), "utf8")
    for (const { url } of [gateway, ...others]) {
      const text = await (await fetch(`${url}/metrics`)).text()
      for (const engine of ["mariadb", "redis", "kafka", "mongodb"]) {
        assert.include(text, `sluice_engine_up{engine="${engine}"} 1`)
      }
      for (const [, name] of text.matchAll(/^# TYPE (\S+) /gm)) assert.include(page, `| \`${name}\` |`)
    }
  })
})
