/** A shop, its orders, and the order view built anew, as an operator asks for it. */
import type { RebuildReport, VerifyOrders } from "@sluice/orders"
import { call, eventually } from "@sluice/testkit/processes"

type Report = RebuildReport.RebuildReport

const customerId = `c-${process.pid}-${Date.now()}`

export const shop = async (url: string) => {
  const address = { street: "1 High Street", city: "Town", zipcode: "12345" }
  await call(`${url}/customers/${customerId}`, "PUT", { name: "Ada", level: "gold", address }, true)
  await call(`${url}/products/p1`, "PUT", { name: "Tea", category: "tea", price: 125 }, true)
}

/** Places and pays orders until it is told to stop, or the process is away; gives those that were answered. */
export const selling = (url: string) => {
  let isOpen = true
  const placed: Array<string> = []
  const one = async () => {
    while (isOpen) {
      const lines = [{ productId: "p1", quantity: 1 }]
      const { body, status } = await call<{ orderId: string }>(`${url}/orders`, "POST", { customerId, lines })
      if (status === 201) placed.push(body.orderId)
      if (status === 201 && placed.length % 3 === 0) await call(`${url}/orders/${body.orderId}/pay`, "POST")
      await new Promise((resolve) => setTimeout(resolve, 3))
    }
  }
  const done = Promise.allSettled(Array.from({ length: 4 }, one))
  return {
    stop: async () => {
      isOpen = false
      await done
      return placed
    }
  }
}

export const place = async (url: string, count: number) => {
  const sold = selling(url)
  await new Promise((resolve) => setTimeout(resolve, 50))
  let placed = await sold.stop()
  while (placed.length < count) placed = [...placed, ...(await place(url, count - placed.length))]
  return placed
}

export const generations = async (url: string) =>
  (await call<Report>(`${url}/admin/orders/generations`, "GET", undefined, true)).body

export const post = (url: string, what: string) => call<Report>(`${url}/admin/orders/${what}`, "POST", undefined, true)

/** As an operator does, who is told that another one may be under way. */
export const rebuild = async (url: string) => {
  await eventually("it is begun", async () => (await post(url, "rebuild")).status === 202)
  let report = await generations(url)
  await eventually("it has ended", async () => {
    report = await generations(url)
    return report.rebuild?.state !== "running"
  })
  return report
}

export const verified = async (url: string, query = "") =>
  (await call<VerifyOrders.VerifyReport>(`${url}/admin/orders/verify${query}`, "POST", undefined, true)).body

export const caughtUp = (url: string) =>
  eventually("both sides are equal", async () => {
    const { differing, onlyInView } = await verified(url)
    return differing + onlyInView === 0
  })
