/**
 * Each type of MariaDB by its edges: what is loaded is what a parameterised INSERT stores, byte for byte, and what is refused is what a
 * strict INSERT refuses or alters.
 */
import { Readable } from "node:stream"
import { connectionOptions } from "@sluice/engines/MariaDb"
import { freshDatabase } from "@sluice/testkit/database"
import { liveUrl, whenLive } from "@sluice/testkit/live"
import { Effect, Redacted } from "effect"
import mysql from "mysql2/promise"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { BulkLoader, LoadTargetMariaDb, TextSource } from "../src/index.ts"

type Value = string | Buffer
/** As given, or as given and as INSERT has to be given it. */
type Good = Value | readonly [given: Value, inserted: Value]

interface Case {
  readonly type: string
  readonly good: ReadonlyArray<Good>
  readonly bad: ReadonlyArray<Value>
  /** Refused by the database, not before: the character set is its own affair. */
  readonly onlyInserted?: ReadonlyArray<Value>
}

const everyByte = Buffer.from(Array.from({ length: 256 }, (_, i) => i))

const cases: ReadonlyArray<Case> = [
  { type: "TINYINT", good: ["-128", "127", "0", "+5", "-0", "007", "-007"], bad: ["128", "-129", "1.5", "x", "", "1e400"] },
  { type: "TINYINT UNSIGNED", good: ["0", "255", "-0"], bad: ["256", "-1"] },
  { type: "BOOLEAN", good: ["0", "1"], bad: ["true", "yes"] },
  { type: "SMALLINT", good: ["-32768", "32767"], bad: ["32768", "-32769"] },
  { type: "MEDIUMINT", good: ["-8388608", "8388607"], bad: ["8388608", "-8388609"] },
  { type: "INT(6) UNSIGNED ZEROFILL", good: ["0", "42", "4294967295"], bad: ["4294967296", "-1"] },
  {
    type: "BIGINT",
    good: ["-9223372036854775808", "9223372036854775807", "9007199254740993", "-9007199254740993", "000000000000000000000012"],
    bad: ["9223372036854775808", "-9223372036854775809", "99999999999999999999999999"]
  },
  { type: "BIGINT UNSIGNED", good: ["18446744073709551615", "0"], bad: ["18446744073709551616", "-1"] },
  {
    type: "DECIMAL(10,3)",
    good: ["1234567.891", "-1234567.891", "0", "-0.000", "1", "1.5", ".5", "5.", "+1.20", "0001.2000000"],
    bad: ["12345678", "1.2345", "-9999999.9999", "x", ""]
  },
  { type: "DECIMAL(5,2) UNSIGNED", good: ["999.99", "0.01"], bad: ["-0.01", "1000", "999.995"] },
  { type: "DECIMAL(65,30)", good: ["1.000000000000000000000000000001", "99999999999999999999999999999999999"], bad: ["1e36"] },
  {
    type: "DOUBLE",
    good: ["0", "-1.5", "1e308", "0.1", "2.2250738585072014e-308", "123456789012345680"],
    bad: ["1e309", "x", "1.2.3", ""]
  },
  { type: "FLOAT", good: ["0", "1.5", "-3.4e38", "0.1"], bad: ["3.5e38", "nan"] },
  {
    type: "VARCHAR(5)",
    good: ["", "abcde", "ééééé", "💶💶💶💶💶", "a\tb", "a\nb", "a\\b", "\\N", "a\0b", " a ", "a\r\nb"],
    bad: ["abcdef", "éééééé"]
  },
  { type: "CHAR(4)", good: ["", "abcd", "ab", "éééé", "ab  "], bad: ["abcde"] },
  { type: "VARCHAR(3) CHARACTER SET latin1", good: ["abc", "é", "ééé"], bad: ["abcd"], onlyInserted: ["語"] },
  { type: "TINYTEXT CHARACTER SET latin1", good: ["é".repeat(255)], bad: ["é".repeat(256)] },
  { type: "VARCHAR(3) CHARACTER SET utf16", good: ["語語語", "💶💶💶"], bad: ["abcd"] },
  { type: "TINYTEXT", good: ["x".repeat(255), "é".repeat(127)], bad: ["x".repeat(256), "é".repeat(128)] },
  { type: "TEXT", good: ["x".repeat(65_535), '"quoted", and more'], bad: ["x".repeat(65_536)] },
  { type: "BINARY(4)", good: [Buffer.from([0, 255, 9, 10]), Buffer.from([1]), ""], bad: ["12345"] },
  { type: "VARBINARY(256)", good: [everyByte, "", "\\N"], bad: [Buffer.alloc(257, 1)] },
  { type: "BLOB", good: [everyByte, Buffer.alloc(65_535, 0)], bad: [Buffer.alloc(65_536, 1)] },
  {
    type: "DATE",
    good: ["1000-01-01", "9999-12-31", "2024-02-29", "2000-02-29"],
    bad: ["2026-02-30", "2026-02-29", "1900-02-29", "0000-00-00", "2026-00-10", "2026-13-01", "x", ""]
  },
  {
    type: "DATETIME",
    good: [
      "2026-11-24 12:00:00",
      "9999-12-31 23:59:59",
      ["2026-11-24T12:00:00Z", "2026-11-24 12:00:00"],
      ["2026-01-01T00:30:00+02:00", "2025-12-31 22:30:00"],
      ["2026-11-24T12:00:00.000Z", "2026-11-24 12:00:00"],
      "2026-11-24"
    ],
    bad: [
      "2026-11-24 24:00:00",
      "2026-11-24 12:60:00",
      "2026-11-24 12:00:00.5",
      "0000-00-00 00:00:00",
      "2026-02-30 00:00:00",
      "soon"
    ]
  },
  {
    type: "DATETIME(3)",
    good: ["2026-11-24 12:00:00", "2026-11-24 12:00:00.5", "2026-11-24 12:00:00.999"],
    bad: ["2026-11-24 12:00:00.9999"]
  },
  {
    type: "TIMESTAMP",
    good: ["1970-01-01 00:00:01", "2038-01-19 03:14:07"],
    bad: ["1970-01-01 00:00:00", "2038-01-19 03:14:08"]
  },
  { type: "TIMESTAMP(6)", good: ["2026-11-24 12:00:00.000001"], bad: ["2026-11-24 12:00:00.0000001"] },
  {
    type: "TIME",
    good: ["838:59:59", "-838:59:59", "00:00:00", "7:05:09", "-00:00:01"],
    bad: ["839:00:00", "12:60:00", "12:00:00.5", "noon"]
  },
  { type: "TIME(2)", good: ["12:30:00.25", "12:30:00"], bad: ["12:30:00.255"] },
  { type: "TIME(6)", good: ["838:59:59.999999", "-838:59:59.999999"], bad: ["839:00:00"] },
  { type: "YEAR", good: ["1901", "2155", "2026", "0000"], bad: ["1900", "2156", "x"] },
  { type: "ENUM('a','it''s','é, ü')", good: ["a", "it's", "é, ü"], bad: ["b", "a,a"] },
  {
    type: "ENUM('a\\\\b','l\\nf','c\\rr','q\"','\\\\N','t\tb')",
    good: ["a\\b", "l\nf", "c\rr", 'q"', "\\N", "t\tb"],
    bad: ["a", "N", "lnf"]
  },
  { type: "SET('x','y','z')", good: ["", "x", "z,x", "x,y,z", "y,y"], bad: ["w", "x,w"] },
  { type: "JSON", good: ['{"a": [1, "\\u00e9\\n"]}', "null", "1", '"é"'], bad: ["{", "{'a':1}", ""] },
  {
    type: "UUID",
    good: ["123e4567-e89b-12d3-a456-426655440000", "123E4567E89B12D3A456426655440000"],
    bad: ["123e4567", "g23e4567-e89b-12d3-a456-426655440000"]
  },
  { type: "INET6", good: ["::1", "2001:DB8:0:0:0:0:0:1", "::ffff:1.2.3.4"], bad: ["1::2::3", "x"] },
  { type: "INET4", good: ["127.0.0.1", "255.255.255.255"], bad: ["256.0.0.1", "1.2.3"] }
]

