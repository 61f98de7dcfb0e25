/**
 * Nonsense in every parameter and every field of every endpoint that the API document names: a 4xx with a problem or an ordinary answer,
 * never a 500, never a hang. What is added to the API is in here without a word.
 */
import { randomUUID } from "node:crypto"
import { mkdtempSync } from "node:fs"
import { Agent, request } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { freshDatabase } from "@sluice/testkit/database"
import { clusterEnv, isLive, liveUrl } from "@sluice/testkit/live"
import { adminKey, call, type SluiceProcess, startSluice, stopAll } from "@sluice/testkit/processes"
import { afterEach, assert, describe, it } from "vitest"

afterEach(stopAll)

const texts = [
  "",
  "%20",
  "a%20b",
  "..%2fx",
  "%00",
  "%",
  "%zz",
  "%C3%28",
  "a%0d%0aX:1",
  "%E2%80%AE",
  "%F0%9F%98%80",
  "$gt",
  "%7B%7D",
  "'",
  "%22",
  "%60t%60",
  "%3B%20DROP%20TABLE%20t",
  "NaN",
  "-1",
  "0",
  "1.5",
  "1e309",
  "0x10",
  "9007199254740993",
  "a".repeat(65),
  "a".repeat(5000),
  "__proto__",
  "constructor"
]

const values: ReadonlyArray<unknown> = [
  null,
  true,
  0,
  -1,
  1.5,
  1e21,
  Number.MAX_SAFE_INTEGER,
  "",
  "x".repeat(300),
  "\u0000",
  "\u202e",
  "\ud800",
  "$gt",
  "2026-13-45T99:99:99Z",
  [],
  {},
  { $gt: "" },
  [[]]
]

interface Schema {
  readonly $ref?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly examples?: ReadonlyArray<unknown>
}

interface Operation {
  readonly parameters?: ReadonlyArray<{ readonly name: string; readonly in: "path" | "query" | "header" }>
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> }
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> }
}

type Asked = readonly [method: string, path: string, body: string | undefined, contentType: string | undefined]

/** A body with nonsense in one field, at any depth; and without it. */
function* spoilt(value: unknown): Generator<unknown> {
  yield* values
  if (Array.isArray(value)) for (const item of spoilt(value[0])) yield [item]
  else if (typeof value === "object" && value !== null) {
    for (const [key, field] of Object.entries(value)) {
      for (const bad of spoilt(field)) yield { ...value, [key]: bad }
      const { [key]: _, ...rest } = value as Record<string, unknown>
      yield rest
    }
    yield { ...value, unknown: 1 }
  }
}

const brokenBodies = [
  "",
  "{",
  "nul",
  '{"a":NaN}',
  '{"__proto__":{}}',
  `${'{"a":'.repeat(30)}1${"}".repeat(30)}`,
  "x".repeat(20_000)
]

function* requestsOf(document: Document, campaign: string): Generator<Asked> {
  const fill = (path: string, name: string, text: string) =>
    path.replaceAll(/\{(\w+)\}/g, (_, other: string) => (other === name ? text : campaign))
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const [verb, { parameters = [], requestBody }] of Object.entries(operations)) {
      const method = verb.toUpperCase()
      const [type, content] = Object.entries(requestBody?.content ?? {})[0] ?? []
      const schema = content?.schema.$ref ? document.components.schemas[content.schema.$ref.split("/").at(-1)!]! : content?.schema
      const example = JSON.stringify(schema?.examples?.[0] ?? {}).replaceAll("spring-sale", `${campaign}-2`)
      const good = type === "application/json" ? example : type && "a\n1\n"
      for (const { in: where, name } of parameters) {
        for (const text of texts) {
          if (where === "path") yield [method, fill(path, name, text), good, type]
          if (where === "query") yield [method, `${fill(path, "", "")}?${name}=${text}`, good, type]
        }
        if (where === "query") yield [method, `${fill(path, "", "")}?${name}=1&${name}=2`, good, type]
      }
      if (type !== "application/json") continue
      const target = fill(path, "", "")
      for (const body of spoilt(JSON.parse(good!))) yield [method, target, JSON.stringify(body), type]
      for (const body of brokenBodies) yield [method, target, body, type]
      yield [method, target, good, "text/plain"]
    }
  }
}

