/**
 * Builds the order view anew from the write side, beside the live one, and switches readers over.
 *
 *     prepare   drop what is no longer named, create the new generation, name it: from here on every projector writes it too
 *     copy      changed customers, then all orders, in pages by id; an order that a projector brought newer stays as it is
 *     compare   with the write side, field by field; what differs is mended; with what can't be mended nothing is switched
 *     switch    one swap of the authority: the new one is live, the live one is the former, and both are kept up to date
 *
 * One rebuild runs at a time, by a lease in the authority; how far it is stands there too. Its process may die at any point: readers have
 * the live generation all along, and the next rebuild goes on with the one that is being built. What is written meanwhile reaches it by
 * the projectors, whatever of that the copy has passed already; see OrderGenerations. Pages are small and each gives way to others: the
 * statements of SQLite are synchronous.
 */
import { randomUUID } from "node:crypto"
import { type CustomerChanged, type OrderEvent, RebuildRefused, Unavailable } from "@sluice/domain"
import { crashPoint } from "@sluice/engines"
import { Clock, Context, Effect, Layer, Schedule, Schema, Semaphore } from "effect"
import type { SqlError } from "effect/sql"
import { GenerationStore, keptOf, type Run, retireMs, type State, type Stored, type View } from "./OrderGenerations.ts"
import { OrdersRead } from "./OrdersRead.ts"
import { type OrderViewError, OrderViews } from "./OrderViews.ts"
import { verify } from "./VerifyOrders.ts"

/** Somebody else has taken the rebuild over. */
class LeaseLost extends Schema.TaggedError<LeaseLost>()("LeaseLost", {}) {}

/** The view does not get equal to the write side. */
class Differing extends Schema.TaggedError<Differing>()("Differing", { orders: Schema.Int }) {}

export interface Options {
  /** The same after a restart only where no second process can be: what it left undone there is then not waited for. */
  readonly owner?: string
  readonly leaseMs?: number
  readonly pageSize?: number
  /** How long a change may take to arrive, when both sides are compared. */
  readonly pauseMs?: number
}

export class RebuildOrders extends Context.Service<
  RebuildOrders,
  {
    readonly status: Effect.Effect<Stored, Unavailable>
    /** Goes on in this process when this has returned. */
    readonly start: Effect.Effect<Stored, RebuildRefused | Unavailable>
    /** The former generation is live again, and the live one the former. */
    readonly back: Effect.Effect<Stored, RebuildRefused | Unavailable>
    /** Leaves only the live generation; what the others take is free soon after. */
    readonly drop: Effect.Effect<Stored, RebuildRefused | Unavailable>
  }
>()("sluice/RebuildOrders") {}

type Failure = OrderViewError | SqlError.SqlError

const unavailable = (error: Failure) =>
  new Unavailable({ engine: error._tag === "OrderViewError" ? "order-view" : "sql", retryAfterSeconds: 1 })

const answering = <A, R>(effect: Effect.Effect<A, Failure | RebuildRefused, R>) =>
  Effect.mapError(effect, (error) => (error._tag === "RebuildRefused" ? error : unavailable(error)))

const isAway = (error: { readonly _tag: string; readonly refused?: boolean }) =>
  error._tag === "SqlError" || error._tag === "Unavailable" || (error._tag === "OrderViewError" && error.refused !== true)

/** An engine that is away for a minute ends no rebuild. */
const patiently = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.retry(effect, {
    while: isAway,
    schedule: Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("2 seconds")]).pipe(Schedule.upTo({ times: 35 }))
  })

/** Halves what the view refuses until that stands alone, and leaves it out: the comparison finds it. */
const applyWhatGoes = (view: View, events: ReadonlyArray<OrderEvent>): Effect.Effect<void, OrderViewError> =>
  view.apply(events).pipe(
    Effect.catchIf(
      ({ refused }) => refused,
      () => {
        if (events.length === 1) return Effect.void
        const half = Math.ceil(events.length / 2)
        return Effect.andThen(applyWhatGoes(view, events.slice(0, half)), applyWhatGoes(view, events.slice(half)))
      }
    )
  )

