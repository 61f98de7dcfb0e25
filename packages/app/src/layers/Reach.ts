/**
 * Whether the servers of a cluster can be reached at all, looked at before anything is built on them, so that all that are away are named
 * at once. It opens a connection and closes it; whether they let this process in, and are what they should be, is found out by their use.
 */
import { connect } from "node:net"
import { Effect, Redacted } from "effect"
import { type ClusterUrls, examples, type Settings } from "../Settings.ts"
import { StartError } from "../StartError.ts"

type Name = keyof typeof examples

interface Server {
  readonly setting: Name
  /** As it may be shown: without user, password and options. */
  readonly value: string
  readonly addresses: ReadonlyArray<{ readonly host: string; readonly port: number }>
}

const patience = "5 seconds"

/** `host:port/database` of a URL, which may name more than one host. */
export const withoutSecrets = (url: string): string => url.replace(/\?.*$/s, "").replace(/^[a-z+]+:\/\/(.*@)?/is, "")

const addressesOf = (url: string, port: number) =>
  withoutSecrets(url)
    .replace(/\/.*$/s, "")
    .split(",")
    .map((place) => {
      const [, host = place, own] = /^(.*?)(?::(\d+))?$/.exec(place.trim()) ?? []
      return { host: host.replace(/^\[|\]$/g, ""), port: own === undefined ? port : Number(own) }
    })

const server = (setting: Name, urls: ReadonlyArray<string>, port: number): Server => {
  const value = urls.map(withoutSecrets).join(",")
  return { setting, value, addresses: urls[0]!.startsWith("mongodb+srv:") ? [] : urls.flatMap((url) => addressesOf(url, port)) }
}

const serversOf = ({ kafka, mariadb, mongodb, redis }: ClusterUrls) => ({
  mariadb: server("SLUICE_MARIADB_URL", [Redacted.value(mariadb)], 3306),
  redis: server("SLUICE_REDIS_URL", redis.map(Redacted.value), 6379),
  kafka: server("SLUICE_KAFKA_BROKERS", kafka.brokers, 9092),
  mongodb: server("SLUICE_MONGODB_URL", [Redacted.value(mongodb)], 27017)
})

const open = (host: string, port: number) =>
  Effect.callback<void, string>((resume) => {
    const socket = connect({ host, port })
    socket.once("connect", () => resume(Effect.void))
    socket.once("error", (error: NodeJS.ErrnoException) => resume(Effect.fail(error.code ?? error.message)))
    return Effect.sync(() => socket.destroy())
  }).pipe(Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.fail(`no connection within ${patience}`) }))

/** Undefined where one of its addresses answers, else what is to be said of it. */
const problemOf = ({ addresses, setting, value }: Server): Effect.Effect<string | undefined> =>
  addresses.length === 0
    ? Effect.undefined
    : Effect.raceAll(addresses.map(({ host, port }) => open(host, port))).pipe(
        Effect.as(undefined),
        Effect.catch((reason) =>
          Effect.succeed(`${setting}: ${value} can't be reached (${reason}); for example ${setting}=${examples[setting]}`)
        )
      )

/** Fails with all that are away and needed; says which others are. */
export const check = Effect.fnUntraced(function* (urls: ClusterUrls, orderView: Settings["orderView"]) {
  const { kafka, mariadb, mongodb, redis } = serversOf(urls)
  const warn = (one: Server, what: string) =>
    Effect.flatMap(problemOf(one), (problem) => (problem === undefined ? Effect.void : Effect.logWarning(`${problem}. ${what}`)))
  yield* Effect.forkScoped(
    Effect.all(
      [
        warn(kafka, "It is tried again; until it is back, coupons are won and orders taken, and both are made known later"),
        ...(orderView === "mongodb"
          ? [warn(mongodb, "It is tried again; until it is back, orders are taken, and reads of them are answered with 503")]
          : [])
      ],
      { concurrency: "unbounded" }
    )
  )
  const problems = yield* Effect.forEach([mariadb, redis], problemOf, { concurrency: "unbounded" })
  const found = problems.filter((problem) => problem !== undefined)
  if (found.length > 0) return yield* new StartError({ message: found.join("\n") })
})
