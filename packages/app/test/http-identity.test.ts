import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from "jose"
import { makeIdentity } from "../src/http/Identity.ts"
import { Problem } from "../src/http/Problems.ts"
import { adminKey, asAdmin, makeFakes, post, send, serve } from "./http-testing.ts"

const secret = "0123456789abcdef0123456789abcdef"
const userSecret = Redacted.make(secret)

const sign = (claims: Record<string, unknown>, key: string = secret, alg = "HS256") =>
  new SignJWT(claims).setProtectedHeader({ alg }).sign(Buffer.from(key))

const verifier = (options: Parameters<typeof makeIdentity>[0]) =>
  Effect.map(makeIdentity(options), ({ verifyUser }) => async (token: string) => {
    const verified = await verifyUser!(`Bearer ${token}`)
    return verified instanceof Problem ? verified.code : verified
  })

describe("the admin key", () => {
  const calls: ReadonlyArray<readonly [method: string, path: string, body?: string]> = [
    ["POST", "/campaigns", '{"id":"new","name":"New","stock":1,"ratePerSecond":1}'],
    ["PATCH", "/campaigns/sale", '{"paused":true}'],
    ["POST", "/campaigns/sale/reconcile"],
    ["GET", "/admin/dead-letters?limit=5"],
    ["POST", "/admin/dead-letters/replay"]
  ]
  const wrong: ReadonlyArray<readonly [name: string, headers: Record<string, string>]> = [
    ["nothing", {}],
    ["another key", { authorization: `Bearer ${adminKey.replace("0", "1")}` }],
    ["half of it", { authorization: `Bearer ${adminKey.slice(0, 16)}` }],
    ["more than it", { authorization: `Bearer ${adminKey}0` }],
    ["an empty key", { authorization: "Bearer " }],
    ["another scheme", { authorization: `Basic ${Buffer.from(`admin:${adminKey}`).toString("base64")}` }],
    ["no scheme", { authorization: adminKey }]
  ]
  for (const [name, headers] of wrong) {
    it.live(`refuses ${name}`, () =>
      Effect.gen(function* () {
        const fakes = makeFakes()
        const { url } = yield* serve(fakes)
        for (const [method, path, body] of calls) {
          const init = {
            method,
            headers: { "content-type": "application/json", ...headers },
            ...(body !== undefined && { body })
          }
          const answer = yield* send(url + path, init)
          assert.strictEqual(answer.status, 401)
          assert.strictEqual(answer.json.code, "unauthorized")
          assert.strictEqual(answer.headers["www-authenticate"], 'Bearer realm="sluice admin"')
        }
        assert.deepStrictEqual(fakes.calls, [])
      }).pipe(Effect.scoped)
    )
  }

  it.live("opens what is the admin's", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const { url } = yield* serve(fakes)
      const created = yield* post(`${url}/campaigns`, calls[0]![2], asAdmin)
      assert.strictEqual(created.status, 201)
      assert.strictEqual(created.json.id, "new")
      const changed = yield* send(`${url}/campaigns/sale`, {
        method: "PATCH",
        body: calls[1]![2]!,
        headers: { "content-type": "application/json", ...asAdmin }
      })
      assert.strictEqual(changed.status, 200)
      const report = yield* send(`${url}/campaigns/sale/reconcile`, { method: "POST", headers: asAdmin })
      assert.deepStrictEqual([report.status, report.json.driftFound], [200, 0])
      const dead = yield* send(`${url}/admin/dead-letters?limit=5`, { method: "GET", headers: asAdmin })
      assert.deepStrictEqual([dead.status, dead.json], [200, { topic: "sluice.wins", total: 0, deadLetters: [] }])
      const replayed = yield* send(`${url}/admin/dead-letters/replay`, { method: "POST", headers: asAdmin })
      assert.deepStrictEqual([replayed.status, replayed.json.replayed], [200, 0])
      assert.strictEqual(
        (yield* post(`${url}/campaigns`, { id: "taken", name: "T", stock: 1, ratePerSecond: 1 }, asAdmin)).json.code,
        "campaign_exists"
      )
      const refused = yield* send(`${url}/campaigns/sale`, {
        method: "PATCH",
        body: '{"stock":1}',
        headers: { "content-type": "application/json", ...asAdmin }
      })
      assert.deepStrictEqual(
        [refused.status, refused.json.code, refused.json.detail],
        [409, "change_refused", "The stock only goes up."]
      )
      const unknown = yield* send(`${url}/campaigns/unknown`, {
        method: "PATCH",
        body: "{}",
        headers: { "content-type": "application/json", ...asAdmin }
      })
      assert.deepStrictEqual([unknown.status, unknown.json.code], [404, "campaign_not_found"])
    }).pipe(Effect.scoped)
  )

  it.live("opens nothing where there is none", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(makeFakes(), { adminKey: undefined })
      for (const authorization of ["Bearer undefined", "Bearer ", `Bearer ${adminKey}`]) {
        assert.strictEqual(
          (yield* send(`${url}/campaigns/sale/reconcile`, { method: "POST", headers: { authorization } })).status,
          401
        )
      }
    }).pipe(Effect.scoped)
  )

  it.effect("must be long, and must be there where others can reach the server", () =>
    Effect.gen(function* () {
      const short = yield* Effect.flip(makeIdentity({ adminKey: Redacted.make("a".repeat(31)) }))
      assert.deepStrictEqual([short.option, short.message], ["adminKey", "expected at least 32 characters"])
      const open = yield* Effect.flip(serve(makeFakes(), { adminKey: undefined, host: "0.0.0.0" }))
      assert.strictEqual(open._tag === "HttpOptionsError" && open.option, "adminKey")
    }).pipe(Effect.scoped)
  )
})

