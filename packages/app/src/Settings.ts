/**
 * Everything that can be set, read from the environment at once: what is missing, malformed or misspelt is named in one error, before
 * anything starts. A secret may also stand in a file named by `<NAME>_FILE`; its value is never printed.
 */

import { readFileSync } from "node:fs"
import { isIP } from "node:net"
import { resolve } from "node:path"
import { Data, Duration, Effect, Option, Redacted } from "effect"
import { distance } from "./Spelling.ts"

export type Role = "gateway" | "admission" | "issuer" | "relay" | "projector"
export const roles: ReadonlyArray<Role> = ["gateway", "admission", "issuer", "relay", "projector"]

export interface TicketKeySetting {
  readonly kid: string
  readonly secret: Redacted.Redacted
}

const saslMechanisms = ["plain", "scram-sha-256", "scram-sha-512"] as const

export interface KafkaSetting {
  readonly brokers: ReadonlyArray<string>
  readonly ssl: boolean
  readonly sasl:
    | { readonly mechanism: (typeof saslMechanisms)[number]; readonly username: string; readonly password: Redacted.Redacted }
    | undefined
  /** Of topics that Sluice makes; the broker's default if undefined. */
  readonly replicationFactor: number | undefined
}

export interface ClusterUrls {
  readonly mariadb: Redacted.Redacted
  readonly redis: ReadonlyArray<Redacted.Redacted>
  readonly kafka: KafkaSetting
  readonly mongodb: Redacted.Redacted
}

export interface RateSetting {
  readonly perSecond: number
  readonly burst: number
}

export interface TracingSetting {
  readonly url: string
  /** `name=value,...`, for a collector that asks who sends. */
  readonly headers: Redacted.Redacted | undefined
  /** Share of requests, 0 to 1; those that come with a sampled `traceparent` besides. */
  readonly ratio: number
}

export interface Settings {
  readonly host: string
  readonly port: number
  readonly dataDir: string
  readonly roles: ReadonlyArray<Role>
  readonly engines: { readonly kind: "embedded" } | ({ readonly kind: "cluster" } & ClusterUrls)
  readonly adminKey: Redacted.Redacted | undefined
  readonly ticketKeys: ReadonlyArray<TicketKeySetting>
  readonly userSecret: Redacted.Redacted | undefined
  readonly userJwks: string | undefined
  readonly userRate: RateSetting | false
  readonly addressRate: RateSetting | undefined
  readonly trustedProxies: ReadonlyArray<string>
  readonly frameAncestors: ReadonlyArray<string>
  readonly maxConnections: number | undefined
  readonly maxStreams: number | undefined
  /** Uploads of rows that are stored at once. */
  readonly maxLoads: number
  readonly maxUploadBytes: number
  readonly recoveryHold: Duration.Duration
  readonly recoveryDrain: Duration.Duration
  readonly drainGrace: Duration.Duration
  /** How long published events stay in the outbox. */
  readonly outboxRetention: Duration.Duration
  /** How long it is known what admins changed. */
  readonly auditRetention: Duration.Duration
  readonly orderView: "mongodb" | "mariadb"
  readonly logLevel: LogLevel
  readonly logFormat: "pretty" | "json" | "logfmt"
  readonly tracing: TracingSetting | undefined
}

const logLevels = ["Debug", "Info", "Warn", "Error", "None"] as const
export type LogLevel = (typeof logLevels)[number]

export class SettingsError extends Data.TaggedError("SettingsError")<{ readonly problems: ReadonlyArray<string> }> {
  override get message(): string {
    return `The settings can't be used:\n${this.problems.map((problem) => `  - ${problem}`).join("\n")}`
  }
}

type Env = Readonly<Record<string, string | undefined>>

/** Names with another reader: the commands that talk to a server, the tests, and the stack. */
const otherNames = ["SLUICE_URL", "SLUICE_CRASH_AT", "SLUICE_STACK"]

