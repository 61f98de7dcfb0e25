/** MariaDB is the authority: what it says is committed has to stay so, whatever falls over. */

import { openSession } from "@sluice/bulk-load/MariaDbSession"
import { connectionOptions } from "@sluice/engines/MariaDb"
import { Effect, type Redacted } from "effect"
import { type Finding, findings, isAtLeast, judgeRights, judgeSkew, type Refusal, type Skew, skewOf } from "./Finding.ts"
import { type Engine, ownName, takingAway, trying } from "./Trying.ts"

export interface MariaDbFacts {
  readonly database: string
  /** As the server knows it: `user@host`. */
  readonly user: string
  readonly version: string
  /** Global variables by name. */
  readonly variables: Readonly<Record<string, string>>
  /** Of a session as Sluice opens it. */
  readonly isolation: string
  readonly timeZone: string
  readonly charset: string
  readonly refusals: ReadonlyArray<Refusal>
  /** Why `LOAD DATA LOCAL` was refused; undefined where it worked or could not be tried. */
  readonly localRefused: string | undefined
  readonly skew: Skew
}

const { ok, problem, warning } = findings("mariadb")

const setGlobal = (name: string, value: string) => `SET GLOBAL ${name} = ${value}; and \`${name} = ${value}\` in my.cnf`

const megabytes = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`

const grantee = (user: string) =>
  user
    .split("@")
    .map((part) => `'${part}'`)
    .join("@")

export const grants = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP, REFERENCES"

export const judgeMariaDb = (facts: MariaDbFacts): ReadonlyArray<Finding> => [
  isAtLeast(facts.version, "10.6")
    ? isAtLeast(facts.version, "10.11")
      ? ok("version", `${facts.version} is new enough`)
      : warning("version", `${facts.version} is older than what Sluice is tested on`, "install MariaDB 10.11 or newer")
    : problem(
        "version",
        `${facts.version} knows no SKIP LOCKED, by which processes share work`,
        "install MariaDB 10.11 or newer"
      ),
  ...judgeTries(facts),
  judgeIsolation(facts),
  judgeFlush(facts.variables.innodb_flush_log_at_trx_commit ?? "unknown"),
  ...judgeBinlog(facts.variables),
  ...(facts.variables.read_only === "ON"
    ? [problem("read_only", "it takes no writes", "name the primary in SLUICE_MARIADB_URL, or SET GLOBAL read_only = OFF;")]
    : []),
  judgeLocalInfile(facts),
  judgePacket(Number(facts.variables.max_allowed_packet ?? 0)),
  facts.charset === "utf8mb4"
    ? ok("character set", "utf8mb4: every character of every language can be kept")
    : warning(
        "character set",
        `${facts.charset}: columns of your own tables in this database can't keep every character; Sluice's own tables name theirs`,
        `ALTER DATABASE \`${facts.database}\` CHARACTER SET utf8mb4;`
      ),
  facts.timeZone === "+00:00"
    ? ok("time zone", `sessions are in UTC, whatever the server's own is (${facts.variables.time_zone ?? "unknown"})`)
    : problem("time zone", `sessions are in ${facts.timeZone} and not in UTC`, "look for an init_connect that changes it"),
  judgeConnections(Number(facts.variables.max_connections ?? 0)),
  judgeSkew("mariadb", facts.skew)
]

/** What a finding of its own explains is no want of rights. */
const explained = /BINLOG_FORMAT = STATEMENT|--read-only/

const judgeTries = ({ database, refusals, user }: MariaDbFacts): ReadonlyArray<Finding> => {
  const unexplained = refusals.filter(({ message }) => !explained.test(message))
  if (refusals.length > 0 && unexplained.length === 0) return []
  const mend = `GRANT ${grants} ON \`${database}\`.* TO ${grantee(user)};`
  return [judgeRights("mariadb", "a table of its own", unexplained, mend)]
}

