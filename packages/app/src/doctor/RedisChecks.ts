/** Redis holds the places of the crowd and the wins on their way: it must not forget, and not make room. */
import { Redis } from "@sluice/engines"
import { Effect, Redacted } from "effect"
import { type Finding, findings, isAtLeast, judgeRights, judgeSkew, type Refusal, type Skew, skewOf } from "./Finding.ts"
import { type Engine, ownName, trying } from "./Trying.ts"

export interface RedisFacts {
  readonly address: string
  /** How many nodes SLUICE_REDIS_URL names. */
  readonly named: number
  readonly version: string
  readonly role: string
  readonly policy: string
  readonly appendOnly: boolean
  /** Undefined where Redis does not tell. */
  readonly appendFsync: string | undefined
  /** Undefined where it is no node of a Redis Cluster. */
  readonly cluster: { readonly state: string; readonly slots: number } | undefined
  readonly refusals: ReadonlyArray<Refusal>
  readonly skew: Skew
}

const tried = "a script on keys of its own"
const acl = "as an administrator: ACL SETUSER <user> ~sluice:* +@all -@dangerous +info +config|get"

export const judgeRedis = (facts: RedisFacts): ReadonlyArray<Finding> => {
  const { address, appendFsync, appendOnly, cluster, named, policy, role, version } = facts
  const about = named > 1 ? `redis ${address}` : "redis"
  const { ok, problem, warning } = findings(about)
  const [host, port] = [address.slice(0, address.lastIndexOf(":")), address.slice(address.lastIndexOf(":") + 1)]
  const set = (setting: string, value: string) =>
    `redis-cli -h ${host} -p ${port} CONFIG SET ${setting} ${value}, and \`${setting} ${value}\` in redis.conf`
  return [
    isAtLeast(version, "7.0")
      ? ok("version", `${version} is new enough`)
      : problem("version", `${version} is older than what Sluice is tested on`, "install Redis 7.0 or newer"),
    role === "master"
      ? ok("role", "it takes writes")
      : problem("role", `it is a ${role}, which takes no writes`, "name the primary in SLUICE_REDIS_URL"),
    policy === "noeviction"
      ? ok("maxmemory-policy", "noeviction: where memory runs short, joins are refused and nothing is forgotten")
      : problem(
          "maxmemory-policy",
          `${policy}: where memory runs short, Redis throws places and wins away`,
          set("maxmemory-policy", "noeviction")
        ),
    appendOnly
      ? ok("appendonly", "yes: places outlive a restart")
      : problem(
          "appendonly",
          "no: a restart loses all places since the last snapshot, and each of them holds up admission until users came back",
          set("appendonly", "yes")
        ),
    ...(appendOnly ? [judgeFsync(about, appendFsync, set("appendfsync", "everysec"))] : []),
    ...judgeCluster(about, cluster, named),
    ...(cluster === undefined ? [judgeRights(about, tried, facts.refusals, acl)] : []),
    judgeSkew(about, facts.skew),
    ...(appendFsync === undefined && appendOnly
      ? [warning("config", "CONFIG GET is refused, so appendfsync can't be seen", "allow +config|get, or look at it yourself")]
      : [])
  ]
}

const judgeFsync = (about: string, fsync: string | undefined, mend: string): Finding => {
  const { ok, warning } = findings(about)
  switch (fsync) {
    case undefined:
      return ok("appendfsync", "not told by this server")
    case "no":
      return warning("appendfsync", "no: a crash of the machine may lose half a minute of places", mend)
    case "always":
      return ok("appendfsync", "always: nothing is lost, and every write waits for the disk")
    default:
      return ok("appendfsync", `${fsync}: a crash of the machine may lose the last second, which tickets bring back`)
  }
}

