/**
 * How often one user or one address may ask: a token bucket each, in this process.
 *
 * Memory is fixed, whatever comes: each key has a bucket in either of two tables, which it may share, and the fuller of the two counts (a
 * count-min sketch with conservative update, Estan and Varghese 2002). So nobody gets more than the limit; somebody gets less only while others
 * who are at it share both buckets, about one key in 17,000 while a thousand are. Where a key's buckets are is known to the process alone.
 */
import { randomInt } from "node:crypto"
import type { IncomingMessage } from "node:http"
import { BlockList, isIP } from "node:net"
import { Context, Effect } from "effect"
import { type HttpOptions, HttpOptionsError, type RateLimit } from "./Options.ts"
import { Problem, type ProblemFields } from "./Problems.ts"

/** Of each table, a power of two. */
const buckets = 2 ** 17

/** The bucket of somebody who brings it along. */
export interface Bucket {
  fullAtMs: number
}

/** FNV-1a from a secret start, with the last step of MurmurHash3. */
const hashOf = (key: string, seed: number): number => {
  let hash = seed
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

export class Limiter {
  readonly #name: string
  readonly #limit: RateLimit
  readonly #interval: number
  readonly #tolerance: number
  /** When each bucket will be full again, in milliseconds. */
  readonly #first = new Float64Array(buckets)
  readonly #second = new Float64Array(buckets)
  readonly #seed = randomInt(2 ** 32)

  constructor(name: string, limit: RateLimit) {
    this.#name = name
    this.#limit = limit
    this.#interval = 1000 / limit.perSecond
    this.#tolerance = limit.burst * this.#interval
  }

  /** Takes one token, or tells how to go on. */
  take(key: string, now: number): ProblemFields | undefined {
    const hash = hashOf(key, this.#seed)
    const i = hash & (buckets - 1)
    const j = Math.imul(hash ^ (hash >>> 17), 0xed5ad4bb) & (buckets - 1)
    const next = Math.max(Math.min(this.#first[i]!, this.#second[j]!), now) + this.#interval
    if (next - now > this.#tolerance) return this.#refusal(next - now - this.#tolerance)
    if (this.#first[i]! < next) this.#first[i] = next
    if (this.#second[j]! < next) this.#second[j] = next
    return undefined
  }

  /** The same where the bucket is at hand. */
  takeFrom(bucket: Bucket, now: number): ProblemFields | undefined {
    const next = Math.max(bucket.fullAtMs, now) + this.#interval
    if (next - now > this.#tolerance) return this.#refusal(next - now - this.#tolerance)
    bucket.fullAtMs = next
    return undefined
  }

  #refusal(waitMs: number): ProblemFields {
    const { perSecond, burst } = this.#limit
    const seconds = String(Math.max(1, Math.ceil(waitMs / 1000)))
    return {
      code: "too_many_requests",
      detail: `At most ${perSecond} requests a second for one ${this.#name}, ${burst} at once.`,
      headers: {
        "ratelimit-policy": `"${this.#name}";q=${burst};w=${Math.max(1, Math.ceil(burst / perSecond))}`,
        ratelimit: `"${this.#name}";r=0;t=${seconds}`,
        "retry-after": seconds
      }
    }
  }
}

export class Limits extends Context.Service<
  Limits,
  {
    readonly users: Limiter | undefined
    readonly addresses: Limiter | undefined
    readonly addressOf: (request: IncomingMessage) => string
    /** Takes a token of a user. */
    readonly user: (key: string | Bucket) => Effect.Effect<void, Problem>
  }
>()("sluice/http/Limits") {}

const family = (address: string) => (isIP(address) === 6 ? "ipv6" : "ipv4")

const blockList = (trusted: ReadonlyArray<string>) =>
  Effect.try({
    try: () => {
      const list = new BlockList()
      for (const entry of trusted) {
        const [address = "", prefix] = entry.split("/")
        if (prefix === undefined) list.addAddress(address, family(address))
        else list.addSubnet(address, Number(prefix), family(address))
      }
      return list
    },
    catch: () =>
      new HttpOptionsError({ option: "trustedProxies", message: "expected addresses or CIDR blocks, such as 10.0.0.0/8" })
  })

/** The last address that no trusted proxy has vouched for: what a client writes itself stands before it. */
const addressOf = (trusted: BlockList) => (request: IncomingMessage) => {
  let address = request.socket.remoteAddress ?? ""
  const forwarded = request.headers["x-forwarded-for"]
  if (typeof forwarded !== "string") return address
  const hops = forwarded.split(",")
  while (hops.length > 0 && trusted.check(address, family(address))) {
    const hop = hops.pop()!.trim()
    if (isIP(hop) === 0) break
    address = hop
  }
  return address
}

const checked = (option: "userLimit" | "addressLimit", limit: RateLimit) =>
  limit.perSecond > 0 && limit.burst >= 1
    ? Effect.succeed(limit)
    : Effect.fail(new HttpOptionsError({ option, message: "expected perSecond above 0 and burst of at least 1" }))

export const makeLimits = Effect.fnUntraced(function* (options: HttpOptions) {
  const users =
    options.userLimit === false
      ? undefined
      : new Limiter("user", yield* checked("userLimit", options.userLimit ?? { perSecond: 20, burst: 100 }))
  const addresses = options.addressLimit && new Limiter("address", yield* checked("addressLimit", options.addressLimit))
  const trusted = options.trustedProxies ?? []
  return Limits.of({
    users,
    addresses,
    addressOf: trusted.length > 0 ? addressOf(yield* blockList(trusted)) : (request) => request.socket.remoteAddress ?? "",
    user: (key) =>
      Effect.suspend(() => {
        const now = performance.now()
        const refusal = typeof key === "string" ? users?.take(key, now) : users?.takeFrom(key, now)
        return refusal === undefined ? Effect.void : Effect.fail(new Problem(refusal))
      })
  })
})
