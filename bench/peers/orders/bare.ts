/**
 * Orders read with nothing on top: node:http and the client of the store, in one of five ways (WAY): `joins`, `findone`, `mongodb`,
 * `documents` and `sqlite`. `mongodb` and `documents` answer all orders asked for in one tick with one call; `sqlite`, which has no way to
 * go, answers each at once. A customer's page is one query a request in each.
 */
import { createServer, type ServerResponse } from "node:http"
import { DatabaseSync } from "node:sqlite"
import { MongoClient } from "mongodb"
import mysql, { type RowDataPacket } from "mysql2"

interface Way {
  readonly order: (id: string) => Promise<string | undefined>
  readonly page: (customer: string) => Promise<string>
}

const pageSize = 20
const env = process.env

const mariadb = () => {
  const { hostname, password, pathname, port, username } = new URL(env.MARIADB_URL!)
  const pool = mysql.createPool({
    host: hostname,
    port: Number(port),
    user: username,
    password,
    database: pathname.slice(1),
    connectionLimit: 20,
    dateStrings: true
  })
  const rows = <A>(sql: string, values: ReadonlyArray<unknown>) =>
    new Promise<ReadonlyArray<A>>((resolve, reject) => {
      pool.query<Array<RowDataPacket>>(sql, values, (error, found) => (error ? reject(error) : resolve(found as never)))
    })
  return rows
}

const pageOf = (orders: ReadonlyArray<string>) => `{"orders":[${orders.join(",")}],"nextCursor":null}`

/** Everything asked for in one tick becomes one call. */
const coalesced = (read: (ids: ReadonlyArray<string>) => Promise<ReadonlyMap<string, string>>, limit = 256) => {
  let waiting = new Map<string, Array<PromiseWithResolvers<string | undefined>>>()
  const flush = () => {
    const batch = waiting
    waiting = new Map()
    read([...batch.keys()]).then(
      (found) => {
        for (const [id, readers] of batch) for (const reader of readers) reader.resolve(found.get(id))
      },
      (error) => {
        for (const readers of batch.values()) for (const reader of readers) reader.reject(error)
      }
    )
  }
  return (id: string) => {
    const reader = Promise.withResolvers<string | undefined>()
    const others = waiting.get(id)
    if (others !== undefined) others.push(reader)
    else {
      if (waiting.size === limit) flush()
      if (waiting.size === 0) setImmediate(() => waiting.size > 0 && flush())
      waiting.set(id, [reader])
    }
    return reader.promise
  }
}

interface Joined {
  readonly id: number
  readonly placedAt: string
  readonly userId: number
  readonly userName: string
  readonly level: string
  readonly status: string
  readonly paidAt: string
  readonly itemId: number
  readonly itemName: string
  readonly category: string
  readonly price: number
  readonly quantity: number
}

const joins = (): Way => {
  const rows = mariadb()
  const from = (orders: string) => `SELECT o.id, o.placed_at AS placedAt, u.id AS userId, u.name AS userName, u.level,
    p.status, p.paid_at AS paidAt, i.id AS itemId, i.name AS itemName, c.name AS category, i.price, l.quantity
    FROM ${orders} o JOIN users u ON u.id = o.user_id JOIN payment p ON p.order_id = o.id
    JOIN order_items l ON l.order_id = o.id JOIN items i ON i.id = l.item_id JOIN category c ON c.id = i.category_id`
  const one = `${from("orders")} WHERE o.id = ? ORDER BY l.id`
  const newest = `(SELECT id, user_id, placed_at FROM orders WHERE user_id = ? ORDER BY placed_at DESC, id DESC LIMIT ${pageSize})`
  const many = `${from(newest)} ORDER BY o.placed_at DESC, o.id DESC, l.id`
  const instant = (text: string) => `${text.replace(" ", "T")}Z`

  const text = (lines: ReadonlyArray<Joined>) => {
    const { id, level, paidAt, placedAt, status, userId, userName } = lines[0]!
    return JSON.stringify({
      orderId: String(id),
      version: 2,
      state: status,
      placedAt: instant(placedAt),
      customer: { id: String(userId), name: userName, level },
      lines: lines.map(({ category, itemId, itemName, price, quantity }) => ({
        productId: String(itemId),
        name: itemName,
        category,
        price,
        quantity
      })),
      total: lines.reduce((sum, { price, quantity }) => sum + price * quantity, 0),
      payment: { paidAt: instant(paidAt) },
      history: [
        { state: "placed", at: instant(placedAt), version: 1 },
        { state: status, at: instant(paidAt), version: 2 }
      ]
    })
  }
  return {
    order: async (id) => {
      const lines = await rows<Joined>(one, [id])
      return lines.length === 0 ? undefined : text(lines)
    },
    page: async (customer) => {
      const orders = Map.groupBy(await rows<Joined>(many, [customer]), ({ id }) => id)
      return pageOf([...orders.values()].map(text))
    }
  }
}