const judgeCluster = (about: string, cluster: RedisFacts["cluster"], named: number): ReadonlyArray<Finding> => {
  const { ok, problem } = findings(about)
  if (cluster === undefined) {
    return named === 1
      ? []
      : [
          problem(
            "cluster",
            "several nodes are named, and this one is in no Redis Cluster",
            "name one address in SLUICE_REDIS_URL, or set cluster-enabled yes and join the nodes by redis-cli --cluster create"
          )
        ]
  }
  if (named === 1) {
    return [
      problem(
        "cluster",
        "it is one node of a Redis Cluster, and the keys of most campaigns are on others",
        "name several nodes in SLUICE_REDIS_URL, by comma"
      )
    ]
  }
  return [
    cluster.state === "ok"
      ? ok("cluster", `the cluster is whole: ${cluster.slots} of 16384 slots are served`)
      : problem(
          "cluster",
          `the cluster is ${cluster.state}: ${cluster.slots} of 16384 slots are served`,
          "redis-cli --cluster check <node>, then redis-cli --cluster fix <node>"
        )
  ]
}

const field = (info: string, name: string): string | undefined => new RegExp(`^${name}:(.*?)\\r?$`, "m").exec(info)?.[1]

/** What is set and left is read from INFO, which managed servers answer too. */
const factsOf = Effect.fnUntraced(function* (address: string, named: number) {
  const redis = yield* Redis
  const info = String(yield* redis.call("INFO"))
  const appendFsync = yield* redis.call("CONFIG", "GET", "appendfsync").pipe(
    Effect.map((answer) => (answer as ReadonlyArray<string>)[1]),
    Effect.orElseSucceed(() => undefined)
  )
  const isCluster = field(info, "cluster_enabled") === "1"
  const clusterInfo = isCluster ? String(yield* redis.call("CLUSTER", "INFO")) : ""
  const asked = Date.now()
  const [seconds, micros] = (yield* redis.call("TIME")) as readonly [string, string]
  const skew = skewOf(Number(seconds) * 1000 + Number(micros) / 1000, asked, Date.now())
  const facts: RedisFacts = {
    address,
    named,
    version: field(info, "redis_version") ?? "unknown",
    role: field(info, "role") ?? "unknown",
    policy: field(info, "maxmemory_policy") ?? "unknown",
    appendOnly: field(info, "aof_enabled") === "1",
    appendFsync,
    cluster: isCluster
      ? { state: field(clusterInfo, "cluster_state") ?? "unknown", slots: Number(field(clusterInfo, "cluster_slots_ok") ?? 0) }
      : undefined,
    refusals: isCluster ? [] : yield* tryRights,
    skew
  }
  return facts
})

/** What the waiting room's scripts do, on a key that lives for ten seconds at the longest. */
const script = `redis.call('HSET', KEYS[1], 'a', '1') redis.call('PEXPIRE', KEYS[1], 10000)
redis.call('ZADD', KEYS[2], 1, 'a') redis.call('PEXPIRE', KEYS[2], 10000) redis.call('TIME')
redis.call('INFO', 'server') return redis.call('HGET', KEYS[1], 'a')`

const tryRights = Effect.gen(function* () {
  const redis = yield* Redis
  const { refusals, step } = trying()
  const own = ownName()
  const keys = ["h", "z"].map((part) => `sluice:{${own}}:${part}`)
  yield* step("EVAL", redis.call("EVAL", script, keys.length, ...keys))
  yield* step("DEL", redis.call("DEL", ...keys))
  return refusals
})

const addressOf = (url: Redacted.Redacted) => {
  const { hostname, port } = new URL(Redacted.value(url))
  return `${hostname}:${port || 6379}`
}

/** Each node that is named; of a cluster also the whole of it, where keys find their node. */
export const redisEngines = (urls: ReadonlyArray<Redacted.Redacted>): ReadonlyArray<Engine> => {
  const nodes = urls.map((url): Engine => {
    const address = addressOf(url)
    return {
      about: urls.length > 1 ? `redis ${address}` : "redis",
      address,
      setting: "SLUICE_REDIS_URL",
      examine: factsOf(address, urls.length).pipe(Effect.map(judgeRedis), Effect.provide(Redis.layer({ urls: [url] })))
    }
  })
  if (urls.length === 1) return nodes
  const whole: Engine = {
    about: "redis",
    address: urls.map(addressOf).join(","),
    setting: "SLUICE_REDIS_URL",
    examine: tryRights.pipe(
      Effect.map((refusals) => [judgeRights("redis", tried, refusals, acl)]),
      Effect.provide(Redis.layer({ urls }))
    )
  }
  return [...nodes, whole]
}
