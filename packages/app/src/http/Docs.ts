/**
 * The page at `/docs`: Scalar, which carries its script and the API's document inline and asks only this server.
 *
 * Its scripts are named by their hashes, so no other runs. The styles that it makes as it goes can't be named before.
 */
import { createHash } from "node:crypto"
import { Effect, Function, Layer } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { HttpApiScalar } from "effect/http-api"
import { Api } from "./Api.ts"

const policyOf = (scripts: ReadonlyArray<string>) => {
  const hashes = scripts.map((script) => `'sha256-${createHash("sha256").update(script).digest("base64")}'`)
  return (
    `default-src 'none'; script-src ${hashes.join(" ")}; style-src 'unsafe-inline'; img-src 'self' data: blob:; font-src data:; ` +
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
  )
}

/** The page is the same object each time. */
const withPolicy = Function.memoize((response: HttpServerResponse.HttpServerResponse) => {
  const html = response.body._tag === "Uint8Array" ? new TextDecoder().decode(response.body.body) : ""
  const scripts = [...html.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(([, script]) => script!)
  return HttpServerResponse.setHeader(response, "content-security-policy", policyOf(scripts))
})

const policy = HttpRouter.middleware((page) => Effect.map(page, withPolicy)).layer

export const layerDocs = HttpApiScalar.layer(Api, { path: "/docs", scalar: { withDefaultFonts: false } }).pipe(
  Layer.provide(policy)
)
