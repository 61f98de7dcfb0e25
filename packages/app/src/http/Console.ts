/**
 * The page for operators: the files of `packages/console/public` as they are, read and packed once.
 *
 * A browser keeps them and asks each time whether they are still the same, so a new version is seen at once.
 */
import { createHash } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { extname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"
import { Effect } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import type { Endpoint } from "./Routes.ts"

const folder = fileURLToPath(new URL("../../../console/public/", import.meta.url))

const types: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml"
}

/** Below this a packed body saves less than its headers cost. */
const packedFrom = 1024

const pathOf = (file: string) => (file === "index.html" ? "/" : (`/${file}` as const))

const files = readdirSync(folder).filter((file) => extname(file) in types)

export const consoleEndpoints: ReadonlyArray<Endpoint> = files.map((file) => ({ method: "GET", path: pathOf(file) }))

const tagOf = (body: Uint8Array) => `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`

const form = (body: Uint8Array, contentType: string, encoding: Readonly<Record<string, string>>) => {
  const etag = tagOf(body)
  const headers = { etag, "cache-control": "no-cache", vary: "accept-encoding", ...encoding }
  const whole = HttpServerResponse.uint8Array(body, { contentType, headers })
  return { etag, whole, same: HttpServerResponse.empty({ status: 304, headers }) }
}

const accepts = (header: string | undefined) => /(^|,)\s*gzip\s*(;\s*q=(0\.0*[1-9]|1)[^,]*)?\s*(,|$)/i.test(header ?? "")

const answer = (file: string) => {
  const body = readFileSync(join(folder, file))
  const type = types[extname(file)]!
  const plain = form(body, type, {})
  const packed = body.length < packedFrom ? plain : form(gzipSync(body, { level: 9 }), type, { "content-encoding": "gzip" })
  return Effect.map(HttpServerRequest.HttpServerRequest, ({ headers }) => {
    const { etag, same, whole } = accepts(headers["accept-encoding"]) ? packed : plain
    return headers["if-none-match"] === etag ? same : whole
  })
}

export const layerConsole = HttpRouter.addAll(
  Effect.sync(() => files.map((file) => HttpRouter.route("GET", pathOf(file), answer(file))))
)
