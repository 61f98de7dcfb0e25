import { randomUUID } from "node:crypto"
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join as path } from "node:path"
import type { CampaignView } from "@sluice/domain"
import { join, judge, waitForAll } from "@sluice/testkit/crowd"
import { freshDatabase } from "@sluice/testkit/database"
import { clusterEnv, isLive, liveUrl } from "@sluice/testkit/live"
import { call, eventually, type SluiceProcess, startSluice, stopAll } from "@sluice/testkit/processes"
import { Redis } from "ioredis"
import { afterEach, assert, describe, it } from "vitest"

afterEach(stopAll)

const start = (roles: string, env: Record<string, string> = {}) =>
  startSluice({
    args: ["serve", "--roles", roles],
    env: { ...clusterEnv(), SLUICE_DATA_DIR: mkdtempSync(path(tmpdir(), "sluice-e2e-")), ...env }
  })

const newId = (name: string) => `${name}-${randomUUID().slice(0, 8)}`
const view = async (url: string, id: string) => (await call<CampaignView>(`${url}/campaigns/${id}`)).body

const settledAs = (url: string, id: string, stock: number) =>
  eventually(`${id} is issued and settled`, async () => {
    const { dead, issued, issuing, remaining } = await view(url, id)
    return issued === stock && issuing === 0 && remaining === 0 && dead === 0
  })

const withRedis = async <A>(use: (redis: Redis) => Promise<A>) => {
  const redis = new Redis(liveUrl("SLUICE_REDIS_URL"))
  try {
    return await use(redis)
  } finally {
    redis.disconnect()
  }
}

