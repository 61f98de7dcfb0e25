import { readFileSync } from "node:fs"
import { get } from "node:http"
import { gunzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { makeFakes, serve } from "./http-testing.ts"

const script = readFileSync(new URL("../../console/public/console.js", import.meta.url))

const ask = (url: string, headers: Readonly<Record<string, string>>) =>
  Effect.promise(async () => {
    return new Promise<{ readonly status: number; readonly headers: Readonly<Record<string, unknown>>; readonly body: Buffer }>(
      (resolve, reject) => {
        get(url, { headers, agent: false }, (res) => {
          const chunks: Array<Buffer> = []
          res.on("data", (chunk: Buffer) => chunks.push(chunk))
          res.on("end", () => resolve({ status: res.statusCode!, headers: res.headers, body: Buffer.concat(chunks) }))
        }).on("error", reject)
      }
    )
  })

describe("the files of the console", () => {
  it.live("come packed to who can unpack, and once: a browser that has them is told so", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(makeFakes())
      const plain = yield* ask(`${url}/console.js`, {})
      assert.isTrue(plain.body.equals(script))
      assert.isUndefined(plain.headers["content-encoding"])
      const packed = yield* ask(`${url}/console.js`, { "accept-encoding": "br, gzip;q=0.8" })
      assert.strictEqual(packed.headers["content-encoding"], "gzip")
      assert.isTrue(gunzipSync(packed.body).equals(script))
      assert.isBelow(packed.body.length, script.length / 2)
      assert.strictEqual(packed.headers.vary, "accept-encoding")
      assert.notStrictEqual(packed.headers.etag, plain.headers.etag)
      const refused = yield* ask(`${url}/console.js`, { "accept-encoding": "gzip;q=0" })
      assert.isUndefined(refused.headers["content-encoding"])
      for (const [headers, etag] of [
        [{}, plain.headers.etag],
        [{ "accept-encoding": "gzip" }, packed.headers.etag]
      ] as const) {
        const again = yield* ask(`${url}/console.js`, { ...headers, "if-none-match": String(etag) })
        assert.deepStrictEqual([again.status, again.body.length, again.headers.etag], [304, 0, etag])
      }
    }).pipe(Effect.scoped)
  )

  it.live("may run no script and no style but their own, and stand in no frame", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(makeFakes())
      const { body, headers } = yield* ask(`${url}/`, {})
      const policy = String(headers["content-security-policy"])
      assert.include(policy, "default-src 'self'")
      assert.include(policy, "frame-ancestors 'none'")
      assert.notInclude(policy, "unsafe")
      assert.notMatch(body.toString(), /<style|style=|<script(?![^>]*src=)|\son\w+=/)
    }).pipe(Effect.scoped)
  )
})
