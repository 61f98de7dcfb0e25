/** What the HTTP side can be told. Everything has a default; what is wrong is refused before a port is taken. */
import { Data, type Duration, type Redacted } from "effect"

export interface RateLimit {
  readonly perSecond: number
  /** How many may come at once. */
  readonly burst: number
}

export interface HttpOptions {
  readonly host?: string
  /** 0 takes a free one. */
  readonly port?: number
  /** At least 32 characters. Without it nobody is the admin, and only a loopback address is served. */
  readonly adminKey?: Redacted.Redacted | undefined
  /** HS256 secret of the users' tokens, at least 32 bytes. With it or `userJwks`, users are who their token says. */
  readonly userSecret?: Redacted.Redacted | undefined
  /** The keys of the users' tokens: an https (or loopback http) address of a JWKS, or its JSON. */
  readonly userJwks?: string | undefined
  /** Requests of one user or ticket; false: no limit. */
  readonly userLimit?: RateLimit | false | undefined
  /** Requests from one address. Off unless given: crowds share addresses. */
  readonly addressLimit?: RateLimit | undefined
  /** Addresses or CIDR blocks whose X-Forwarded-For is believed. */
  readonly trustedProxies?: ReadonlyArray<string> | undefined
  /** Origins of sites that may show the waiting page in a frame. */
  readonly frameAncestors?: ReadonlyArray<string> | undefined
  /** Joins and looks that wait for an answer, above which more are turned away. */
  readonly maxInFlight?: number
  /** Open event streams. */
  readonly maxStreams?: number
  readonly maxConnections?: number | undefined
  /** Between two comments on a silent event stream. */
  readonly heartbeat?: Duration.Input
  /** How long readiness says 503 before the port is closed. */
  readonly drainGrace?: Duration.Input
  /** How long requests in flight may take after that. */
  readonly drainTimeout?: Duration.Input
  readonly headersTimeout?: Duration.Input
  readonly requestTimeout?: Duration.Input
  readonly keepAliveTimeout?: Duration.Input
  /** Share of requests whose spans are sampled; none: no request is traced, and no `traceparent` is looked at. */
  readonly traceRatio?: number
  /** Whether joins and looks take the short way past the router. For comparison only: answers are the same. */
  readonly fastPath?: boolean
}

export class HttpOptionsError extends Data.TaggedError("HttpOptionsError")<{
  readonly option: keyof HttpOptions
  readonly message: string
}> {}
