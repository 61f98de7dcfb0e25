/**
 * The promises of the drop, held against whatever may happen to a waiting room: crowds, leavers, callers that die between two calls,
 * issuers that are late or repeat themselves, dead letters, losses of the whole state.
 *
 * After every step each answer is the model's, nobody passed out of turn or faster than the rate, and stock = remaining + issuing +
 * issued + dead. At the end, healed and with a crowd of at least the stock, everything is issued.
 */
import { assert, layer as suite } from "@effect/vitest"
import { type Place, publishLeaseMs, settleLeaseMs, WaitingRoom, type Win } from "@sluice/waiting-room"
import { Effect, type Layer } from "effect"
import fc from "fast-check"
import { assertIdentity, assertRate, campaignOf, type Engine, names, type Passed } from "./waitingRoomKit.ts"
import { Model, type Published } from "./waitingRoomModel.ts"

type Command =
  | { readonly do: "join" | "look" | "leave"; readonly users: ReadonlyArray<string> }
  | { readonly do: "admit"; readonly callers: ReadonlyArray<{ readonly limit: number; readonly dies: boolean }> }
  | { readonly do: "issue"; readonly count: number; readonly dies: boolean }
  | { readonly do: "bury"; readonly count: number }
  | { readonly do: "replay" | "sweep" | "repeat" | "pause" }
  | { readonly do: "elapse"; readonly ms: number }
  | { readonly do: "raise"; readonly by: number }
  | { readonly do: "rebuild"; readonly isLost: boolean; readonly holdMs: number; readonly dies: boolean }

const crowd = names(9)
/** Often all of them, so that long queues, and returns of many at once, are common. */
const some = fc.oneof(
  fc.array(fc.constantFrom(...crowd), { minLength: 1, maxLength: 6 }),
  fc.shuffledSubarray(crowd, { minLength: 5 })
)
const few = fc.integer({ min: 1, max: 4 })

const commands = (maxMs: number): fc.Arbitrary<ReadonlyArray<Command>> => {
  const simple = (...names: ReadonlyArray<"replay" | "sweep" | "repeat" | "pause">) =>
    fc.record({ do: fc.constantFrom(...names) })
  const caller = fc.record({ limit: fc.integer({ min: 0, max: 4 }), dies: fc.boolean() })
  return fc.array(
    fc.oneof(
      { weight: 5, arbitrary: fc.record({ do: fc.constant("join" as const), users: some }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant("look" as const), users: some }) },
      {
        weight: 2,
        arbitrary: fc.record({ do: fc.constant("leave" as const), users: fc.array(fc.constantFrom(...crowd), { maxLength: 3 }) })
      },
      {
        weight: 6,
        arbitrary: fc.record({ do: fc.constant("admit" as const), callers: fc.array(caller, { minLength: 1, maxLength: 3 }) })
      },
      { weight: 4, arbitrary: fc.record({ do: fc.constant("issue" as const), count: few, dies: fc.boolean() }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("bury" as const), count: few }) },
      { weight: 3, arbitrary: simple("replay", "sweep", "repeat", "pause") },
      { weight: 5, arbitrary: fc.record({ do: fc.constant("elapse" as const), ms: fc.integer({ min: 0, max: maxMs }) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("raise" as const), by: few }) },
      {
        weight: 2,
        arbitrary: fc.record({
          do: fc.constant("rebuild" as const),
          isLost: fc.boolean(),
          holdMs: fc.constantFrom(0, maxMs),
          dies: fc.boolean()
        })
      }
    ),
    { maxLength: 40 }
  )
}

interface Sale {
  readonly stock: number
  readonly ratePerSecond: number
  readonly maxWaiting: number | null
}