const judgeIsolation = ({ isolation, variables }: MariaDbFacts): Finding =>
  isolation === "READ-COMMITTED"
    ? ok(
        "isolation",
        `sessions are READ COMMITTED as Sluice asks for, whatever the server's own is (${variables.tx_isolation ?? "unknown"})`
      )
    : problem("isolation", `sessions are ${isolation} and not READ COMMITTED`, "look for an init_connect that changes it")

const judgeFlush = (value: string): Finding => {
  const mend = setGlobal("innodb_flush_log_at_trx_commit", "1")
  switch (value) {
    case "1":
    case "3":
      return ok("innodb_flush_log_at_trx_commit", `${value}: what is committed outlives a crash of the machine`)
    case "2":
      return warning(
        "innodb_flush_log_at_trx_commit",
        "2: a crash of the machine may take back the last second of coupons and orders that users were told of",
        mend
      )
    default:
      return problem(
        "innodb_flush_log_at_trx_commit",
        `${value}: a crash of the server may take back the last second of coupons and orders that users were told of`,
        mend
      )
  }
}

const judgeBinlog = (variables: MariaDbFacts["variables"]): ReadonlyArray<Finding> => {
  if (variables.log_bin !== "ON") return [ok("binlog", "off: nothing is replicated, and there is no recovery to a point in time")]
  const format = variables.binlog_format ?? "unknown"
  return [
    format === "STATEMENT"
      ? problem(
          "binlog_format",
          "STATEMENT: MariaDB refuses writes of READ COMMITTED sessions with it",
          setGlobal("binlog_format", "ROW")
        )
      : ok("binlog_format", `${format} goes with READ COMMITTED`),
    variables.sync_binlog === "1"
      ? ok("sync_binlog", "1: the binlog holds what is committed, also after a crash of the machine")
      : warning(
          "sync_binlog",
          `${variables.sync_binlog ?? "unknown"}: after a crash of the machine replicas may lack what was committed`,
          setGlobal("sync_binlog", "1")
        )
  ]
}

const needsIt =
  "a bulk load ends where MariaDB refuses a row, where others insert into the table meanwhile, and at rows longer than a packet"

const judgeLocalInfile = ({ localRefused, variables }: MariaDbFacts): Finding => {
  const mend = setGlobal("local_infile", "1")
  if (variables.local_infile === "OFF") {
    return warning("local_infile", `OFF: ${needsIt}`, mend)
  }
  return localRefused === undefined
    ? ok("local_infile", "bulk loads may send rows that are to be looked at one by one")
    : warning("local_infile", `LOAD DATA LOCAL was refused (${localRefused}): ${needsIt}`, mend)
}

const judgePacket = (bytes: number): Finding =>
  bytes >= 16 * 2 ** 20
    ? ok("max_allowed_packet", `${megabytes(bytes)} is enough for every statement`)
    : bytes >= 4 * 2 ** 20
      ? warning(
          "max_allowed_packet",
          `${megabytes(bytes)}: a large batch of orders or a long row of a load may be refused`,
          setGlobal("max_allowed_packet", "16777216")
        )
      : problem(
          "max_allowed_packet",
          `${megabytes(bytes)}: batches of statements don't pass`,
          setGlobal("max_allowed_packet", "16777216")
        )

/** What one process opens: its pool, and one or more for each load. */
const ofOneProcess = 24

const judgeConnections = (limit: number): Finding =>
  limit >= 2 * ofOneProcess
    ? ok("max_connections", `${limit} are enough for ${Math.floor(limit / ofOneProcess)} processes of Sluice, and nobody else`)
    : warning(
        "max_connections",
        `${limit} are ${limit >= ofOneProcess ? "enough for one process of Sluice only" : "too few for one process of Sluice"}`,
        setGlobal("max_connections", "200")
      )