const agent = new Agent({ keepAlive: true, maxSockets: 8 })

/** The status, and what is wrong with the answer; of a stream only its beginning. */
const ask = (url: string, [method, path, body, type]: Asked) =>
  new Promise<{ readonly status: number; readonly wrong?: string }>((resolve) => {
    const { hostname, port } = new URL(url)
    const headers = {
      authorization: `Bearer ${adminKey}`,
      ...(body === undefined ? {} : { "content-type": type, "content-length": Buffer.byteLength(body) })
    }
    const req = request({ hostname, port, method, path, agent, headers, timeout: 15_000 }, (res) => {
      const status = res.statusCode!
      const isProblem = res.headers["content-type"] === "application/problem+json"
      const wrong =
        status >= 500 && status !== 503 ? `${status}` : status >= 400 && !isProblem ? `${status} and no problem` : undefined
      if (res.headers["content-type"]?.startsWith("text/event-stream")) req.destroy()
      else res.resume()
      resolve({ status, ...(wrong !== undefined && { wrong }) })
    })
    req.on("timeout", () => req.destroy(new Error("no answer")))
    req.on("error", (error) => resolve({ status: 0, wrong: error.message }))
    req.end(body)
  })

const withNonsense = async (sluice: SluiceProcess, isAsked: (path: string) => boolean) => {
  const { output, url } = sluice
  const campaign = `nonsense-${randomUUID().slice(0, 8)}`
  await call(`${url}/campaigns`, "POST", { id: campaign, name: "Nonsense", stock: 5, ratePerSecond: 5 }, true)
  const { body: document } = await call<Document>(`${url}/openapi.json`)
  const asked = [...requestsOf(document, campaign)].filter(([, path]) => isAsked(path))
  assert.isAbove(asked.length, 1500)
  const wrong: Array<string> = []
  const statuses = new Set<number>()
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (let next = asked.pop(); next !== undefined; next = asked.pop()) {
        const answer = await ask(url, next)
        statuses.add(answer.status)
        if (answer.wrong !== undefined) wrong.push(`${answer.wrong}: ${next.join(" ").slice(0, 300)}`)
      }
    })
  )
  assert.deepStrictEqual(wrong, [])
  for (const status of [200, 400, 404, 413, 415]) assert.isTrue(statuses.has(status), `${status} was never answered`)
  assert.strictEqual((await call(`${url}/health/ready`)).status, 200)
  assert.notInclude(output(), "level=ERROR")
  assert.notInclude(output(), adminKey)
}

const newFolder = () => mkdtempSync(join(tmpdir(), "sluice-e2e-"))

describe("every endpoint answers nonsense in any parameter and field as such", () => {
  it("on the embedded engines", async () => {
    await withNonsense(await startSluice({ env: { SLUICE_DATA_DIR: newFolder() } }), () => true)
  }, 120_000)

  it.runIf(isLive())(
    "on real servers",
    async () => {
      const { drop, url } = await freshDatabase(liveUrl("SLUICE_MARIADB_URL"))
      try {
        const env = { ...clusterEnv(), SLUICE_MARIADB_URL: url, SLUICE_ORDER_VIEW: "mariadb", SLUICE_DATA_DIR: newFolder() }
        const gateway = await startSluice({ args: ["serve", "--roles", "gateway"], env })
        // Others use the same Kafka: their dead letters are left alone.
        await withNonsense(gateway, (path) => !path.startsWith("/admin/dead-letters"))
        await gateway.kill("SIGTERM")
      } finally {
        await drop()
      }
    },
    120_000
  )
})
