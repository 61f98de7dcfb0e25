/** Who buys and what is sold, for the operator of the shop. */
import { CustomerId, CustomerProfile, Ordinal, ProductData, ProductId } from "@sluice/domain"
import { Customers, Products } from "@sluice/orders"
import { Effect, Schema } from "effect"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { Audited } from "../Audited.ts"
import { Guard, ofJsonBody } from "../Guard.ts"
import { Admin } from "../Identity.ts"
import { api } from "./documents.ts"

const profile = {
  name: "Ada Byron",
  level: "gold",
  address: { street: "12 St James's Square", city: "London", zipcode: "SW1Y 4LB" }
}
const product = { name: "Green tea, 100 g", category: "tea", price: 1250 }

const version = Ordinal.annotate({ description: "Rises with each change." })

const Profile = CustomerProfile.annotate({ identifier: "CustomerProfile", examples: [profile] })
const Customer = Schema.Struct({ id: CustomerId, ...CustomerProfile.fields, version }).annotate({
  identifier: "Customer",
  examples: [{ id: "c1", ...profile, version: 1 }]
})
const ProductBody = ProductData.annotate({
  identifier: "ProductData",
  description: "`price` is a whole number of the currency's smallest unit.",
  examples: [product]
})
const Product = Schema.Struct({ id: ProductId, ...ProductData.fields, version }).annotate({
  identifier: "Product",
  examples: [{ id: "p1", ...product, version: 1 }]
})

export const ShopAdministration = HttpApiGroup.make("shop-admin")
  .add(
    HttpApiEndpoint.put("putCustomer", "/customers/:id", {
      params: { id: CustomerId.annotate({ description: "The id of the customer.", examples: ["c1"] }) },
      payload: Profile,
      success: Customer,
      error: [...ofJsonBody]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Put a customer",
        description:
          "Makes or changes a customer; the same again changes nothing. A new name or level reaches the customer's orders as they are read."
      })
    ),
    HttpApiEndpoint.put("putProduct", "/products/:id", {
      params: { id: ProductId.annotate({ description: "The id of the product.", examples: ["p1"] }) },
      payload: ProductBody,
      success: Product,
      error: [...ofJsonBody]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Put a product",
        description:
          "Makes or changes a product; the same again changes nothing. Orders keep the name, category and price they were placed at."
      })
    )
  )
  .annotateMerge(OpenApi.annotations({ title: "shop (admin)", description: "Customers and products, for the admin." }))

export const shopAdminApi = api.add(ShopAdministration).middleware(Audited).middleware(Admin).middleware(Guard)

export const layerShopAdmin = HttpApiBuilder.group(
  shopAdminApi,
  "shop-admin",
  Effect.fnUntraced(function* (handlers) {
    const customers = yield* Customers.Customers
    const products = yield* Products.Products
    return handlers.handleAll({
      putCustomer: ({ params, payload }) => customers.put(params.id, payload),
      putProduct: ({ params, payload }) => products.put(params.id, payload)
    })
  })
)
