/**
 * The orders that are measured: order i is a function of i alone, so that every store holds the same and every answer can be checked.
 *
 * The normal form is that of a usual shop: users, address, category, items, orders, order_items, payment.
 */
import type { OrderView } from "@sluice/domain"

export interface Size {
  readonly users: number
  readonly items: number
  readonly orders: number
}

export const categories = 50
const levels = ["bronze", "silver", "gold"] as const
const firstMs = Date.UTC(2025, 0, 1)
const yearMs = 365 * 86_400_000

/** 32 well-mixed bits of two numbers. */
const mix = (a: number, b: number): number => {
  let h = Math.imul(a, 0x9e3779b1) ^ Math.imul(b + 1, 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 16), 0x21f0aaad)
  h = Math.imul(h ^ (h >>> 15), 0x735a2d97)
  return (h ^ (h >>> 15)) >>> 0
}

export const user = (id: number) => ({
  id,
  name: `User ${mix(id, 90).toString(36)}`,
  age: 18 + (mix(id, 91) % 60),
  level: levels[mix(id, 92) % levels.length]!,
  street: `${1 + (mix(id, 93) % 200)} Long Street`,
  city: `City ${mix(id, 94) % 500}`,
  zipcode: String(10_000 + (mix(id, 95) % 89_999))
})

export const category = (id: number) => ({ id, name: `Category ${id}` })

export const item = (id: number) => ({
  id,
  category: 1 + (mix(id, 80) % categories),
  name: `Item ${mix(id, 81).toString(36)}`,
  price: 100 + (mix(id, 82) % 99_900)
})

export const userOf = (id: number, { users }: Size) => 1 + (mix(id, 1) % users)

export const order = (id: number, size: Size) => {
  const { items, orders } = size
  const placedAtMs = firstMs + Math.floor((id * yearMs) / orders)
  return {
    id,
    user: userOf(id, size),
    placedAtMs,
    paidAtMs: placedAtMs + 60_000 + (mix(id, 2) % 3_600_000),
    lines: Array.from({ length: 1 + (mix(id, 3) % 3) }, (_, k) => ({
      id: id * 3 - 2 + k,
      item: 1 + (mix(id, 10 + k) % items),
      quantity: 1 + (mix(id, 20 + k) % 5)
    }))
  }
}

/** What every way has to answer. */
export const view = (id: number, size: Size): OrderView => {
  const sold = order(id, size)
  const { level, name } = user(sold.user)
  const placedAt = new Date(sold.placedAtMs).toISOString()
  const paidAt = new Date(sold.paidAtMs).toISOString()
  const lines = sold.lines.map((line) => {
    const { category: of, name, price } = item(line.item)
    return { productId: String(line.item), name, category: category(of).name, price, quantity: line.quantity }
  })
  return {
    orderId: String(id),
    version: 2,
    state: "paid",
    placedAt,
    customer: { id: String(sold.user), name, level },
    lines,
    total: lines.reduce((sum, { price, quantity }) => sum + price * quantity, 0),
    payment: { paidAt },
    history: [
      { state: "placed", at: placedAt, version: 1 },
      { state: "paid", at: paidAt, version: 2 }
    ]
  }
}
