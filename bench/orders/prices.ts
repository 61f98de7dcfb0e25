/** What a view costs who writes: orders a second with relay and projector beside and without, and how late a reader sees an order. */
import { median } from "../measure/figures.ts"
import { type Generator, lag } from "../measure/generator.ts"
import { cores, cpuSeconds, type Pinned } from "../measure/pinned.ts"
import { item, user } from "./model.ts"
import { adminKey, createDatabase, type Middle, type Place, startServing } from "./ours.ts"
import { medianSample, type ReadOptions, type Sample } from "./reads.ts"
import type { Price } from "./report.ts"

const shop = { customers: 2000, products: 1000 }
const ordersASecond = 500

const inParallel = async (count: number, one: (id: number) => Promise<void>, width = 32) => {
  let next = 0
  await Promise.all(
    Array.from({ length: width }, async () => {
      while (next < count) await one(++next)
    })
  )
}

const furnish = async ({ url }: Pinned) => {
  const put = async (path: string, body: unknown) => {
    const headers = { "content-type": "application/json", authorization: `Bearer ${adminKey}` }
    const response = await fetch(`${url}${path}`, { method: "PUT", headers, body: JSON.stringify(body) })
    if (response.status !== 200) throw new Error(`PUT ${path}: ${response.status} ${await response.text()}`)
    await response.arrayBuffer()
  }
  await inParallel(shop.customers, (id) => {
    const { city, level, name, street, zipcode } = user(id)
    return put(`/customers/${id}`, { name, level, address: { street, city, zipcode } })
  })
  await inParallel(shop.products, (id) => {
    const { category, name, price } = item(id)
    return put(`/products/${id}`, { name, category: `Category ${category}`, price })
  })
}

/** Returns when an order placed now can be read: nothing that was placed before is still on its way. */
const caughtUp = async ({ url }: Pinned): Promise<void> => {
  const body = JSON.stringify({ customerId: "1", lines: [{ productId: "1", quantity: 1 }] })
  const placed = await fetch(`${url}/orders`, { method: "POST", headers: { "content-type": "application/json" }, body })
  const { orderId } = (await placed.json()) as { readonly orderId: string }
  const until = Date.now() + 120_000
  while (Date.now() < until) {
    const read = await fetch(`${url}/orders/${orderId}?version=1`)
    await read.arrayBuffer()
    if (read.status === 200) return
  }
  throw new Error("the view does not catch up")
}

export interface PriceOptions {
  readonly running: Place
  readonly stopped: Place
  readonly title: string
  readonly middle: Middle
  readonly generator: Generator
  readonly enginePid: number | undefined
  readonly reading: ReadOptions
  readonly quick: boolean
  readonly say: (text: string) => void
}

export const measurePrice = async (options: PriceOptions): Promise<Price> => {
  const { enginePid, generator, middle, quick, reading, running, say, stopped, title } = options
  const { connections, rounds, seconds } = reading
  const servers: Array<Pinned> = []
  try {
    const start = async (place: Place, roles: string) => {
      await createDatabase(place)
      const server = await startServing(place, middle, roles)
      servers.push(server)
      await furnish(server)
      return server
    }
    const whole = await start(running, "gateway,relay,projector")
    const writer = running.view === "sqlite" ? undefined : await start(stopped, "gateway")
    let run = 0
    const place = async (server: Pinned, forSeconds: number): Promise<Sample> => {
      const work = { kind: "order", keyPrefix: `${server.pid}-${++run}-`, ...shop } as const
      const used = () => [cpuSeconds(server.pid), enginePid === undefined ? 0 : cpuSeconds(enginePid)] as const
      const before = used()
      const {
        p50Ms,
        p95Ms,
        p99Ms,
        requests,
        seconds: took
      } = await generator.run(server.url, work, connections, forSeconds, cores?.rest)
      const after = used()
      const micros = (i: 0 | 1) => ((after[i] - before[i]) * 1e6) / requests
      return { rps: requests / took, p50Ms, p95Ms, p99Ms, serverMicros: micros(0), engineMicros: micros(1) }
    }
    const writes: Array<Sample> = []
    const alone: Array<Sample> = []
    await place(whole, seconds)
    if (writer !== undefined) await place(writer, seconds)
    await caughtUp(whole)
    const orders = { keyPrefix: `lag-${whole.pid}-`, ...shop }
    await lag(whole.url, { ...orders, keyPrefix: `warm-${whole.pid}-` }, ordersASecond, 2, cores?.rest)
    const seen = await lag(whole.url, orders, ordersASecond, quick ? 3 : 10, cores?.rest)
    for (let round = 1; round <= rounds; round++) {
      writes.push(await place(whole, seconds))
      await caughtUp(whole)
      if (writer !== undefined) alone.push(await place(writer, seconds))
    }
    const ratio = alone.length === 0 ? undefined : median(alone.map((sample, i) => sample.rps / writes[i]!.rps))
    say(
      `  ${title}: ${Math.round(medianSample(writes).rps)} orders/s${ratio === undefined ? "" : `, stopped to running ${ratio.toFixed(2)}`}, lag p50 ${seen.p50Ms.toFixed(1)} ms, p99 ${seen.p99Ms.toFixed(1)} ms`
    )
    return {
      name: `ours-${running.view}`,
      title,
      writes: medianSample(writes),
      writesAlone: alone.length === 0 ? undefined : medianSample(alone),
      writeRatio: ratio,
      lag: { orders: seen.requests, perSecond: ordersASecond, p50Ms: seen.p50Ms, p99Ms: seen.p99Ms }
    }
  } finally {
    for (const server of servers) await server.stop()
  }
}
