import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join as path } from "node:path"
import { joinAndWait, makeClient, SluiceProblem, type Ticket, ticketKey } from "@sluice/client"
import { join } from "@sluice/testkit/crowd"
import { adminKey, eventually, type SluiceProcess, startSluice, stopAll } from "@sluice/testkit/processes"
import { afterAll, afterEach, assert, beforeEach, describe, it } from "vitest"

const folders: Array<string> = []
let dataDir: string
let sluice: SluiceProcess

const start = async (port?: number) => {
  sluice = await startSluice({ env: { SLUICE_DATA_DIR: dataDir }, ...(port !== undefined && { port }) })
  return sluice.url
}

beforeEach(async () => {
  dataDir = mkdtempSync(path(tmpdir(), "sluice-join-"))
  folders.push(dataDir)
  await start()
})
afterEach(stopAll)
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

const admin = () => makeClient({ baseUrl: sluice.url, token: adminKey }).admin
const campaign = (id: string, stock: number) => ({ id, name: id, stock, ratePerSecond: 500, paused: true })
const open = (id: string) => admin().campaigns.change(id, { paused: false })

/** As `localStorage`, and what was told on the way. */
const user = (campaignId: string, userId: string, kept = new Map<string, string>()) => {
  const told: Array<Ticket> = []
  const troubles: Array<Error> = []
  const storage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key)
  }
  const wait = (signal?: AbortSignal) =>
    joinAndWait({
      baseUrl: sluice.url,
      campaignId,
      userId,
      storage,
      signal,
      onState: (ticket) => told.push(ticket),
      onTrouble: (error) => troubles.push(error)
    })
  const waits = () => eventually("waiting", async () => told.at(-1)?.state === "waiting", 20_000)
  return { kept, told, troubles, wait, waits }
}

describe("joinAndWait against a server", () => {
  it("follows a place to the coupon, told each change once", async () => {
    await admin().campaigns.create(campaign("sale", 3))
    await join([sluice.url], "sale", 2)
    const me = user("sale", "me")
    const waiting = me.wait()
    await me.waits()
    assert.strictEqual(me.told[0]!.position, 3)
    await open("sale")
    const outcome = await waiting
    const [coupon] = await makeClient({ baseUrl: sluice.url }).coupons("me")
    assert.deepStrictEqual(outcome, { state: "issued", serial: 3, code: coupon!.code })
    assert.strictEqual(me.told.at(-1)!.state, "issued")
    assert.strictEqual(new Set(me.told.map((ticket) => JSON.stringify(ticket))).size, me.told.length)
  })

  it("survives a kill -9 of the server under way, and has the place it had", async () => {
    await admin().campaigns.create(campaign("sale", 3))
    await join([sluice.url], "sale", 2)
    const me = user("sale", "me")
    const waiting = me.wait()
    await me.waits()
    const port = Number(new URL(sluice.url).port)
    await sluice.kill("SIGKILL")
    await eventually("it noticed", async () => me.troubles.length > 0, 20_000)
    await start(port)
    // Who comes while it is away from the server stands behind it.
    await join([sluice.url], "sale", 3, "late")
    await open("sale")
    assert.deepInclude(await waiting, { state: "issued", serial: 3 })
    assert.deepStrictEqual(new Set(me.troubles.map(({ name }) => name)), new Set(["SluiceUnreachable"]))
  })

  it("an abort ends the waiting with its reason, and a second call takes the old place back", async () => {
    await admin().campaigns.create(campaign("sale", 1))
    const me = user("sale", "me")
    const stop = new AbortController()
    const waiting = me.wait(stop.signal)
    await me.waits()
    const reason = new Error("the tab was closed")
    stop.abort(reason)
    assert.strictEqual(await waiting.catch((error) => error), reason)
    await join([sluice.url], "sale", 2)
    const again = user("sale", "me", me.kept)
    const back = again.wait()
    await again.waits()
    assert.strictEqual(again.told[0]!.ticket, me.told[0]!.ticket)
    assert.strictEqual(again.told[0]!.position, 1)
    await open("sale")
    assert.deepInclude(await back, { state: "issued", serial: 1 })
    const stopped = AbortSignal.abort(reason)
    assert.strictEqual(
      await user("sale", "other")
        .wait(stopped)
        .catch((error) => error),
      reason
    )
  })

  it("a forged ticket, and one of somebody else's campaign, are thrown away: the user's own place counts", async () => {
    await admin().campaigns.create(campaign("sale", 2))
    await admin().campaigns.create(campaign("other", 2))
    const first = await makeClient({ baseUrl: sluice.url }).tickets.join("sale", "me")
    await join([sluice.url], "sale", 2)
    const foreign = await makeClient({ baseUrl: sluice.url }).tickets.join("other", "me")
    const [head, payload] = first.ticket!.split(".")
    const forged = [`${head}.${payload}.AAAA`, `${head}.${payload}.`, foreign.ticket!, "not a ticket", "x".repeat(3000)]
    for (const text of forged) {
      const me = user("sale", "me", new Map([[ticketKey("sale", "me"), text]]))
      const stop = new AbortController()
      const waiting = me.wait(stop.signal)
      await me.waits()
      stop.abort()
      await waiting.catch(() => {})
      assert.strictEqual(me.told[0]!.position, 1)
      assert.strictEqual(me.kept.get(ticketKey("sale", "me")), me.told[0]!.ticket)
    }
  })

  it("ends with sold_out for who waits and for who comes later, closed, left", async () => {
    await admin().campaigns.create(campaign("sale", 2))
    await join([sluice.url], "sale", 2)
    const me = user("sale", "me")
    const waiting = me.wait()
    await me.waits()
    await open("sale")
    assert.deepStrictEqual(await waiting, { state: "sold_out" })
    assert.deepStrictEqual(await user("sale", "later").wait(), { state: "sold_out" })

    const { tickets } = makeClient({ baseUrl: sluice.url })
    await admin().campaigns.create(campaign("leaving", 2))
    const leaver = user("leaving", "me")
    const leaving = leaver.wait()
    await leaver.waits()
    await tickets.leave("leaving", leaver.told[0]!.ticket!)
    assert.deepStrictEqual(await leaving, { state: "left" })
    assert.strictEqual(leaver.kept.size, 0)

    await admin().campaigns.create(campaign("closing", 2))
    const waiter = user("closing", "me")
    const closing = waiter.wait()
    await waiter.waits()
    await admin().campaigns.change("closing", { closesAt: new Date(Date.now() + 500).toISOString() })
    assert.deepStrictEqual(await closing, { state: "closed" })
    assert.deepStrictEqual(await user("closing", "later").wait(), { state: "closed" })
  })

  it("rejects with what asking again can't change", async () => {
    const unknown = await user("nothing", "me")
      .wait()
      .catch((error) => error)
    assert.isTrue(SluiceProblem.is(unknown, "campaign_not_found"))
    assert.deepInclude({ ...unknown }, { status: 404, type: "urn:sluice:problem:campaign_not_found", errors: [] })
    const bad = await user("nothing", "no spaces")
      .wait()
      .catch((error) => error)
    assert.isTrue(SluiceProblem.is(bad, "bad_request"))
    assert.strictEqual(bad.errors[0].path, "userId")
    await admin().campaigns.create({ ...campaign("tomorrow", 1), opensAt: new Date(Date.now() + 86_400_000).toISOString() })
    assert.isTrue(
      SluiceProblem.is(
        await user("tomorrow", "me")
          .wait()
          .catch((error) => error),
        "not_open"
      )
    )
  })
})