const history = Effect.fnUntraced(function* <R>(engine: Engine<R>, sale: Sale) {
  const room = yield* WaitingRoom
  const model = new Model(campaignOf(`c-${crypto.randomUUID()}`, sale))
  const id = model.campaign.id
  const tickets = new Map<string, Place>()
  const passed: Array<Passed> = []
  let log: ReadonlyArray<Published> = []
  let deadLetters: ReadonlyArray<Published> = []
  let heldUntilMs = 0

  const check = Effect.gen(function* () {
    const { nowMs: _now, revision, ...counters } = yield* room.counters(id)
    assertIdentity(counters)
    assert.deepStrictEqual(counters, model.counters)
    assert.strictEqual(revision, model.campaign.revision)
  })

  const change = (fields: Partial<Sale> & { readonly paused?: boolean }) => {
    model.campaign = { ...model.campaign, ...fields, revision: model.campaign.revision + 1 }
    return room.configure(model.campaign)
  }

  const published = (wins: ReadonlyArray<Win>, generation: number) => {
    log = [...log, ...wins.map((win) => ({ ...win, generation }))]
    return room.acknowledge(id, wins)
  }

  const join = Effect.fnUntraced(function* (users: ReadonlyArray<string>) {
    const { standings } = yield* room.join(id, users)
    assert.deepStrictEqual(standings, model.join(users))
    for (const [i, standing] of standings.entries()) {
      if (standing.state === "waiting") tickets.set(users[i]!, { userId: users[i]!, seq: standing.seq })
    }
  })

  const ticketsOf = (users: ReadonlyArray<string>) => users.flatMap((userId) => tickets.get(userId) ?? [])

  const admit = Effect.fnUntraced(function* (callers: ReadonlyArray<{ readonly limit: number; readonly dies: boolean }>) {
    const admissions = yield* Effect.forEach(callers, ({ limit }) => room.admit(id, limit), { concurrency: "unbounded" })
    const inOrder = admissions.flatMap(({ wins }) => wins).sort((a, b) => a.seq - b.seq)
    model.admitted(inOrder)
    for (const [i, { generation, nowMs, wins }] of admissions.entries()) {
      const { dies, limit } = callers[i]!
      assert.isAtMost(wins.length, limit)
      assert.strictEqual(generation, model.campaign.generation)
      if (model.campaign.paused || nowMs < heldUntilMs) assert.isEmpty(wins)
      passed.push({ nowMs, count: wins.length })
      if (!dies && wins.length > 0) yield* published(wins, generation)
    }
    assertRate(passed, sale.ratePerSecond)
  })

  /** What the issuer does with a batch; where it dies, the room has not heard of it. */
  const issue = Effect.fnUntraced(function* (batch: ReadonlyArray<Published>, dies: boolean) {
    const issued = batch.filter((win) => model.issue(win))
    const fenced = batch.filter((win) => !issued.includes(win))
    if (dies) return
    yield* room.settle(id, { issued })
    model.settle(issued)
    yield* room.restore(id, fenced)
    model.restore(fenced)
  })

  const takeLog = (count: number) => {
    const batch = log.slice(0, count)
    log = log.slice(count)
    return batch
  }

  const sweep = Effect.gen(function* () {
    const { generation, wins } = yield* room.overdue(id, 3)
    const unsettled = model.unsettled()
    for (const win of wins) assert.deepInclude(unsettled, win)
    yield* published(wins, generation)
  })

  const rebuild = Effect.fnUntraced(function* (isLost: boolean, holdMs: number, dies: boolean) {
    if (isLost) yield* engine.lose(id)
    const issued = [...model.issuances.values()]
    const free = model.holes()
    if (dies) {
      assert.isTrue(yield* room.begin(id, "dying", 1))
      yield* Effect.ignore(room.load(id, "dying", { issued: [{ userId: "ghost", seq: 1, serial: 1 }], free }))
      yield* engine.elapse(3)
    }
    assert.isTrue(yield* room.begin(id, "owner", 10_000))
    yield* room.load(id, "owner", { issued: issued.slice(0, 2), free })
    yield* room.load(id, "owner", { issued: issued.slice(2), free: [] })
    const { generation, revision } = model.campaign
    model.campaign = { ...model.campaign, generation: generation + 1, revision: revision + 1 }
    yield* room.finish(model.campaign, "owner", holdMs)
    // The engine's clock at the start of the hold is not known exactly; the last admission was before it.
    heldUntilMs = (passed.at(-1)?.nowMs ?? 0) + holdMs
    model.rebuilt(isLost)
  })

  const run = (command: Command): Effect.Effect<unknown, unknown, R> => {
    switch (command.do) {
      case "join":
        return join(command.users)
      case "look": {
        const asked = ticketsOf(command.users)
        if (asked.length === 0) return Effect.void
        return Effect.map(room.look(id, asked), ({ standings }) => assert.deepStrictEqual(standings, model.look(asked)))
      }
      case "leave": {
        const given = ticketsOf(command.users)
        return Effect.map(room.leave(id, given), () => model.leave(given))
      }
      case "admit":
        return admit(command.callers)
      case "issue":
        return Effect.suspend(() => issue(takeLog(command.count), command.dies))
      case "bury":
        return Effect.suspend(() => {
          const dead = takeLog(command.count)
          deadLetters = [...deadLetters, ...dead]
          model.settle([], dead)
          return room.settle(id, { dead })
        })
      case "replay":
        return Effect.suspend(() => {
          const batch = deadLetters
          deadLetters = []
          return issue(batch, false)
        })
      case "sweep":
        return sweep
      case "repeat":
        return Effect.suspend(() => {
          const issued = [...model.issuances.values()]
          model.settle(issued)
          return room.settle(id, { issued })
        })
      case "pause":
        return Effect.suspend(() => change({ paused: !model.campaign.paused }))
      case "elapse":
        return engine.elapse(command.ms)
      case "raise":
        return Effect.suspend(() => change({ stock: model.campaign.stock + command.by }))
      case "rebuild":
        return rebuild(command.isLost, command.holdMs, command.dies)
    }
  }

  /** Everything works again and the crowd is large enough. */
  const heal = Effect.gen(function* () {
    if (model.campaign.paused) yield* change({ paused: false })
    const everybody = [...crowd, ...names(model.campaign.stock, "late")]
    for (let round = 0; model.issuances.size < model.campaign.stock; round++) {
      assert.isBelow(round, 300, `undersold: ${model.issuances.size} of ${model.campaign.stock}`)
      yield* join(everybody)
      yield* engine.elapse(engine.isVirtual ? 500 : Math.max(3, 500 / sale.ratePerSecond))
      yield* admit([{ limit: 1_000, dies: false }])
      if (engine.isVirtual) {
        yield* engine.elapse(round % 2 === 0 ? publishLeaseMs : settleLeaseMs)
        yield* sweep
      } else {
        yield* published(yield* room.unsettled(id, 1_000), model.campaign.generation)
      }
      yield* issue([...takeLog(log.length), ...deadLetters], false)
      deadLetters = []
      yield* check
    }
    yield* run({ do: "repeat" })
    yield* check
    assert.deepInclude(model.counters, { remaining: 0, issuing: 0, dead: 0, issued: model.campaign.stock })
  })

  assert.isTrue(yield* room.begin(id, "first", 10_000))
  yield* room.finish(model.campaign, "first", 0)
  return { run: (command: Command) => Effect.andThen(run(command), check), heal }
})

