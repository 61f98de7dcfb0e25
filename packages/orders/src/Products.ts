/**
 * What is sold, and for how much from now on. Orders keep the name, category and price at which they were placed.
 */
import { type ProductData, type ProductId, Unavailable } from "@sluice/domain"
import { transact } from "@sluice/engines"
import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { insertAll } from "./Statements.ts"

export interface Product extends ProductData {
  readonly id: ProductId
  readonly version: number
}

export class Products extends Context.Service<
  Products,
  { readonly put: (id: ProductId, product: ProductData) => Effect.Effect<Product, Unavailable> }
>()("sluice/Products") {}

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  const categoryOf = (name: string) => sql<{ id: number }>`SELECT id FROM categories WHERE name = ${name}`

  const put = Effect.fnUntraced(function* (id: ProductId, product: ProductData) {
    let [category] = yield* categoryOf(product.category)
    if (category === undefined) {
      yield* insertAll(sql, "categories", [{ name: product.category }], "name")
      ;[category] = yield* categoryOf(product.category)
    }
    const { name, price } = product
    yield* sql.onDialectOrElse({
      mysql: () => sql`INSERT INTO products (id, category_id, name, price, version)
        VALUES (${id}, ${category!.id}, ${name}, ${price}, 1)
        ON DUPLICATE KEY UPDATE
          version = version + (category_id <> VALUES(category_id) OR name <> VALUES(name) OR price <> VALUES(price)),
          category_id = VALUES(category_id), name = VALUES(name), price = VALUES(price)`,
      orElse: () => sql`INSERT INTO products (id, category_id, name, price, version)
        VALUES (${id}, ${category!.id}, ${name}, ${price}, 1)
        ON CONFLICT (id) DO UPDATE SET version = version + 1, category_id = excluded.category_id, name = excluded.name,
          price = excluded.price
          WHERE category_id <> excluded.category_id OR name <> excluded.name OR price <> excluded.price`
    })
    const [row] = yield* sql<{ version: number }>`SELECT version FROM products WHERE id = ${id}`
    return { id, ...product, version: row!.version }
  })

  return Products.of({
    put: (id, product) =>
      Effect.mapError(transact(sql)(put(id, product)), () => new Unavailable({ engine: "sql", retryAfterSeconds: 1 }))
  })
})

export const layer: Layer.Layer<Products, never, SqlClient.SqlClient> = Layer.effect(Products, make)
