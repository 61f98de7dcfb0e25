/** Where a connection to MariaDB goes, and what its session is told first, whoever opens it. */
import * as Redacted from "effect/Redacted"

/** What every session is told first. */
export const session = [
  "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
  "SET SESSION sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,NO_ZERO_DATE,NO_ZERO_IN_DATE', " +
    "innodb_lock_wait_timeout = 5, time_zone = '+00:00'"
]

/** The parts of a MariaDB URL as mysql2 takes them. */
export const connectionOptions = (url: Redacted.Redacted) => {
  const { hostname, password, pathname, port, username } = new URL(Redacted.value(url))
  return {
    host: hostname,
    port: port === "" ? 3306 : Number(port),
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
    database: decodeURIComponent(pathname.slice(1))
  }
}