/** How the servers of a cluster are named. */
export const examples = {
  SLUICE_MARIADB_URL: "mysql://sluice:secret@127.0.0.1:3306/sluice",
  SLUICE_REDIS_URL: "redis://127.0.0.1:6379",
  SLUICE_KAFKA_BROKERS: "127.0.0.1:9092,127.0.0.1:9093",
  SLUICE_MONGODB_URL: "mongodb://127.0.0.1:27017/sluice?replicaSet=rs0"
}

/** A value as it may be shown: what stands before an @ may be a password. */
const shown = (value: string) => JSON.stringify(value.replace(/^([a-z][a-z0-9+.-]*:\/\/)?.*@/is, "$1***@"))

const reader = (env: Env) => {
  const problems: Array<string> = []
  const known = new Set(otherNames)

  const text = (name: string): string | undefined => {
    known.add(name)
    return env[name]?.trim() || undefined
  }
  const refuse = (name: string, value: string, example: string) => {
    problems.push(`${name}: ${shown(value)} is not understood; for example ${name}=${example}`)
    return undefined
  }
  const secret = (name: string): Redacted.Redacted | undefined => {
    known.add(`${name}_FILE`)
    const value = text(name)
    const file = env[`${name}_FILE`]?.trim()
    if (value !== undefined && file) problems.push(`${name} and ${name}_FILE are both set: only one can be meant`)
    if (value !== undefined) return Redacted.make(value)
    if (!file) return undefined
    try {
      return Redacted.make(readFileSync(file, "utf8").trim())
    } catch (cause) {
      problems.push(`${name}_FILE: ${(cause as Error).message}`)
      return undefined
    }
  }
  const parsed = <A>(name: string, example: string, fallback: A, parse: (value: string) => A | undefined): A => {
    const value = text(name)
    if (value === undefined) return fallback
    const result = parse(value)
    if (result === undefined) refuse(name, value, example)
    return result ?? fallback
  }
  const int = <A>(name: string, minimum: number, maximum: number, fallback: A) =>
    parsed<number | A>(name, String(minimum), fallback, (value) => {
      const n = Number(value)
      return /^\d+$/.test(value) && n >= minimum && n <= maximum ? n : undefined
    })
  const oneOf = <A extends string>(name: string, values: ReadonlyArray<A>, fallback: A) =>
    parsed<A>(name, values.join("|"), fallback, (value) => values.find((candidate) => candidate === value))
  const duration = (name: string, fallback: Duration.Duration) =>
    parsed(name, '"12 seconds"', fallback, (value) => Option.getOrUndefined(Duration.fromInput(value as Duration.Input)))
  const list = (name: string): ReadonlyArray<string> => {
    const value = text(name)
    if (value === undefined) return []
    const parts = value.split(",").map((part) => part.trim())
    if (parts.includes("")) problems.push(`${name}: ${shown(value)} has an empty part between its commas`)
    return parts.filter((part) => part !== "")
  }
  const rate = (name: string) =>
    parsed<RateSetting | false | undefined>(name, "20/100", undefined, (value) => {
      if (value === "off") return false
      const match = /^(\d{1,7})\/(\d{1,7})$/.exec(value)
      return match && Number(match[1]) > 0 && Number(match[2]) > 0
        ? { perSecond: Number(match[1]), burst: Number(match[2]) }
        : undefined
    })
  return { duration, env, int, known, list, oneOf, parsed, problems, rate, secret, text }
}

type Reader = ReturnType<typeof reader>

/** MongoDB's may name several hosts, each with its port. */
const isUrl = (value: string, protocols: ReadonlyArray<string>) => {
  const ofOne = value.replace(/^(mongodb:\/\/(?:[^/]*@)?)(?:[^/@,]+,)+/, "$1")
  const url = URL.canParse(ofOne) ? new URL(ofOne) : undefined
  return url !== undefined && protocols.includes(url.protocol) && url.hostname !== ""
}