const documents = (): Way => {
  const rows = mariadb()
  return {
    order: coalesced(async (ids) => {
      const found = await rows<{ id: string; document: string }>("SELECT id, document FROM documents WHERE id IN (?)", [ids])
      return new Map(found.map(({ document, id }) => [id, document]))
    }),
    page: async (customer) => {
      const sql = `SELECT document FROM documents WHERE customer_id = ? ORDER BY placed_at DESC, id DESC LIMIT ${pageSize}`
      return pageOf((await rows<{ document: string }>(sql, [customer])).map(({ document }) => document))
    }
  }
}

const sqlite = (): Way => {
  const db = new DatabaseSync(env.SQLITE_FILE!, { readOnly: true })
  const one = db.prepare("SELECT document FROM documents WHERE id = ?")
  const newest = db.prepare(
    `SELECT document FROM documents WHERE customer_id = ? ORDER BY placed_at DESC, id DESC LIMIT ${pageSize}`
  )
  return {
    order: async (id) => one.get(id)?.document as string | undefined,
    page: async (customer) => pageOf(newest.all(customer).map(({ document }) => document as string))
  }
}

const mongodb = async (together: boolean): Promise<Way> => {
  const client = await new MongoClient(env.MONGODB_URL!, { maxPoolSize: 20 }).connect()
  const views = client.db().collection<{ _id: string }>("views")
  const text = ({ _id, ...rest }: { readonly _id: string }) => JSON.stringify({ orderId: _id, ...rest })
  const one = async (_id: string) => {
    const found = await views.findOne({ _id })
    return found === null ? undefined : text(found)
  }
  const many = coalesced(async (ids) => {
    const found = await views.find({ _id: { $in: [...ids] } }, { batchSize: ids.length + 1 }).toArray()
    return new Map(found.map((document) => [document._id, text(document)]))
  })
  return {
    order: together ? many : one,
    page: async (customer) => {
      const found = await views.find({ "customer.id": customer }).sort({ placedAt: -1, _id: -1 }).limit(pageSize).toArray()
      return pageOf(found.map(text))
    }
  }
}

const ways: Readonly<Record<string, () => Way | Promise<Way>>> = {
  joins,
  documents,
  sqlite,
  findone: () => mongodb(false),
  mongodb: () => mongodb(true)
}
const way = await ways[env.WAY!]!()

const send = (response: ServerResponse, status: number, text: string) => {
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) }).end(text)
}

const server = createServer((request, response) => {
  const [, kind, id] = request.url!.split("/")
  const failed = (error: Error) => send(response, 500, JSON.stringify({ error: error.message }))
  if (kind === "orders" && id !== undefined) {
    way.order(id).then((text) => (text === undefined ? send(response, 404, "{}") : send(response, 200, text)), failed)
  } else if (kind === "customers" && id !== undefined) way.page(id).then((text) => send(response, 200, text), failed)
  else send(response, kind === "health" ? 200 : 404, "{}")
})

server.listen(Number(env.PORT), "127.0.0.1")
process.on("SIGTERM", () => process.exit())
