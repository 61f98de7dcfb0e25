/**
 * What the shop is told: who its customers are, what it sells, and what somebody orders. Prices are the server's alone.
 */
import { Schema } from "effect"
import { CustomerId, ProductId } from "./Ids.ts"
import { matches, shownText as text } from "./Text.ts"

export const Address = Schema.Struct({ street: text(200), city: text(100), zipcode: text(20) })
export type Address = typeof Address.Type

export const CustomerProfile = Schema.Struct({ name: text(200), level: text(50), address: Address })
export type CustomerProfile = typeof CustomerProfile.Type

export const maxPrice = 1_000_000_000

export const ProductData = Schema.Struct({
  name: text(200),
  category: text(100),
  /** In the smallest unit of the currency. */
  price: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: maxPrice }))
})
export type ProductData = typeof ProductData.Type

export const maxLines = 100
export const maxQuantity = 10_000

/** A coupon's code, as `7K3M-9QWX-0ZTB-4HNC`. */
export const CouponCode = Schema.String.check(
  matches(/^[0-9A-Z]{4}(-[0-9A-Z]{4}){3}$/, "a coupon's code, such as 7K3M-9QWX-0ZTB-4HNC")
)

export const NewOrderLine = Schema.Struct({
  productId: ProductId,
  quantity: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: maxQuantity }))
})

/** A product may stand in several lines: the order keeps the lines as they were sent. */
export const NewOrder = Schema.Struct({
  customerId: CustomerId,
  lines: Schema.Array(NewOrderLine).check(Schema.isMinLength(1), Schema.isMaxLength(maxLines)),
  couponCode: Schema.optionalKey(CouponCode)
})
export type NewOrder = typeof NewOrder.Type
