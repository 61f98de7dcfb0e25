import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { makeClient, SluiceProblem, SluiceUnreachable } from "@sluice/client"
import { afterEach, assert, describe, it } from "vitest"
import { eventsOf, parseEvents } from "../src/EventStream.ts"
import { makeSend } from "../src/Http.ts"
import { waitBefore } from "../src/Patience.ts"
import { type Answer, cut, events, json, problem, stub, waiting } from "./stub.ts"

let server: Awaited<ReturnType<typeof stub>> | undefined
afterEach(() => server?.close())

const placed = { orderId: "o1", version: 1, total: 10 }
const order = { customerId: "c1", lines: [{ productId: "p1", quantity: 1 }] }

describe("the client", () => {
  it("places an order under one key, however often it has to ask", async () => {
    server = await stub({ "POST /orders": [cut, problem(409, "order_in_progress"), json(201, placed)] })
    const { orders } = makeClient({ baseUrl: `${server.url}/`, token: () => Promise.resolve("secret") })
    assert.deepStrictEqual(await orders.place(order), placed)
    const keys = server.asked.map(({ headers }) => headers["idempotency-key"])
    assert.match(String(keys[0]), /^[0-9a-f]{32}$/)
    assert.deepStrictEqual(keys, [keys[0], keys[0], keys[0]])
    assert.isTrue(server.asked.every(({ headers }) => headers.authorization === "Bearer secret"))
    await orders.place(order)
    assert.notStrictEqual(server.asked.at(-1)!.headers["idempotency-key"], keys[0])
  })

  it("does not repeat what may have happened", async () => {
    server = await stub({
      "POST /orders/o1/pay": [cut],
      "POST /campaigns": [problem(503, "unavailable", { "retry-after": "7" })]
    })
    const { admin, orders } = makeClient({ baseUrl: server.url })
    assert.instanceOf(await orders.pay("o1").catch((error) => error), SluiceUnreachable)
    const busy = await admin.campaigns.create({ id: "a", name: "a", stock: 1, ratePerSecond: 1 }).catch((error) => error)
    assert.isTrue(SluiceProblem.is(busy, "unavailable"))
    assert.strictEqual(busy.retryAfterMs, 7000)
    assert.lengthOf(server.asked, 2)
  })

  it("gives all orders of all pages, and asks for no page that nobody wants", async () => {
    const page = (ids: ReadonlyArray<string>, nextCursor: string | null) =>
      json(200, { orders: ids.map((orderId) => ({ orderId })), nextCursor })
    server = await stub({
      "GET /customers/a%20b/orders?state=paid&limit=2": [page(["1", "2"], "x+/=")],
      "GET /customers/a%20b/orders?state=paid&limit=2&cursor=x%2B%2F%3D": [page(["3"], null)]
    })
    const { customers } = makeClient({ baseUrl: server.url })
    const ids: Array<string> = []
    for await (const { orderId } of customers.orders("a b", { state: "paid", limit: 2 })) ids.push(orderId)
    assert.deepStrictEqual(ids, ["1", "2", "3"])
    for await (const { orderId } of customers.orders("a b", { state: "paid", limit: 2 })) if (orderId === "2") break
    assert.lengthOf(server.asked, 3)
  })

  it("an answer of something in between is a problem, too", async () => {
    const proxy: Answer = (res) => res.writeHead(403, { "content-type": "text/html" }).end("<h1>Go away</h1>")
    server = await stub({ "GET /campaigns": [proxy] })
    const error = await makeClient({ baseUrl: server.url })
      .campaigns.list()
      .catch((error) => error)
    assert.isTrue(SluiceProblem.is(error, "unknown"))
    assert.deepInclude({ ...error }, { status: 403, title: "Forbidden", type: "about:blank" })
  })

  it("loads nothing but itself", () => {
    const script = `
      import { registerHooks } from "node:module"
      const loaded = []
      registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) })
      await import("@sluice/client")
      console.log(JSON.stringify(loaded))`
    const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
      cwd: fileURLToPath(new URL("..", import.meta.url)),
      encoding: "utf8"
    })
    const loaded: ReadonlyArray<string> = JSON.parse(stdout)
    assert.isAbove(loaded.length, 5)
    assert.deepStrictEqual(
      loaded.filter((url) => !url.includes("/packages/client/src/")),
      []
    )
  })

  it("waits longer and longer, by chance, and as long as it is told", () => {
    assert.deepStrictEqual(
      [0, 1, 2, 10].map((attempt) => waitBefore(attempt, 0, 0)),
      [250, 500, 1000, 7500]
    )
    assert.deepStrictEqual(
      [0, 1, 2, 10].map((attempt) => waitBefore(attempt, 0, 1)),
      [500, 1000, 2000, 15_000]
    )
    assert.strictEqual(waitBefore(0, 60_000, 0), 60_000)
  })

  it("gives up a stream whose server says nothing, at its beginning or later", async () => {
    server = await stub({ "GET /never": [() => {}], "GET /once": [events([waiting(1)], false)] })
    const send = makeSend({ baseUrl: server.url })
    const told: Array<unknown> = []
    for (const path of ["/never", "/once"]) {
      const stream = (async () => {
        for await (const event of eventsOf(send, path, undefined, { firstMs: 300, silentMs: 100 })) told.push(event)
      })()
      assert.instanceOf(await stream.catch((error) => error), SluiceUnreachable)
    }
    assert.deepStrictEqual(told, [waiting(1)])
  })

  it("watches on after a break, and gives up where nobody answers", async () => {
    const campaign =
      (state: string): Answer =>
      (res) =>
        void res.writeHead(200, { "content-type": "text/event-stream" }).end(`data: {"state":"${state}"}\n\n`)
    server = await stub({
      "GET /campaigns/a/events": [campaign("open"), cut, campaign("closed")],
      "GET /campaigns/b/events": [cut]
    })
    const { campaigns } = makeClient({ baseUrl: server.url, attempts: 2 })
    const states: Array<string> = []
    for await (const { state } of campaigns.watch("a")) states.push(state)
    assert.deepStrictEqual(states, ["open", "closed"])
    assert.instanceOf(
      await campaigns
        .watch("b")
        .next()
        .catch((error) => error),
      SluiceUnreachable
    )
    assert.lengthOf(server.of("GET /campaigns/b/events"), 2)
  })

  it("reads event streams whatever they are cut into", () => {
    const text = ':\n\nretry: 2000\n\ndata: {"a":1}\n\nevent: x\r\ndata:one\r\ndata: two\r\n\r\ndata: rest'
    const whole = parseEvents(text)
    assert.deepStrictEqual(whole, { data: ['{"a":1}', "one\ntwo"], rest: "data: rest" })
    for (let at = 0; at <= text.length; at++) {
      const head = parseEvents(text.slice(0, at))
      const tail = parseEvents(head.rest + text.slice(at))
      assert.deepStrictEqual([...head.data, ...tail.data], whole.data)
    }
  })
})
