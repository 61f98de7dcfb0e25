/**
 * Generators that come with Sluice: the benchmark's table, and the tables of an order system before it has an order view (users, addresses,
 * categories, items, orders, order lines, payments), each with ids from 1 that fit together.
 */
import { peopleBytes } from "./peopleBytes.ts"
import type { Random } from "./Random.ts"
import type { Generator } from "./RowSource.ts"

interface BuiltIn extends Generator {
  /** For MariaDB; see `createTableSql`. */
  readonly createTable: string
}

const first = [
  "Ada",
  "Bo",
  "Chen",
  "Dana",
  "Emil",
  "Fatima",
  "Goran",
  "Hana",
  "Ines",
  "Jin",
  "Kofi",
  "Lena",
  "Mina",
  "Noor",
  "Omar",
  "Paulo"
]
const last = [
  "Abe",
  "Berg",
  "Costa",
  "Diaz",
  "Eriksen",
  "Fischer",
  "Garcia",
  "Haddad",
  "Ito",
  "Jensen",
  "Kim",
  "Lopez",
  "Meyer",
  "Novak",
  "Okafor",
  "Park"
]
const levels = ["bronze", "silver", "gold", "platinum"]
const streets = ["Mill Lane", "Station Road", "Park Avenue", "River Street", "Church Road", "High Street"]
const cities = ["Seoul", "Berlin", "Lagos", "Lima", "Osaka", "Porto", "Toronto", "Utrecht"]
const statuses = ["paid", "paid", "paid", "paid", "refunded", "failed"]

export const users = 100_000
export const items = 10_000
export const categories = 100

const two = (n: number) => (n < 10 ? `0${n}` : String(n))
const start = Date.UTC(2026, 0, 1)
const secondsOfYear = 365 * 86_400

const instant = (seconds: number): string => {
  const at = new Date(start + seconds * 1000)
  const day = `${at.getUTCFullYear()}-${two(at.getUTCMonth() + 1)}-${two(at.getUTCDate())}`
  return `${day} ${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())}`
}

const name = (random: Random) => `${random.pick(first)} ${random.pick(last)}`

/** Orders have 1, 2, 3, 1, 2, 3, ... lines, so line i belongs to an order that can be computed. */
const orderOfLine = (i: number) => {
  const within = i % 6
  return Math.floor(i / 6) * 3 + (within === 0 ? 1 : within <= 2 ? 2 : 3)
}

export const generators: Readonly<Record<string, BuiltIn>> = {
  people: {
    columns: ["name", "email", "age", "created_at"],
    row: (i, random) => [name(random), `person${i}@example.com`, String(18 + random.int(72)), instant(random.int(secondsOfYear))],
    write: peopleBytes({ first, last, days: Array.from({ length: 365 }, (_, day) => instant(day * 86_400).slice(0, 10)) }),
    createTable: `CREATE TABLE people (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, name VARCHAR(100) NOT NULL, email VARCHAR(190) NOT NULL,
  age INT NOT NULL, created_at DATETIME NOT NULL)`
  },
  users: {
    columns: ["id", "name", "age", "level"],
    row: (i, random) => [i + 1, name(random), 18 + random.int(72), random.pick(levels)],
    createTable:
      "CREATE TABLE users (id BIGINT NOT NULL PRIMARY KEY, name VARCHAR(100) NOT NULL, age INT NOT NULL, level VARCHAR(16) NOT NULL)"
  },
  addresses: {
    columns: ["id", "user_id", "street", "city", "zipcode"],
    row: (i, random) => [
      i + 1,
      i + 1,
      `${random.pick(streets)} ${1 + random.int(200)}`,
      random.pick(cities),
      String(10_000 + random.int(90_000))
    ],
    createTable: `CREATE TABLE addresses (id BIGINT NOT NULL PRIMARY KEY, user_id BIGINT NOT NULL, street VARCHAR(100) NOT NULL,
  city VARCHAR(100) NOT NULL, zipcode VARCHAR(16) NOT NULL)`
  },
  categories: {
    columns: ["id", "name"],
    row: (i) => [i + 1, `category ${i + 1}`],
    createTable: "CREATE TABLE categories (id BIGINT NOT NULL PRIMARY KEY, name VARCHAR(100) NOT NULL)"
  },
  items: {
    columns: ["id", "category_id", "name", "price"],
    row: (i, random) => [i + 1, 1 + (i % categories), `item ${i + 1}`, 100 + random.int(100_000)],
    createTable: `CREATE TABLE items (id BIGINT NOT NULL PRIMARY KEY, category_id BIGINT NOT NULL, name VARCHAR(100) NOT NULL,
  price BIGINT NOT NULL)`
  },
  orders: {
    columns: ["id", "user_id", "ordered_at"],
    row: (i, random) => [i + 1, 1 + random.int(users), instant(random.int(secondsOfYear))],
    createTable: "CREATE TABLE orders (id BIGINT NOT NULL PRIMARY KEY, user_id BIGINT NOT NULL, ordered_at DATETIME NOT NULL)"
  },
  order_items: {
    columns: ["id", "order_id", "item_id", "quantity"],
    row: (i, random) => [i + 1, orderOfLine(i), 1 + random.int(items), 1 + random.int(5)],
    createTable: `CREATE TABLE order_items (id BIGINT NOT NULL PRIMARY KEY, order_id BIGINT NOT NULL, item_id BIGINT NOT NULL,
  quantity INT NOT NULL)`
  },
  payments: {
    columns: ["id", "order_id", "status", "paid_at"],
    // The same draws as in the order's own row: its user, its time.
    row: (i, random) => {
      random.int(users)
      const ordered = random.int(secondsOfYear)
      return [i + 1, i + 1, random.pick(statuses), instant(ordered + 60 + random.int(3_600))]
    },
    createTable: `CREATE TABLE payments (id BIGINT NOT NULL PRIMARY KEY, order_id BIGINT NOT NULL, status VARCHAR(16) NOT NULL,
  paid_at DATETIME NOT NULL)`
  }
}

/** The table that a built-in fills, of the same name; undefined where there is no such built-in. */
export const createTableSql = (builtIn: string, dialect: "mariadb" | "sqlite"): string | undefined => {
  const sql = Object.hasOwn(generators, builtIn) ? generators[builtIn]!.createTable : undefined
  return dialect === "mariadb"
    ? sql
    : sql?.replace("BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY", "INTEGER PRIMARY KEY AUTOINCREMENT")
}