const kafkaOf = ({ int, known, list, oneOf, problems, secret }: Reader, needed: boolean): KafkaSetting => {
  const brokers = list("SLUICE_KAFKA_BROKERS")
  known.add("SLUICE_KAFKA_BROKERS")
  if (needed && brokers.length === 0) {
    problems.push(`SLUICE_KAFKA_BROKERS is missing; for example SLUICE_KAFKA_BROKERS=${examples.SLUICE_KAFKA_BROKERS}`)
  }
  for (const broker of brokers) {
    if (!/^[A-Za-z0-9.[\]:_-]+:\d{1,5}$/.test(broker)) {
      problems.push(`SLUICE_KAFKA_BROKERS: ${shown(broker)} is not host:port; for example 127.0.0.1:9092`)
    }
  }
  const mechanism = oneOf("SLUICE_KAFKA_SASL_MECHANISM", saslMechanisms, "plain")
  const user = secret("SLUICE_KAFKA_SASL")
  const [, username, password] = /^([^:]+):(.+)$/.exec(user === undefined ? "" : Redacted.value(user)) ?? []
  if (user !== undefined && password === undefined) problems.push("SLUICE_KAFKA_SASL: its value (not shown) is not user:password")
  return {
    brokers,
    ssl: oneOf("SLUICE_KAFKA_SSL", ["true", "false"], "false") === "true",
    sasl: username && password ? { mechanism, username, password: Redacted.make(password) } : undefined,
    replicationFactor: int("SLUICE_KAFKA_REPLICATION", 1, 32_767, undefined)
  }
}

const clusterUrls = (read: Reader, needed: boolean): ClusterUrls => {
  const { problems, secret } = read
  const url = (name: keyof typeof examples, protocols: ReadonlyArray<string>, valid = (_: string) => true) => {
    const example = examples[name]
    const value = secret(name)
    if (value === undefined) {
      if (needed) problems.push(`${name} is missing; for example ${name}=${example}`)
      return Redacted.make("")
    }
    for (const part of name === "SLUICE_REDIS_URL" ? Redacted.value(value).split(",") : [Redacted.value(value)]) {
      if (!isUrl(part.trim(), protocols) || !valid(part.trim())) {
        problems.push(`${name}: its value (not shown) is not such a URL; for example ${name}=${example}`)
      }
    }
    return value
  }
  const mariadb = url("SLUICE_MARIADB_URL", ["mysql:", "mariadb:"], (value) => /^\/[^/]+$/.test(new URL(value).pathname))
  const redis = url("SLUICE_REDIS_URL", ["redis:", "rediss:"])
  const mongodb = url("SLUICE_MONGODB_URL", ["mongodb:", "mongodb+srv:"])
  return {
    mariadb,
    redis: Redacted.value(redis)
      .split(",")
      .map((part) => Redacted.make(part.trim())),
    kafka: kafkaOf(read, needed),
    mongodb
  }
}

const adminKeyOf = ({ problems, secret }: Reader) => {
  const key = secret("SLUICE_ADMIN_KEY")
  if (key !== undefined && Redacted.value(key).length < 32) {
    problems.push("SLUICE_ADMIN_KEY is too short: at least 32 characters, for example from `openssl rand -hex 24`")
  }
  return key
}

const ticketKeysOf = ({ problems, secret }: Reader): ReadonlyArray<TicketKeySetting> => {
  const value = secret("SLUICE_TICKET_KEYS")
  if (value === undefined) return []
  return Redacted.value(value)
    .split(",")
    .map((part) => {
      const colon = part.indexOf(":")
      const kid = part.slice(0, colon).trim()
      const key = part.slice(colon + 1).trim()
      if (!/^[A-Za-z0-9_-]{1,32}$/.test(kid) || key.length < 32) {
        problems.push(
          "SLUICE_TICKET_KEYS: keys are kid:secret with a secret of at least 32 characters; the first signs, all verify"
        )
      }
      return { kid, secret: Redacted.make(key) }
    })
}