/** How fast a sale is, and how much time may pass between two steps of its history. */
interface Pace {
  readonly rates: ReadonlyArray<number>
  readonly maxStock: number
  readonly maxMs: number
  readonly numRuns: number
}

export interface Options {
  readonly numRuns: number
}

export const waitingRoomProperties = <R, E>(
  name: string,
  layer: Layer.Layer<WaitingRoom | R, E>,
  engine: Engine<R>,
  { numRuns }: Options
) => {
  // Where time is real, a slow sale takes some: few of them, since it takes only one to see a room that passes more at once than it may.
  const paces: ReadonlyArray<Pace> = engine.isVirtual
    ? [{ rates: [2, 15, 300], maxStock: 6, maxMs: 2_500, numRuns }]
    : [
        { rates: [300, 3_000], maxStock: 6, maxMs: 4, numRuns },
        { rates: [2, 15], maxStock: 3, maxMs: 200, numRuns: Math.ceil(numRuns / 20) }
      ]

  suite(layer, { excludeTestServices: !engine.isVirtual })(`WaitingRoom, whatever happens: ${name}`, (it) => {
    for (const { maxMs, maxStock, numRuns, rates } of paces) {
      it.effect(`sells each serial once, in order, at the rate of ${rates.join(" or ")}, and all of them`, () =>
        Effect.gen(function* () {
          const services = yield* Effect.context<WaitingRoom | R>()
          const sales = fc.record({
            stock: fc.integer({ min: 1, max: maxStock }),
            ratePerSecond: fc.constantFrom(...rates),
            maxWaiting: fc.constantFrom(null, 3, 7)
          })
          const property = fc.asyncProperty(sales, commands(maxMs), (sale, steps) =>
            Effect.runPromiseWith(services)(
              Effect.gen(function* () {
                const { heal, run } = yield* history(engine, sale)
                yield* Effect.forEach(steps, run, { discard: true })
                yield* heal
              })
            )
          )
          yield* Effect.promise(() => fc.assert(property, { numRuns }))
        })
      )
    }
  })
}