const csv = (values: ReadonlyArray<Value>): Buffer =>
  Buffer.concat(
    values.flatMap((value) => [
      Buffer.from('"'),
      Buffer.from(
        Buffer.from(value as string)
          .toString("latin1")
          .replaceAll('"', '""'),
        "latin1"
      ),
      Buffer.from('"\n')
    ])
  )

const inserted = (good: Good): Value => (Array.isArray(good) ? (good[1] as Value) : (good as Value))
const given = (good: Good): Value => (Array.isArray(good) ? (good[0] as Value) : (good as Value))
const shown = (value: Value) => JSON.stringify(value.toString("latin1")).slice(0, 60)

await whenLive(() => {
  describe("types of MariaDB", () => {
    let database: Awaited<ReturnType<typeof freshDatabase>>
    let connection: mysql.Connection
    let tables = 0

    const query = async (sql: string) => (await connection.query(sql))[0] as Array<Record<string, unknown>>

    const load = (
      table: string,
      values: ReadonlyArray<Value>,
      { inserts = true, ...options }: Partial<BulkLoader.LoadOptions> & { readonly inserts?: boolean } = {}
    ) =>
      Effect.gen(function* () {
        const text = { format: "csv", header: false, columns: ["c"] } as const
        const source = yield* TextSource.fromReadable("values", Readable.from([csv(values)]), text)
        return yield* BulkLoader.load(source, { table, job: table, ...options })
      }).pipe(Effect.provide(LoadTargetMariaDb.layer(Redacted.make(database.url), { inserts })), Effect.runPromise)

    const fresh = async (type: string) => {
      const name = `t${++tables}`
      await connection.query(`CREATE TABLE ${name} (id INT AUTO_INCREMENT PRIMARY KEY, c ${type} NOT NULL) CHARACTER SET utf8mb4`)
      return name
    }

    beforeAll(async () => {
      database = await freshDatabase(liveUrl("SLUICE_MARIADB_URL"))
      connection = await mysql.createConnection(connectionOptions(Redacted.make(database.url)))
      await connection.query("SET time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE'")
    })

    afterAll(async () => {
      await connection.end()
      await database.drop()
    })

    for (const { bad, good, onlyInserted = [], type } of cases) {
      it(`${type}: what fits is stored as INSERT stores it, in bulk and by LOAD DATA`, async () => {
        const put = await fresh(type)
        for (const value of good) await connection.execute(`INSERT INTO ${put} (c) VALUES (?)`, [inserted(value)])
        for (const inserts of [true, false]) {
          const loaded = await fresh(type)
          const summary = await load(loaded, good.map(given), { inserts })
          assert.strictEqual(summary.rows, good.length)
          assert.strictEqual(summary.verification.outcome, "equal")
          const differing = await query(
            `SELECT a.id, HEX(CONCAT(a.c)) AS loaded, HEX(CONCAT(b.c)) AS inserted FROM ${put} b LEFT JOIN ${loaded} a USING (id)
             WHERE a.id IS NULL OR HEX(CONCAT(a.c)) <> HEX(CONCAT(b.c)) OR HEX(a.c) <> HEX(b.c) OR NOT a.c <=> b.c`
          )
          assert.deepStrictEqual(differing, [], `inserts: ${inserts}`)
        }
      })

      it(`${type}: what does not fit is refused, as by a strict INSERT`, async () => {
        const table = await fresh(type)
        for (const value of onlyInserted) {
          const { rejects, rows } = await load(table, [value], { maxRejects: 1 })
          assert.deepStrictEqual([rows, rejects], [0, 1], shown(value))
        }
        for (const value of bad) {
          const { rejects, rows } = await load(table, [value], { dryRun: true, maxRejects: 1 })
          assert.deepStrictEqual([rows, rejects], [0, 1], shown(value))
          const isKept = await connection.execute(`INSERT INTO ${table} (c) VALUES (?)`, [value]).then(
            async ([result]) => {
              const { insertId, warningStatus } = result as mysql.ResultSetHeader
              const [row] = await query(`SELECT CONCAT(c) AS c FROM ${table} WHERE id = ${insertId}`)
              return warningStatus === 0 && String(row!.c) === value.toString()
            },
            () => false
          )
          assert.isFalse(isKept, `${shown(value)} would have been stored as it is`)
        }
      })
    }
  })
})