const tracingOf = ({ parsed, problems, secret, text }: Reader): TracingSetting | undefined => {
  const url = text("SLUICE_OTLP_URL")
  const headers = secret("SLUICE_OTLP_HEADERS")
  const ratio = parsed("SLUICE_TRACE_RATIO", "0.01", 0.01, (value) =>
    /^(0(\.\d+)?|1(\.0+)?)$/.test(value) ? Number(value) : undefined
  )
  if (url !== undefined && !isUrl(url, ["http:", "https:"])) {
    problems.push("SLUICE_OTLP_URL is not the address of a collector; for example SLUICE_OTLP_URL=http://127.0.0.1:4318")
  }
  if (headers !== undefined && !/^[^=,]+=[^,]*(,[^=,]+=[^,]*)*$/.test(Redacted.value(headers))) {
    problems.push("SLUICE_OTLP_HEADERS: its value (not shown) is not name=value,name=value")
  }
  return url === undefined ? undefined : { url, headers, ratio }
}

const isLoopback = (host: string) => ["localhost", "::1", "[::1]"].includes(host) || host.startsWith("127.")

const isAddressOrBlock = (entry: string) => {
  const [address = "", prefix, ...rest] = entry.split("/")
  const bits = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1
  return bits > 0 && rest.length === 0 && (prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits))
}

const isJwks = (value: string) => {
  if (!value.startsWith("{")) {
    return isUrl(value, ["https:"]) || (isUrl(value, ["http:"]) && isLoopback(new URL(value).hostname))
  }
  try {
    return Array.isArray(JSON.parse(value).keys)
  } catch {
    return false
  }
}

const isRole = (name: string): name is Role => roles.some((role) => role === name)

