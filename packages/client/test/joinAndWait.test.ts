import { joinAndWait, type Outcome, SluiceProblem, type Ticket, ticketKey } from "@sluice/client"
import { afterEach, assert, describe, it } from "vitest"
import { cut, events, issued, json, problem, stub, waiting } from "./stub.ts"

const join = "POST /campaigns/sale/tickets"
const look = "GET /campaigns/sale/tickets/t.t.t"
const watch = "GET /campaigns/sale/tickets/t.t.t/events"
const ofUser = { campaignId: "sale", userId: "me" }
const won: Outcome = { state: "issued", serial: 1, code: "CODE" }

let server: Awaited<ReturnType<typeof stub>>
afterEach(() => server.close())

describe("joinAndWait", () => {
  it("waits through 503, 429 and a cut connection, never shorter than Retry-After", async () => {
    server = await stub({
      [join]: [
        problem(503, "unavailable", { "retry-after": "1" }),
        problem(429, "too_many_requests"),
        cut,
        json(202, waiting(1))
      ],
      [watch]: [events([issued])]
    })
    const troubles: Array<readonly [name: string, waitMs: number]> = []
    const onTrouble = (error: Error, waitMs: number) => troubles.push([error.name, waitMs])
    assert.deepStrictEqual(await joinAndWait({ baseUrl: server.url, ...ofUser, onTrouble }), won)
    assert.deepStrictEqual(
      troubles.map(([name]) => name),
      ["SluiceProblem", "SluiceProblem", "SluiceUnreachable"]
    )
    const [first, second] = server.of(join)
    assert.isAtLeast(second!.at - first!.at, 1000)
    assert.isAtLeast(troubles[0]![1], 1000)
    assert.deepStrictEqual(
      server.of(join).map(({ body }) => body),
      Array.from({ length: 4 }, () => '{"userId":"me"}')
    )
  })

  it("asks every pollAfterMs where streams are refused", async () => {
    server = await stub({
      [join]: [json(202, waiting(3))],
      [watch]: [problem(503, "overloaded", { "retry-after": "1" })],
      [look]: [json(200, waiting(2)), json(200, waiting(2)), json(200, waiting(1)), json(200, issued)]
    })
    const told: Array<Ticket> = []
    assert.deepStrictEqual(await joinAndWait({ baseUrl: server.url, ...ofUser, onState: (one) => told.push(one) }), won)
    assert.deepStrictEqual(
      told.map(({ position }) => position),
      [3, 2, 1, null]
    )
    assert.lengthOf(server.of(watch), 1)
    assert.lengthOf(server.of(look), 4)
  })

  it("looks after a stream that breaks, and takes up another", async () => {
    server = await stub({
      [join]: [json(202, waiting(3))],
      [watch]: [events([waiting(2)]), events([waiting(1), issued], false)],
      [look]: [json(200, waiting(2))]
    })
    assert.deepStrictEqual(await joinAndWait({ baseUrl: server.url, ...ofUser }), won)
    assert.lengthOf(server.of(watch), 2)
  })

  it("joins again for a ticket that has become invalid, and throws when the new one is refused, too", async () => {
    server = await stub({
      [join]: [json(200, waiting(1))],
      [watch]: [problem(503, "overloaded")],
      [look]: [problem(401, "ticket_invalid")]
    })
    const kept = new Map([[ticketKey("sale", "me"), "t.t.t"]])
    const storage = {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, value: string) => void kept.set(key, value),
      removeItem: () => {}
    }
    const error = await joinAndWait({ baseUrl: server.url, ...ofUser, storage }).catch((error) => error)
    assert.isTrue(SluiceProblem.is(error, "ticket_invalid"))
    assert.lengthOf(server.of(join), 1)
    assert.lengthOf(server.of(look), 2)
  })

  it("does without a storage that throws", async () => {
    server = await stub({ [join]: [json(202, waiting(1))], [watch]: [events([issued])] })
    const broken = () => {
      throw new Error("the quota is exceeded")
    }
    const storage = { getItem: broken, setItem: broken, removeItem: broken }
    assert.deepStrictEqual(await joinAndWait({ baseUrl: server.url, ...ofUser, storage }), won)
  })

  it("gives up when patience is at its end, with what it saw last", async () => {
    server = await stub({ [join]: [problem(502, "none")] })
    const error = await joinAndWait({ baseUrl: server.url, ...ofUser, patienceMs: 1 }).catch((error) => error)
    assert.isTrue(SluiceProblem.is(error))
    assert.strictEqual(error.status, 502)
    assert.lengthOf(server.of(join), 2)
  })

  it("is aborted in the middle of a wait and of a stream", async () => {
    server = await stub({
      [join]: [problem(503, "unavailable", { "retry-after": "60" }), json(202, waiting(1))],
      [watch]: [events([waiting(1)], false)]
    })
    for (const moment of ["onTrouble", "onState"] as const) {
      const stop = new AbortController()
      const reason = new Error(moment)
      const waits = joinAndWait({
        baseUrl: server.url,
        ...ofUser,
        signal: stop.signal,
        [moment]: () => setTimeout(() => stop.abort(reason), 50)
      })
      assert.strictEqual(await waits.catch((error) => error), reason)
    }
  })
})
