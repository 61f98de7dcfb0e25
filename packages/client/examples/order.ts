/**
 * Places an order, reads it back by its version, pays it, and lists what the customer has ordered.
 *
 *     SLUICE_ADMIN_KEY=... node packages/client/examples/order.ts http://127.0.0.1:8080
 */
import { makeClient, SluiceProblem } from "@sluice/client"

const [baseUrl = "http://127.0.0.1:8080"] = process.argv.slice(2)

const { admin } = makeClient({ baseUrl, token: process.env.SLUICE_ADMIN_KEY ?? "" })
const address = { street: "12 St James's Square", city: "London", zipcode: "SW1Y 4LB" }
await admin.putCustomer("ada", { name: "Ada Byron", level: "gold", address })
await admin.putProduct("tea", { name: "Green tea, 100 g", category: "tea", price: 1250 })

const { customers, orders } = makeClient({ baseUrl })
const placed = await orders.place({ customerId: "ada", lines: [{ productId: "tea", quantity: 2 }] })
console.log(`placed for ${placed.total}`)

// Readers are moments behind. With the version, what was written is what is read.
const read = await orders.get(placed.orderId, { version: placed.version })
console.log(`${read.state}: ${read.lines[0]?.quantity} x ${read.lines[0]?.name} for ${read.customer.name}`)

const paid = await orders.pay(placed.orderId)
console.log(`${paid.state} in version ${paid.version}`)

try {
  await orders.pay(placed.orderId)
} catch (error) {
  if (!SluiceProblem.is(error, "order_state")) throw error
  console.log(`refused: ${error.detail}`)
}

await orders.get(placed.orderId, { version: paid.version })
for await (const order of customers.orders("ada", { state: "paid" })) console.log(`paid: ${order.orderId} ${order.total}`)
