import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join as path } from "node:path"
import type { CampaignView } from "@sluice/domain"
import { join, judge, waitForAll } from "@sluice/testkit/crowd"
import { call, eventually, freePort, type SluiceProcess, startSluice, stopAll } from "@sluice/testkit/processes"
import { afterEach, assert, describe, it } from "vitest"

afterEach(stopAll)

const dataDir = () => mkdtempSync(path(tmpdir(), "sluice-e2e-"))
const viewOf = async (url: string, id: string) => (await call<CampaignView>(`${url}/campaigns/${id}`)).body

describe("the embedded engines", () => {
  it("a crowd of 2,000 joins a paused campaign with exact places, and the first 300 get the serials of their places", async () => {
    const { url } = await startSluice({ env: { SLUICE_DATA_DIR: dataDir() } })
    const made = await call(
      `${url}/campaigns`,
      "POST",
      { id: "sale", name: "Sale", stock: 300, ratePerSecond: 2000, paused: true },
      true
    )
    assert.strictEqual(made.status, 201)
    const members = await join([url], "sale", 2000)
    assert.deepStrictEqual(
      members.map(({ place }) => place),
      members.map((_, i) => i + 1)
    )
    await call(`${url}/campaigns/sale`, "PATCH", { paused: false }, true)
    await waitForAll([url], "sale", members)
    const { broken, issued } = await judge(url, "sale", 300, members)
    assert.deepStrictEqual(broken, [])
    assert.deepStrictEqual(
      issued.map(({ told }) => told.at(-1)!.serial),
      issued.map(({ place }) => place)
    )
  })

  it("who comes when all is gone is told at once, without a ticket", async () => {
    const { url } = await startSluice({ env: { SLUICE_DATA_DIR: dataDir() } })
    await call(`${url}/campaigns`, "POST", { id: "sale", name: "Sale", stock: 20, ratePerSecond: 500 }, true)
    const members = await join([url], "sale", 20)
    await waitForAll([url], "sale", members)
    const late = await join([url], "sale", 20, "late")
    for (const { ticket, told } of late)
      assert.deepStrictEqual({ ticket, state: told.at(-1)!.state }, { ticket: null, state: "sold_out" })
    assert.deepStrictEqual((await judge(url, "sale", 20, [...members, ...late])).broken, [])
  })

  it("killed three times under the crowd and started again on the same data, it keeps every promise", async () => {
    const port = await freePort()
    const env = { SLUICE_DATA_DIR: dataDir() }
    let sluice: SluiceProcess = await startSluice({ port, env })
    const { url } = sluice
    const restart = async () => {
      await sluice.kill("SIGKILL")
      sluice = await startSluice({ port, env })
    }
    await call(`${url}/campaigns`, "POST", { id: "sale", name: "Sale", stock: 300, ratePerSecond: 100, paused: true }, true)
    const joining = join([url], "sale", 1200)
    await eventually("400 joined", async () => (await viewOf(url, "sale")).waiting >= 400)
    await restart()
    const members = await joining
    await call(`${url}/campaigns/sale`, "PATCH", { paused: false }, true)
    const waiting = waitForAll([url], "sale", members, 120_000)
    for (const issued of [20, 160]) {
      await eventually(`${issued} issued`, async () => (await viewOf(url, "sale")).issued >= issued)
      await restart()
    }
    await waiting
    const { broken } = await judge(url, "sale", 300, members)
    assert.deepStrictEqual(broken, [])
    const { body } = await call<CampaignView>(`${url}/campaigns/sale`)
    assert.deepInclude(body, { issued: 300, remaining: 0, issuing: 0, dead: 0, state: "sold_out" })
  })

  it("at each crash point in turn it dies and loses nothing", async () => {
    const points = [
      "admission.admitted",
      "admission.published",
      "issuer.received",
      "issuer.inserted",
      "issuer.committed",
      "issuer.settled"
    ]
    const port = await freePort()
    const env = { SLUICE_DATA_DIR: dataDir() }
    for (const point of points) {
      const dying = await startSluice({ port, env: { ...env, SLUICE_CRASH_AT: `${point}:2` } })
      const id = point.replace(".", "-")
      await call(`${dying.url}/campaigns`, "POST", { id, name: point, stock: 50, ratePerSecond: 200, paused: true }, true)
      const members = await join([dying.url], id, 80)
      await call(`${dying.url}/campaigns/${id}`, "PATCH", { paused: false }, true).catch(() => {})
      assert.strictEqual(await dying.ended, "SIGKILL", point)
      const healed = await startSluice({ port, env })
      await waitForAll([healed.url], id, members)
      assert.deepStrictEqual((await judge(healed.url, id, 50, members)).broken, [], point)
      assert.strictEqual(await healed.kill("SIGTERM"), 0)
    }
  })

  it("a second process on the same data folder refuses and says why", async () => {
    const env = { SLUICE_DATA_DIR: dataDir() }
    await startSluice({ env })
    const second = await startSluice({ env, noWait: true })
    assert.strictEqual(await second.ended, 2)
    assert.include(second.output(), "another Sluice runs on it")
  })
})