/** `overrides` are what the command line says: flags stand over the environment. */
export const readSettings = (
  env: Env,
  overrides: { readonly roles?: string; readonly port?: number; readonly host?: string; readonly dataDir?: string } = {}
): Effect.Effect<Settings, SettingsError> =>
  Effect.suspend(() => {
    const read = reader(env)
    const { duration, int, known, list, oneOf, problems, rate, secret, text } = read
    const kind = oneOf("SLUICE_ENGINES", ["embedded", "cluster"], "embedded")
    const urls = clusterUrls(read, kind === "cluster")
    const asked = overrides.roles?.split(",").map((name) => name.trim()) ?? list("SLUICE_ROLES")
    for (const name of asked) {
      if (!isRole(name)) problems.push(`roles: ${shown(name)} is none; the roles are ${roles.join(", ")}`)
    }
    known.add("SLUICE_ROLES")
    if (kind === "embedded" && asked.length > 0 && roles.some((role) => !asked.includes(role))) {
      problems.push("roles: with SLUICE_ENGINES=embedded one process runs all of them; set SLUICE_ENGINES=cluster to spread them")
    }
    const userRate = rate("SLUICE_USER_RATE")
    const addressRate = rate("SLUICE_ADDRESS_RATE")
    const userSecret = secret("SLUICE_USER_SECRET")
    if (userSecret !== undefined && Buffer.byteLength(Redacted.value(userSecret)) < 32) {
      problems.push("SLUICE_USER_SECRET is too short: at least 32 bytes")
    }
    const userJwks = text("SLUICE_USER_JWKS")
    if (userJwks !== undefined && !isJwks(userJwks)) {
      problems.push("SLUICE_USER_JWKS is neither the https address of a JWKS, as https://id.example/jwks.json, nor its JSON")
    }
    if (userSecret !== undefined && userJwks !== undefined) {
      problems.push("SLUICE_USER_SECRET and SLUICE_USER_JWKS are both set: only one can be meant")
    }
    const trustedProxies = list("SLUICE_TRUSTED_PROXIES")
    for (const entry of trustedProxies) {
      if (!isAddressOrBlock(entry)) {
        problems.push(`SLUICE_TRUSTED_PROXIES: ${shown(entry)} is no address or block of them; for example 10.0.0.0/8`)
      }
    }
    const host = overrides.host ?? text("SLUICE_HOST") ?? "127.0.0.1"
    const adminKey = adminKeyOf(read)
    if (adminKey === undefined && !isLoopback(host) && (asked.length === 0 || asked.includes("gateway"))) {
      problems.push(
        `SLUICE_ADMIN_KEY is missing, and needed to serve on ${host}, which others can reach; for example from \`openssl rand -hex 24\``
      )
    }
    const frameAncestors = list("SLUICE_FRAME_ANCESTORS")
    for (const origin of frameAncestors) {
      if (!/^https?:\/\/(\*\.)?[A-Za-z0-9.-]+(:\d{1,5})?$/.test(origin)) {
        problems.push(`SLUICE_FRAME_ANCESTORS: ${shown(origin)} is not an origin; for example https://shop.example`)
      }
    }
    const settings: Settings = {
      host,
      port: overrides.port ?? int("SLUICE_PORT", 0, 65_535, 8080),
      dataDir: resolve(overrides.dataDir ?? text("SLUICE_DATA_DIR") ?? ".sluice"),
      roles: asked.length === 0 ? roles : asked.filter(isRole),
      engines: kind === "embedded" ? { kind } : { kind, ...urls },
      adminKey,
      ticketKeys: ticketKeysOf(read),
      userSecret,
      userJwks,
      userRate: userRate ?? { perSecond: 20, burst: 100 },
      addressRate: addressRate || undefined,
      trustedProxies,
      frameAncestors,
      maxConnections: int("SLUICE_MAX_CONNECTIONS", 1, 1_000_000, undefined),
      maxStreams: int("SLUICE_MAX_STREAMS", 1, 1_000_000, undefined),
      maxLoads: int("SLUICE_MAX_LOADS", 1, 1000, 2),
      maxUploadBytes: int("SLUICE_MAX_UPLOAD_BYTES", 1, Number.MAX_SAFE_INTEGER, 64 * 2 ** 30),
      recoveryHold: duration("SLUICE_RECOVERY_HOLD", Duration.seconds(12)),
      recoveryDrain: duration("SLUICE_RECOVERY_DRAIN", Duration.seconds(5)),
      drainGrace: duration("SLUICE_DRAIN_GRACE", Duration.seconds(0)),
      outboxRetention: duration("SLUICE_OUTBOX_RETENTION", Duration.seconds(0)),
      auditRetention: duration("SLUICE_AUDIT_RETENTION", Duration.days(365)),
      orderView: oneOf("SLUICE_ORDER_VIEW", ["mongodb", "mariadb"], "mongodb"),
      logLevel: oneOf("SLUICE_LOG_LEVEL", logLevels, "Info"),
      logFormat: oneOf("SLUICE_LOG_FORMAT", ["pretty", "json", "logfmt"], "pretty"),
      tracing: tracingOf(read)
    }
    for (const name of ["SLUICE_HOST", "SLUICE_PORT", "SLUICE_DATA_DIR", "SLUICE_TRUSTED_PROXIES", "SLUICE_FRAME_ANCESTORS"])
      known.add(name)
    for (const name of Object.keys(env)) {
      if (name.startsWith("SLUICE_") && !known.has(name)) problems.push(`${name} is not a setting${nearest(name, known)}`)
    }
    return problems.length === 0 ? Effect.succeed(settings) : Effect.fail(new SettingsError({ problems }))
  })

const nearest = (name: string, known: ReadonlySet<string>): string => {
  const [best] = [...known].map((candidate) => [distance(name, candidate), candidate] as const).sort(([a], [b]) => a - b)
  return best !== undefined && best[0] <= 4 ? `; is ${best[1]} meant?` : ""
}