describe("the token of a user", () => {
  it.effect("is refused with the same words, whatever is wrong", () =>
    Effect.gen(function* () {
      const verify = yield* verifier({ userSecret })
      const hour = Math.floor(Date.now() / 1000) + 3600
      const bad = yield* Effect.promise(() =>
        Promise.all([
          "",
          "x",
          "a.b.c",
          new UnsecuredJWT({ sub: "u1" }).encode(),
          sign({ sub: "u1", exp: hour }, `${secret.slice(1)}x`),
          sign({ sub: "u1" }, secret, "HS512"),
          sign({ sub: "u1", exp: hour - 7200 }),
          sign({ sub: "u1", nbf: hour }),
          sign({ exp: hour }),
          sign({ sub: "" }),
          sign({ sub: "a b" }),
          sign({ sub: "a".repeat(65) })
        ])
      )
      for (const token of bad) assert.strictEqual(yield* Effect.promise(() => verify(token)), "unauthorized", token)
      assert.strictEqual(yield* Effect.promise(async () => verify(await sign({ sub: "u1", exp: hour }))), "u1")
    })
  )

  it.effect("must be signed with a key of the JWKS, by an algorithm of public keys", () =>
    Effect.gen(function* () {
      const { privateKey, publicKey } = yield* Effect.promise(() => generateKeyPair("ES256"))
      const jwk = { ...(yield* Effect.promise(() => exportJWK(publicKey))), kid: "k1" }
      const verify = yield* verifier({ userJwks: JSON.stringify({ keys: [jwk] }) })
      const good = yield* Effect.promise(() =>
        new SignJWT({ sub: "u1" }).setProtectedHeader({ alg: "ES256", kid: "k1" }).sign(privateKey)
      )
      assert.strictEqual(yield* Effect.promise(() => verify(good)), "u1")
      const other = yield* Effect.promise(() => generateKeyPair("ES256"))
      const bad = yield* Effect.promise(() =>
        Promise.all([
          new SignJWT({ sub: "u1" }).setProtectedHeader({ alg: "ES256", kid: "k1" }).sign(other.privateKey),
          new SignJWT({ sub: "u1" }).setProtectedHeader({ alg: "ES256", kid: "k2" }).sign(privateKey),
          // The public key taken for a shared secret.
          new SignJWT({ sub: "u1" }).setProtectedHeader({ alg: "HS256", kid: "k1" }).sign(Buffer.from(JSON.stringify(jwk)))
        ])
      )
      for (const token of bad) assert.strictEqual(yield* Effect.promise(() => verify(token)), "unauthorized")
    })
  )

  it.live("waits for keys that can't be had: 503, not 401", () =>
    Effect.gen(function* () {
      const { privateKey, publicKey } = yield* Effect.promise(() => generateKeyPair("ES256"))
      const keys = JSON.stringify({ keys: [{ ...(yield* Effect.promise(() => exportJWK(publicKey))), kid: "k1" }] })
      let isUp = false
      const issuer = createServer((_, res) =>
        res.writeHead(isUp ? 200 : 500, { "content-type": "application/json" }).end(isUp ? keys : "")
      )
      yield* Effect.acquireRelease(
        Effect.promise(() => new Promise<void>((resolve) => issuer.listen(0, "127.0.0.1", resolve))),
        () => Effect.sync(() => issuer.closeAllConnections() ?? issuer.close())
      )
      const verify = yield* verifier({ userJwks: `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/jwks` })
      const token = yield* Effect.promise(() =>
        new SignJWT({ sub: "u1" }).setProtectedHeader({ alg: "ES256", kid: "k1" }).sign(privateKey)
      )
      assert.strictEqual(yield* Effect.promise(() => verify(token)), "unavailable")
      isUp = true
      assert.strictEqual(yield* Effect.promise(() => verify(token)), "u1")
    }).pipe(Effect.scoped)
  )

  it.effect("needs options that make sense", () =>
    Effect.gen(function* () {
      const refused = [
        { userSecret: Redacted.make("short") },
        { userJwks: "http://example.com/jwks" },
        { userJwks: "no url" },
        { userJwks: "{" },
        { userJwks: "{}" },
        { userJwks: "https://example.com/jwks", userSecret }
      ]
      for (const options of refused) {
        const error = yield* Effect.flip(makeIdentity(options))
        assert.strictEqual(error._tag, "HttpOptionsError")
        assert.notInclude(error.message, "short")
      }
    })
  )

  it.live("decides whose coupons are shown", () =>
    Effect.gen(function* () {
      const fakes = makeFakes()
      const { url } = yield* serve(fakes, { userSecret })
      const coupons = (authorization?: string) =>
        send(`${url}/users/u1/coupons`, authorization === undefined ? {} : { headers: { authorization } })
      const bearer = (sub: string) => Effect.promise(async () => `Bearer ${await sign({ sub })}`)
      assert.strictEqual((yield* coupons()).status, 401)
      const other = yield* coupons(yield* bearer("u2"))
      assert.deepStrictEqual([other.status, other.json.code], [403, "forbidden"])
      assert.deepStrictEqual(fakes.calls, [])
      assert.strictEqual((yield* coupons(yield* bearer("u1"))).json[0].code, "CODE-7")
      assert.strictEqual((yield* coupons(asAdmin.authorization)).status, 200)
      assert.deepStrictEqual(fakes.calls, ["coupons u1", "coupons u1"])
    }).pipe(Effect.scoped)
  )

  it.live("is not asked for where the caller is trusted", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(makeFakes())
      assert.strictEqual((yield* send(`${url}/users/u1/coupons`)).status, 200)
      assert.strictEqual(
        (yield* post(`${url}/campaigns/sale/tickets`, { userId: "u1" }, { authorization: "Bearer nonsense" })).status,
        202
      )
    }).pipe(Effect.scoped)
  )
})