describe.runIf(isLive())("real servers, a process for each role", () => {
  it("two gateways, with issuer and admission killed and started again in the middle of a drop", async () => {
    const [one, two] = await Promise.all([start("gateway"), start("gateway")])
    const urls = [one.url, two.url]
    const roles = { issuer: await start("issuer"), admission: await start("admission") }
    const restart = async (role: keyof typeof roles) => {
      await roles[role].kill("SIGKILL")
      roles[role] = await start(role)
    }
    const id = newId("killed")
    await call(`${one.url}/campaigns`, "POST", { id, name: "Killed", stock: 300, ratePerSecond: 100, paused: true }, true)
    const members = await join(urls, id, 1000)
    assert.deepStrictEqual(
      members.map(({ place }) => place),
      members.map((_, i) => i + 1)
    )
    await call(`${two.url}/campaigns/${id}`, "PATCH", { paused: false }, true)
    const waiting = waitForAll(urls, id, members, 90_000)
    for (const [issued, role] of [
      [10, "issuer"],
      [60, "admission"],
      [120, "issuer"],
      [180, "admission"]
    ] as const) {
      await eventually(`${issued} issued`, async () => (await view(one.url, id)).issued >= issued)
      await restart(role)
    }
    await waiting
    assert.deepStrictEqual((await judge(two.url, id, 300, members)).broken, [])
    await settledAs(one.url, id, 300)
  })

  it("two admissions and two issuers at once hold the rate and share the work", async () => {
    const [gateway] = await Promise.all([start("gateway"), start("admission,issuer"), start("admission,issuer")])
    const id = newId("rate")
    const stock = 300
    await call(`${gateway.url}/campaigns`, "POST", { id, name: "Rate", stock, ratePerSecond: 60, paused: true }, true)
    const members = await join([gateway.url], id, 400)
    await call(`${gateway.url}/campaigns/${id}`, "PATCH", { paused: false }, true)
    const taken: Array<{ readonly at: number; readonly n: number }> = []
    await eventually("sold out", async () => {
      const asked = Date.now()
      const { remaining, state } = await view(gateway.url, id)
      taken.push({ at: asked, n: stock - remaining })
      return state === "sold_out"
    })
    for (const [i, from] of taken.entries()) {
      // Within a second at most rate + a tenth of it; what the room counted lies between two answers, hence the next answer's time.
      const to = taken.findLast(({ at }) => at - (taken[i + 1]?.at ?? from.at) <= 1000) ?? from
      assert.isAtMost(to.n - from.n, 60 + 6 + 6, `from ${from.n} to ${to.n}`)
    }
    await waitForAll([gateway.url], id, members)
    assert.deepStrictEqual((await judge(gateway.url, id, stock, members)).broken, [])
  })

  it("Redis flushed under a waiting crowd: first come, first served still holds to the place", async () => {
    const env = { SLUICE_RECOVERY_HOLD: "6 seconds" }
    const [one, two] = await Promise.all([start("gateway,admission,issuer", env), start("gateway", env)])
    const urls = [one.url, two.url]
    const id = newId("flushed")
    await call(`${one.url}/campaigns`, "POST", { id, name: "Flushed", stock: 100, ratePerSecond: 200, paused: true }, true)
    const members = await join(urls, id, 500)
    await withRedis((redis) => redis.flushall())
    await call(`${one.url}/campaigns/${id}`, "PATCH", { paused: false }, true)
    const late = await join(urls, id, 50, "late")
    assert.isTrue(late.every(({ told: [first] }) => first!.state === "waiting"))
    // A member of the crowd looks again when it was told to, and not before. Until then nobody passes, though only newcomers are there.
    const isBack = Date.now() + Math.max(...members.map(({ told }) => told[0]!.pollAfterMs!))
    while (Date.now() < isBack) {
      const { issued, issuing, waiting } = await view(two.url, id)
      assert.deepStrictEqual({ issued, issuing, waiting }, { issued: 0, issuing: 0, waiting: 50 })
    }
    await waitForAll(urls, id, [...members, ...late], 90_000)
    assert.deepStrictEqual((await judge(one.url, id, 100, [...members, ...late])).broken, [])
    assert.isTrue(members.slice(0, 100).every(({ told }) => told.at(-1)!.state === "issued"))
    await settledAs(two.url, id, 100)
  })

  it("Redis flushed in the middle of a drop: what was issued stays, nothing is sold twice, and all is sold", async () => {
    const all = await start("gateway,admission,issuer", { SLUICE_RECOVERY_HOLD: "6 seconds" })
    const id = newId("lost")
    await call(`${all.url}/campaigns`, "POST", { id, name: "Lost", stock: 200, ratePerSecond: 50, paused: true }, true)
    const members = await join([all.url], id, 400)
    await call(`${all.url}/campaigns/${id}`, "PATCH", { paused: false }, true)
    const waiting = waitForAll([all.url], id, members, 90_000)
    await eventually("50 issued", async () => (await view(all.url, id)).issued >= 50)
    assert.isAbove((await view(all.url, id)).remaining, 50)
    await withRedis((redis) => redis.flushall())
    await waiting
    assert.include(all.output(), "lost its state")
    const { broken } = await judge(all.url, id, 200, members)
    assert.deepStrictEqual(broken, [])
    await settledAs(all.url, id, 200)
  })

  it("at each crash point in turn a process dies, another takes over, and nothing is lost", async () => {
    const points = [
      "admission.admitted",
      "admission.published",
      "issuer.received",
      "issuer.inserted",
      "issuer.committed",
      "issuer.settled"
    ]
    const gateway = await start("gateway")
    for (const point of points) {
      const id = newId(point.replace(".", "-"))
      await call(`${gateway.url}/campaigns`, "POST", { id, name: point, stock: 50, ratePerSecond: 200, paused: true }, true)
      const members = await join([gateway.url], id, 80)
      const dying: SluiceProcess = await start("admission,issuer", { SLUICE_CRASH_AT: `${point}:2` })
      await call(`${gateway.url}/campaigns/${id}`, "PATCH", { paused: false }, true)
      assert.strictEqual(await dying.ended, "SIGKILL", point)
      const healed = await start("admission,issuer")
      await waitForAll([gateway.url], id, members, 60_000)
      assert.deepStrictEqual((await judge(gateway.url, id, 50, members)).broken, [], point)
      assert.strictEqual(await healed.kill("SIGTERM"), 0, healed.output())
    }
  })

  it("a process dies while it rebuilds a room that was lost: the next one does it", async () => {
    const database = await freshDatabase(liveUrl("SLUICE_MARIADB_URL"))
    const env = { SLUICE_MARIADB_URL: database.url, SLUICE_RECOVERY_HOLD: "2 seconds" }
    try {
      const die = async (point: string) => {
        const gateway = await start("gateway", { ...env, SLUICE_CRASH_AT: `${point}:2` })
        const id = newId(point.replace(".", "-"))
        await call(`${gateway.url}/campaigns`, "POST", { id, name: point, stock: 50, ratePerSecond: 200, paused: true }, true)
        const members = await join([gateway.url], id, 80)
        await withRedis((redis) => redis.del(...["c", "w", "s", "u", "d", "f"].map((part) => `sluice:{${id}}:${part}`)))
        await call(`${gateway.url}/campaigns/${id}/tickets`, "POST", { userId: "notices" }).catch(() => {})
        assert.strictEqual(await gateway.ended, "SIGKILL", point)
        return { point, id, members }
      }
      const left = await Promise.all([die("recovery.fenced"), die("recovery.loaded")])
      const { url } = await start("gateway,admission,issuer", env)
      await Promise.all(
        left.map(async ({ id, members, point }) => {
          await call(`${url}/campaigns/${id}`, "PATCH", { paused: false }, true)
          await waitForAll([url], id, members)
          assert.deepStrictEqual((await judge(url, id, 50, members)).broken, [], point)
        })
      )
    } finally {
      await stopAll()
      await database.drop()
    }
  })

  it("three copies of everything started at once on an empty database share it", async () => {
    const database = await freshDatabase(liveUrl("SLUICE_MARIADB_URL"))
    const env = { SLUICE_MARIADB_URL: database.url }
    try {
      const copies = await Promise.all([0, 1, 2].map(() => start("gateway,admission,issuer", env)))
      const urls = copies.map(({ url }) => url)
      const id = newId("copies")
      await call(`${urls[0]}/campaigns`, "POST", { id, name: "Copies", stock: 60, ratePerSecond: 500, paused: true }, true)
      const members = await join(urls, id, 200)
      await call(`${urls[2]}/campaigns/${id}`, "PATCH", { paused: false }, true)
      await waitForAll(urls, id, members)
      assert.deepStrictEqual((await judge(urls[1]!, id, 60, members)).broken, [])
    } finally {
      await stopAll()
      await database.drop()
    }
  })
})
