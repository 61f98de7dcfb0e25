import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { makeFakes, send, serve } from "./http-testing.ts"

interface Node {
  readonly [key: string]: unknown
}

const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null

/** Everything in the document with its path, examples left out. */
const walk = (value: unknown, path = ""): ReadonlyArray<readonly [path: string, node: Node]> =>
  isNode(value)
    ? [
        [path, value],
        ...Object.entries(value).flatMap(([key, member]) => (key === "examples" ? [] : walk(member, `${path}/${key}`)))
      ]
    : []

interface Parameter {
  readonly name: string
  readonly in: string
  readonly schema: Node
}

const document = Effect.gen(function* () {
  const { url } = yield* serve(makeFakes())
  return (yield* send(`${url}/openapi.json`)).json
})

const parametersOf = ({
  paths
}: {
  readonly paths: Record<string, Record<string, { readonly parameters?: ReadonlyArray<Parameter> }>>
}) =>
  Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).flatMap(([method, { parameters = [] }]) =>
      parameters.map((parameter) => [`${method} ${path} ${parameter.name}`, parameter] as const)
    )
  )

const ids = new Set(["id", "userId", "customerId", "productId", "campaignId", "orderId"])
const ofPaths = new Set([...ids, "job", "crowd"])

describe("the document", () => {
  it.live("has patterns that every engine of regular expressions reads", () =>
    Effect.gen(function* () {
      const patterns = walk(yield* document).filter(([, { pattern }]) => typeof pattern === "string")
      assert.isAbove(patterns.length, 40)
      for (const [path, { pattern }] of patterns) {
        assert.doesNotThrow(() => [new RegExp(String(pattern)), new RegExp(String(pattern), "u")], undefined, path)
        assert.notMatch(String(pattern), /\\p|\\P|\\u\{|\(\?|\\d|\\s|\\w/, path)
      }
    }).pipe(Effect.scoped)
  )

  it.live("says what an id may be, in paths and in bodies", () =>
    Effect.gen(function* () {
      const json = yield* document
      const ofParameters = parametersOf(json).filter(([, { in: where, name }]) => where === "path" && ofPaths.has(name))
      const ofBodies = walk(json.components.schemas).flatMap(([path, { properties }]) =>
        isNode(properties) ? Object.entries(properties).map(([name, schema]) => [`${path} ${name}`, name, schema] as const) : []
      )
      assert.isAbove(ofParameters.length, 20)
      const schemas = [
        ...ofParameters.map(([path, { schema }]) => [path, schema] as const),
        ...["NewCampaign", "NewOrder", "NewCrowd", "Join"].flatMap((body) =>
          ofBodies
            .filter(([path, name]) => path.startsWith(`/${body} `) && ids.has(name))
            .map(([path, , schema]) => [path, schema])
        )
      ] as ReadonlyArray<readonly [path: string, schema: Node]>
      for (const [path, { maxLength, minLength, pattern, type }] of schemas) {
        assert.strictEqual(type, "string", path)
        assert.isString(pattern, path)
        assert.isAtLeast(Number(minLength), 1, path)
        assert.isAtMost(Number(maxLength), 120, path)
      }
    }).pipe(Effect.scoped)
  )

  it.live("has no whole number that may be any, and numbers for those of a query", () =>
    Effect.gen(function* () {
      const json = yield* document
      for (const [path, { exclusiveMinimum, minimum, type }] of walk(json)) {
        if (type === "integer") assert.isAtLeast(Number(minimum ?? exclusiveMinimum), 0, path)
      }
      const { position, serial } = json.components.schemas.Ticket.properties
      assert.deepStrictEqual([position.anyOf[0].minimum, serial.minimum], [1, 1])
      const numbers = parametersOf(json).filter(([, { name }]) =>
        ["limit", "version", "sample", "before", "maxRejects"].includes(name)
      )
      assert.isAbove(numbers.length, 6)
      for (const [path, { schema }] of numbers) {
        assert.strictEqual(schema.type, "integer", path)
        assert.isNumber(schema.minimum, path)
        assert.isNumber(schema.maximum, path)
      }
      const version = numbers.find(([path]) => path === "get /orders/{id} version")?.[1].schema
      assert.deepStrictEqual(version, {
        type: "integer",
        minimum: 1,
        maximum: 2_147_483_647,
        description: "Waits, for about two seconds, until this version can be read."
      })
    }).pipe(Effect.scoped)
  )

  it.live("asks an upload for no more than its headers may hold, and says what becomes of more", () =>
    Effect.gen(function* () {
      const { parameters, responses } = (yield* document).paths["/loads"].post
      const lengths = parameters.map(({ schema: { maxLength = 10 } }: Parameter) => Number(maxLength))
      assert.isBelow(
        lengths.reduce((sum: number, length: number) => sum + length, 0),
        10 * 1024
      )
      assert.include(responses[431].description, "headers_too_large")
    }).pipe(Effect.scoped)
  )

  it.live("says that a campaign opens and closes at instants", () =>
    Effect.gen(function* () {
      const { Campaign, CampaignPatch, NewCampaign } = (yield* document).components.schemas
      for (const { anyOf } of [
        Campaign.properties.opensAt,
        Campaign.properties.closesAt,
        NewCampaign.properties.opensAt,
        NewCampaign.properties.closesAt,
        CampaignPatch.properties.closesAt
      ]) {
        assert.strictEqual(anyOf[0].format, "date-time")
      }
    }).pipe(Effect.scoped)
  )
})