const wanted = [
  "tx_isolation",
  "transaction_isolation",
  "innodb_flush_log_at_trx_commit",
  "local_infile",
  "max_allowed_packet",
  "time_zone",
  "log_bin",
  "binlog_format",
  "sync_binlog",
  "read_only",
  "max_connections"
]

const factsOf = (url: Redacted.Redacted) =>
  Effect.gen(function* () {
    const session = yield* openSession(url)
    const rows = yield* session.query<{ Variable_name: string; Value: string }>(
      `SHOW GLOBAL VARIABLES WHERE Variable_name IN (${wanted.map((name) => `'${name}'`).join(", ")})`
    )
    const own = Object.fromEntries(
      (yield* session.query<{ Variable_name: string; Value: string }>(
        "SHOW SESSION VARIABLES WHERE Variable_name IN ('tx_isolation', 'transaction_isolation', 'time_zone', 'character_set_database')"
      )).map(({ Value, Variable_name }) => [Variable_name, Value])
    )
    const [about] = yield* session.query<{ v: string; u: string }>("SELECT VERSION() AS v, CURRENT_USER() AS u")
    const asked = Date.now()
    const [clock] = yield* session.query<{ ms: string | number }>("SELECT UNIX_TIMESTAMP(NOW(6)) * 1000 AS ms")
    const skew = skewOf(Number(clock!.ms), asked, Date.now())

    const { refusals, step } = trying()
    const table = ownName()
    /** Until it is known that it is not. */
    let isMade = true
    const drop = Effect.suspend(() =>
      isMade ? step(`DROP TABLE ${table}, which is left`, session.run(`DROP TABLE IF EXISTS ${table}`)) : Effect.void
    )
    const localRefused = yield* Effect.gen(function* () {
      const made = yield* step(
        "CREATE TABLE",
        session.run(
          `CREATE TABLE ${table} (id INT PRIMARY KEY, parent INT, CONSTRAINT ${table}_parent FOREIGN KEY (parent) REFERENCES ${table} (id)) ENGINE=InnoDB`
        )
      )
      isMade = made !== undefined
      if (!isMade) return undefined
      yield* step("INSERT", session.run(`INSERT INTO ${table} (id) VALUES (1)`))
      yield* step("UPDATE", session.run(`UPDATE ${table} SET id = 2 WHERE id = 1`))
      yield* step("SELECT FOR UPDATE SKIP LOCKED", session.query(`SELECT id FROM ${table} FOR UPDATE SKIP LOCKED`))
      yield* step("ALTER TABLE", session.run(`ALTER TABLE ${table} ADD COLUMN note VARCHAR(10)`))
      yield* step("CREATE INDEX", session.run(`CREATE INDEX ${table}_note ON ${table} (note)`))
      yield* step("DELETE", session.run(`DELETE FROM ${table}`))
      const local = trying()
      yield* local.step(
        "LOAD DATA LOCAL",
        session.load((file) => `LOAD DATA LOCAL INFILE '${file}' INTO TABLE ${table} (id)`, [Buffer.from("7\n")])
      )
      return local.refusals[0]?.message
    }).pipe(Effect.ensuring(takingAway(drop)))

    const facts: MariaDbFacts = {
      database: connectionOptions(url).database,
      user: about!.u,
      version: about!.v,
      variables: Object.fromEntries(rows.map(({ Value, Variable_name }) => [Variable_name, Value])),
      isolation: own.transaction_isolation ?? own.tx_isolation ?? "unknown",
      timeZone: own.time_zone ?? "unknown",
      charset: own.character_set_database ?? "unknown",
      refusals,
      localRefused,
      skew
    }
    return facts
  })

export const mariaDbEngine = (url: Redacted.Redacted): Engine => {
  const { host, port } = connectionOptions(url)
  return {
    about: "mariadb",
    address: `${host}:${port}`,
    setting: "SLUICE_MARIADB_URL",
    examine: Effect.scoped(Effect.map(factsOf(url), judgeMariaDb))
  }
}
