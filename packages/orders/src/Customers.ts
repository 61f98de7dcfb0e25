/**
 * Who buys. Putting the same profile again changes nothing; one whose name or level differs raises the version and tells the readers of
 * the customer's orders, in one transaction.
 */
import { type CustomerId, type CustomerProfile, Unavailable } from "@sluice/domain"
import { transact } from "@sluice/engines"
import { Clock, Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Outbox } from "./Outbox.ts"
import { changedBy } from "./Statements.ts"

export interface Customer extends CustomerProfile {
  readonly id: CustomerId
  readonly version: number
}

export class Customers extends Context.Service<
  Customers,
  { readonly put: (id: CustomerId, profile: CustomerProfile) => Effect.Effect<Customer, Unavailable> }
>()("sluice/Customers") {}

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const outbox = yield* Outbox

  const put = Effect.fnUntraced(function* (id: CustomerId, profile: CustomerProfile) {
    const { address, level, name } = profile
    const changed = yield* changedBy(
      sql.onDialectOrElse({
        // Assigned from left to right: the version is decided while the old name and level still stand.
        mysql: () =>
          sql`INSERT INTO customers (id, name, level, version) VALUES (${id}, ${name}, ${level}, 1)
          ON DUPLICATE KEY UPDATE version = version + (name <> VALUES(name) OR level <> VALUES(level)),
            name = VALUES(name), level = VALUES(level)`.raw,
        orElse: () =>
          sql`INSERT INTO customers (id, name, level, version) VALUES (${id}, ${name}, ${level}, 1)
          ON CONFLICT (id) DO UPDATE SET version = version + 1, name = excluded.name, level = excluded.level
            WHERE name <> excluded.name OR level <> excluded.level`.raw
      })
    )
    yield* sql.onDialectOrElse({
      mysql: () => sql`INSERT INTO addresses (customer_id, street, city, zipcode)
        VALUES (${id}, ${address.street}, ${address.city}, ${address.zipcode})
        ON DUPLICATE KEY UPDATE street = VALUES(street), city = VALUES(city), zipcode = VALUES(zipcode)`,
      orElse: () => sql`INSERT INTO addresses (customer_id, street, city, zipcode)
        VALUES (${id}, ${address.street}, ${address.city}, ${address.zipcode})
        ON CONFLICT (customer_id) DO UPDATE SET street = excluded.street, city = excluded.city, zipcode = excluded.zipcode`
    })
    const [row] = yield* sql<{ version: number }>`SELECT version FROM customers WHERE id = ${id}`
    const version = row!.version
    if (changed > 0) {
      const committedAtMs = yield* Clock.currentTimeMillis
      yield* outbox.append([
        { type: "CustomerChanged", version: 1, customer: { id, name, level }, customerVersion: version, committedAtMs }
      ])
    }
    return { id, ...profile, version }
  })

  return Customers.of({
    put: (id, profile) =>
      Effect.mapError(transact(sql)(put(id, profile)), () => new Unavailable({ engine: "sql", retryAfterSeconds: 1 }))
  })
})

export const layer: Layer.Layer<Customers, never, SqlClient.SqlClient | Outbox> = Layer.effect(Customers, make)