/** Goes on with what is being built, as far as that is. */
const runOf = ({ building, run }: State, owner: string, now: number): Run => {
  const begun: Run = {
    owner,
    state: "running",
    phase: "preparing",
    after: "",
    total: null,
    copied: 0,
    compared: 0,
    mended: 0,
    differing: 0,
    problem: null,
    startedAtMs: now,
    updatedAtMs: now
  }
  return building === null || run === null ? begun : { ...run, owner, state: "running", problem: null, updatedAtMs: now }
}

const problemOf = (error: Failure | Unavailable | Differing) => {
  if (error._tag === "Differing") return `${error.orders} orders differ from the write side and can't be mended`
  const engine = error._tag === "Unavailable" ? error.engine : error._tag === "OrderViewError" ? "order-view" : "sql"
  return `not available: ${engine}`
}

const make = Effect.fnUntraced(function* (options: Options) {
  const { leaseMs = 5_000, owner: here = randomUUID(), pageSize = 200, pauseMs = 2_000 } = options
  const store = yield* GenerationStore
  const write = yield* OrdersRead
  const scope = yield* Effect.scope

  let isRunning = false

  const read = Effect.map(
    store.read,
    (stored): Stored =>
      stored.isHeld && !isRunning && stored.state.run?.owner.startsWith(`${here}:`) === true
        ? { ...stored, isHeld: false }
        : stored
  )

  /** Changes the authority; `change` is asked again when somebody else was faster. */
  const edit = Effect.fnUntraced(function* <E>(change: (stored: Stored) => Effect.Effect<State, E>, lease: number) {
    while (true) {
      const stored = yield* read
      const state = yield* change(stored)
      if (yield* Effect.uninterruptible(store.swap(stored.revision, state, lease))) {
        return { revision: stored.revision + 1, state, isHeld: lease > 0 } satisfies Stored
      }
    }
  })

  const whileFree = ({ isHeld, state }: Stored) =>
    isHeld ? Effect.fail(new RebuildRefused({ reason: "running" })) : Effect.succeed(state)

  /** Drops what the engine has and the authority does not name. One that is just being made has a number that was not given yet. */
  const sweep = Effect.gen(function* () {
    const stored = yield* store.stored
    const { state } = yield* store.read
    const kept = keptOf(state)
    const left = stored.filter((generation) => generation <= state.last && !kept.includes(generation))
    if (left.length === 0) return
    yield* Effect.sleep(retireMs)
    yield* Effect.forEach(left, store.drop, { discard: true })
  })

  const rebuild = Effect.fnUntraced(function* (begun: Run) {
    let run = begun
    const turns = yield* Semaphore.make(1)
    const hold = (change: (state: State) => State, lease = leaseMs) =>
      edit(
        ({ state }) => (state.run?.owner === begun.owner ? Effect.succeed(change(state)) : Effect.fail(new LeaseLost())),
        lease
      ).pipe(patiently, turns.withPermits(1))
    const note = (more: Partial<Run>) => {
      run = { ...run, ...more, updatedAtMs: Date.now() }
    }
    const save = Effect.suspend(() => hold((state) => ({ ...state, run })))

    const prepare = Effect.gen(function* () {
      const { state } = yield* hold((now) => (now.building === null ? { ...now, former: null, run } : now))
      if (state.building !== null) return state.building
      yield* patiently(sweep)
      const building = state.last + 1
      yield* patiently(Effect.andThen(store.drop(building), store.create(building)))
      yield* crashPoint("rebuild.created")
      const total = yield* Effect.orElseSucceed(write.count, () => null)
      note({ phase: "customers", total })
      yield* hold((now) => ({ ...now, building, last: building, run }))
      yield* crashPoint("rebuild.named")
      return building
    })

    const copyCustomers = Effect.fnUntraced(function* (view: View) {
      let after: string | undefined = ""
      while (after !== undefined) {
        const page: ReadonlyArray<CustomerChanged> = yield* patiently(write.changedCustomers(after, pageSize))
        yield* Effect.yieldNow
        yield* patiently(applyWhatGoes(view, page))
        after = page.length < pageSize ? undefined : page.at(-1)!.customer.id
      }
    })

    const copyOrders = Effect.fnUntraced(function* (view: View) {
      let count = pageSize
      while (count === pageSize) {
        const page = yield* patiently(write.page(run.after, pageSize))
        yield* Effect.yieldNow
        yield* patiently(applyWhatGoes(view, page))
        yield* Effect.yieldNow
        note({ copied: run.copied + page.length, after: page.at(-1)?.order.orderId ?? run.after })
        yield* crashPoint("rebuild.copied")
        count = page.length
      }
    })

    const compare = Effect.fnUntraced(function* (view: View) {
      const onProgress = (compared: number) => note({ compared })
      const report = yield* verify({ repair: true, pauseMs, onProgress }).pipe(
        Effect.provideService(OrderViews, view),
        Effect.provideService(OrdersRead, write),
        patiently
      )
      const differing = report.differing - report.repaired
      note({ compared: report.checked, mended: report.repaired, differing })
      if (differing > 0) return yield* new Differing({ orders: differing })
    })

    const work = Effect.gen(function* () {
      const building = yield* prepare
      const view = store.view(building)
      if (run.phase === "customers") {
        yield* copyCustomers(view)
        note({ phase: "orders" })
        yield* save
      }
      if (run.phase === "orders") {
        yield* copyOrders(view)
        note({ phase: "comparing" })
        yield* save
      }
      yield* compare(view)
      yield* crashPoint("rebuild.compared")
      note({ state: "done" })
      // Its answer may be lost, and it is done again then.
      yield* hold((now) => (now.live === building ? now : { ...now, live: building, former: now.live, building: null, run }), 0)
      yield* crashPoint("rebuild.switched")
      yield* Effect.logInfo("the order view was built anew and is live").pipe(
        Effect.annotateLogs({ generation: building, orders: run.compared, mended: run.mended })
      )
    })

    const renewing = Effect.sleep(Math.min(1_000, leaseMs / 4)).pipe(
      Effect.andThen(Effect.suspend(() => (run.state === "running" ? save : Effect.void))),
      Effect.forever
    )
    const end = (state: Run["state"], problem: string | null) =>
      Effect.suspend(() => {
        note({ state, problem })
        return hold((now) => ({ ...now, run }), 0)
      }).pipe(Effect.timeout("5 seconds"), Effect.ignore)

    yield* Effect.raceFirst(work, renewing).pipe(
      Effect.catch((error) =>
        error._tag === "LeaseLost"
          ? Effect.logWarning("the rebuild of the order view was taken over by another process")
          : Effect.andThen(
              Effect.logWarning("the order view could not be built anew; the one that is live stays").pipe(
                Effect.annotateLogs({ problem: problemOf(error) })
              ),
              end("failed", problemOf(error))
            )
      ),
      Effect.onInterrupt(() => end("stopped", null)),
      Effect.tapDefect((defect) => Effect.andThen(Effect.logError("a rebuild died", defect), end("failed", "internal")))
    )
  })

  return RebuildOrders.of({
    status: Effect.mapError(read, unavailable),
    start: Effect.gen(function* () {
      const [owner, at] = [`${here}:${randomUUID()}`, yield* Clock.currentTimeMillis]
      const begun = yield* edit(
        (stored) => Effect.map(whileFree(stored), (state) => ({ ...state, run: runOf(state, owner, at) })),
        leaseMs
      )
      isRunning = true
      const running = Effect.ensuring(
        rebuild(begun.state.run!),
        Effect.sync(() => {
          isRunning = false
        })
      )
      yield* Effect.forkIn(running, scope)
      return begun
    }).pipe(answering),
    back: edit(
      (stored) =>
        Effect.flatMap(whileFree(stored), (state) =>
          state.former === null
            ? Effect.fail(new RebuildRefused({ reason: "no_former" }))
            : Effect.succeed({ ...state, live: state.former, former: state.live })
        ),
      0
    ).pipe(answering),
    drop: Effect.gen(function* () {
      const dropped = yield* edit(
        (stored) =>
          Effect.map(whileFree(stored), (state) => ({
            ...state,
            former: null,
            building: null,
            run: state.building === null ? state.run : null
          })),
        0
      )
      const sweeping = patiently(sweep).pipe(
        Effect.catch(() => Effect.logWarning("a former order view could not be dropped; the next rebuild drops it"))
      )
      yield* Effect.forkIn(sweeping, scope)
      return dropped
    }).pipe(answering)
  })
})

export const layer = (options: Options = {}): Layer.Layer<RebuildOrders, never, GenerationStore | OrdersRead> =>
  Layer.effect(RebuildOrders, make(options))
