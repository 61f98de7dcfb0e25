/**
 * Who is asking: the admin by a key, a user by a token of the operator's own identity provider.
 *
 * Where no secret and no JWKS is set, users are not asked to prove anything and the caller is trusted with their ids. Where one is, the
 * `sub` of a verified token is the user, and nothing else is. Tokens must name an algorithm that fits the key: HS256 for the secret, a
 * signature of a public key for a JWKS; a token with another one, or none, is refused.
 */
import { createHash, createSecretKey, timingSafeEqual } from "node:crypto"
import { isId, type UserId } from "@sluice/domain"
import { Context, Effect, Layer, Redacted } from "effect"
import { HttpApiMiddleware, HttpApiSecurity, OpenApi } from "effect/http-api"
import { createLocalJWKSet, createRemoteJWKSet, errors, jwtVerify } from "jose"
import { type HttpOptions, HttpOptionsError } from "./Options.ts"
import { badRequest, forbidden, Problem, problem, unauthorized } from "./Problems.ts"

/** Looks at an Authorization header. Never rejects. */
type Verify = (authorization: string | undefined) => Promise<UserId | Problem>

export class Identity extends Context.Service<
  Identity,
  {
    readonly isAdmin: (authorization: string | undefined) => boolean
    /** The text without the admin key, should it be in it. */
    readonly conceal: (text: string) => string
    /** Undefined where the caller is trusted. */
    readonly verifyUser: Verify | undefined
    /** The user of a call that may also name one. */
    readonly user: (authorization: string | undefined, named: UserId | undefined) => Effect.Effect<UserId, Problem>
  }
>()("sluice/http/Identity") {}

/** Joins what the token says with what the body says. */
export const whoIs = (verified: UserId | Problem | undefined, named: UserId | undefined): UserId | Problem => {
  if (verified instanceof Problem) return verified
  if (verified === undefined) {
    return named ?? badRequest("Some fields are not valid; see errors.", [{ path: "userId", message: "Missing key" }])
  }
  return named === undefined || named === verified ? verified : forbidden("The token is of another user.")
}

const bearer = (authorization: string | undefined): string | undefined =>
  authorization !== undefined && authorization.slice(0, 7).toLowerCase() === "bearer " ? authorization.slice(7).trim() : undefined

const digest = (text: string) => createHash("sha256").update(text).digest()

const asymmetric = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]

/** What jose reports when the keys could not be had, rather than that the token is wrong. */
const ofTheKeys: ReadonlySet<string> = new Set(["ERR_JOSE_GENERIC", "ERR_JWKS_TIMEOUT", "ERR_JWKS_INVALID"])

const keysDown = new Problem({
  code: "unavailable",
  detail: "Not available now: the keys of the users' tokens.",
  headers: { "retry-after": "5" }
})

const refuse = (option: keyof HttpOptions, message: string) => Effect.fail(new HttpOptionsError({ option, message }))

const isLoopback = (url: URL) => url.hostname === "localhost" || url.hostname === "127.0.0.1" || url.hostname === "[::1]"

const remoteOrLocal = (jwks: string) => {
  if (jwks.trimStart().startsWith("{")) return createLocalJWKSet(JSON.parse(jwks))
  const url = new URL(jwks)
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isLoopback(url))) throw new Error("not https")
  return createRemoteJWKSet(url, { timeoutDuration: 5_000 })
}

const makeVerify = Effect.fnUntraced(function* (options: HttpOptions): Effect.fn.Return<Verify | undefined, HttpOptionsError> {
  const { userJwks, userSecret } = options
  if (userSecret !== undefined && userJwks !== undefined) return yield* refuse("userJwks", "expected only one of secret and JWKS")
  const rules = { requiredClaims: ["sub"], clockTolerance: 5 }
  if (userSecret !== undefined) {
    const secret = Buffer.from(Redacted.value(userSecret), "utf8")
    if (secret.length < 32) return yield* refuse("userSecret", "expected at least 32 bytes")
    const key = createSecretKey(secret)
    return verifyWith((token) => jwtVerify(token, key, { ...rules, algorithms: ["HS256"] }))
  }
  if (userJwks === undefined) return undefined
  const keys = yield* Effect.try({
    try: () => remoteOrLocal(userJwks),
    catch: () =>
      new HttpOptionsError({
        option: "userJwks",
        message: 'expected the https address of a JWKS, or its JSON as {"keys": [...]}'
      })
  })
  return verifyWith((token) => jwtVerify(token, keys, { ...rules, algorithms: asymmetric }))
})

const verifyWith =
  (verify: (token: string) => Promise<{ readonly payload: { readonly sub?: string } }>): Verify =>
  async (authorization) => {
    const token = bearer(authorization)
    if (!token) return unauthorized("user")
    try {
      const { sub } = (await verify(token)).payload
      return isId(sub) ? sub : unauthorized("user")
    } catch (cause) {
      return cause instanceof errors.JOSEError && !ofTheKeys.has(cause.code) ? unauthorized("user") : keysDown
    }
  }

export const makeIdentity = Effect.fnUntraced(function* (options: HttpOptions) {
  const { adminKey } = options
  if (adminKey !== undefined && Redacted.value(adminKey).length < 32) {
    return yield* refuse("adminKey", "expected at least 32 characters")
  }
  const expected = adminKey && digest(Redacted.value(adminKey))
  const verifyUser = yield* makeVerify(options)
  return Identity.of({
    isAdmin: (authorization) => {
      const given = bearer(authorization)
      return expected !== undefined && given !== undefined && timingSafeEqual(digest(given), expected)
    },
    conceal: (text) => (adminKey === undefined ? text : text.replaceAll(Redacted.value(adminKey), "[the admin key]")),
    verifyUser,
    user: (authorization, named) =>
      Effect.promise(async () => whoIs(await verifyUser?.(authorization), named)).pipe(
        Effect.flatMap((user) => (user instanceof Problem ? Effect.fail(user) : Effect.succeed(user)))
      )
  })
})

/** Lets only the admin pass. */
export class Admin extends HttpApiMiddleware.Service<Admin>()("sluice/http/Admin", {
  security: {
    adminKey: HttpApiSecurity.bearer.pipe(HttpApiSecurity.annotate(OpenApi.Description, "The admin key, `SLUICE_ADMIN_KEY`."))
  },
  error: problem("unauthorized")
}) {}

export const layerAdmin = Layer.effect(
  Admin,
  Effect.map(Identity, (identity) =>
    Admin.of({
      adminKey: (handler, { credential }) =>
        identity.isAdmin(`Bearer ${Redacted.value(credential)}`) ? handler : Effect.fail(unauthorized("admin"))
    })
  )
)
