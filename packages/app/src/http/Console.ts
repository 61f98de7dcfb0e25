/**
 * The page for operators: the files of `packages/console/public` as they are, read once.
 */
import { createHash } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { extname, join } from "node:path"
import { fileURLToPath } from "node:url"
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

const pathOf = (file: string) => (file === "index.html" ? "/" : (`/${file}` as const))

const files = readdirSync(folder).filter((file) => extname(file) in types)

export const consoleEndpoints: ReadonlyArray<Endpoint> = files.map((file) => ({ method: "GET", path: pathOf(file) }))

const answer = (file: string) => {
  const body = readFileSync(join(folder, file))
  const etag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`
  const headers = { etag, "cache-control": "no-cache" }
  const whole = HttpServerResponse.uint8Array(body, { contentType: types[extname(file)]!, headers })
  const same = HttpServerResponse.empty({ status: 304, headers })
  return Effect.map(HttpServerRequest.HttpServerRequest, (request) => (request.headers["if-none-match"] === etag ? same : whole))
}

export const layerConsole = HttpRouter.addAll(
  Effect.sync(() => files.map((file) => HttpRouter.route("GET", pathOf(file), answer(file))))
)
