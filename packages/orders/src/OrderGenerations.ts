/**
 * Generations of the order view: the one that readers see, the former one, and one that is being built, in the same engine side by side.
 *
 * One row or document beside them is the authority on which there are. Every change of it is a compare and swap on its revision. Nobody has
 * to be told of a change in time:
 *
 * - A writer writes the generations that it knows, then reads the authority, and is done when it has written all that are named there. One
 *   that did not see a generation was done before it was named, with events that were committed before; the rebuild reads the write side
 *   only after naming it, so it finds their effects there. No process is waited for, however long it stands still.
 * - The live generation is written last: what a reader has seen of it stands in the others too, so a switch takes nothing back.
 * - A reader uses what it knows for at most `freshMs`, measured when its answer is there; an answer that took longer counts only if the
 *   generation is still the live one. A generation is dropped `retireMs` after it was last named: nobody reads it by then.
 */
import { Count, type OrderEvent } from "@sluice/domain"
import { Context, Effect, Exit, Layer, Schema } from "effect"
import { type Found, type OrderViewError, OrderViews } from "./OrderViews.ts"

export const Run = Schema.Struct({
  /** Who rebuilds, or did. It is alone as long as its lease has not run out. */
  owner: Schema.String,
  state: Schema.Literals(["running", "done", "failed", "stopped"]),
  phase: Schema.Literals(["preparing", "customers", "orders", "comparing"]),
  /** Of the orders: up to here they are copied. */
  after: Schema.String,
  total: Schema.NullOr(Count),
  copied: Count,
  compared: Count,
  /** Orders that the comparison found to differ, and mended. */
  mended: Count,
  /** Orders that differ still. */
  differing: Count,
  problem: Schema.NullOr(Schema.String),
  startedAtMs: Schema.Int,
  updatedAtMs: Schema.Int
})
export type Run = typeof Run.Type

export const State = Schema.Struct({
  live: Schema.Int,
  /** The one that was live before; kept up to date, so that it can be live again. */
  former: Schema.NullOr(Schema.Int),
  building: Schema.NullOr(Schema.Int),
  /** The highest number that was ever given; none is given twice. */
  last: Schema.Int,
  run: Schema.NullOr(Run)
})
export type State = typeof State.Type

export const StateJson = Schema.fromJsonString(State)

export const firstState: State = { live: 0, former: null, building: null, last: 0, run: null }

export interface Stored {
  readonly revision: number
  readonly state: State
  /** By the engine's clock: the lease given with the last swap has not run out. */
  readonly isHeld: boolean
}

/** One view, or the same on all generations. */
export type View = OrderViews["Service"]

export class GenerationStore extends Context.Service<
  GenerationStore,
  {
    readonly read: Effect.Effect<Stored, OrderViewError>
    /** Does nothing and gives false where the revision is another one. */
    readonly swap: (revision: number, next: State, leaseMs: number) => Effect.Effect<boolean, OrderViewError>
    /** One generation alone. */
    readonly view: (generation: number) => View
    readonly create: (generation: number) => Effect.Effect<void, OrderViewError>
    /** Harmless where there is none. */
    readonly drop: (generation: number) => Effect.Effect<void, OrderViewError>
    /** Those that the engine has, also what was left behind. */
    readonly stored: Effect.Effect<ReadonlyArray<number>, OrderViewError>
  }
>()("sluice/GenerationStore") {}

/** How long a reader goes by what it knows. */
const freshMs = 1_000
/** How long a generation stays after it was last named: longer, for clocks of processes run a little apart. */
export const retireMs = 2_000

/** The names of a generation in its engine; the first one's are those of a view that was never built anew. */
export const namesOf = (prefix: string, generation: number) => {
  const orders = generation === 0 ? prefix : `${prefix}_g${generation}`
  return { orders, profiles: `${orders}_profiles` }
}

/** The generations that these names are of, and others of the same engine's tables or collections. */
export const generationsAmong = (prefix: string, names: ReadonlyArray<string>): ReadonlyArray<number> => {
  const found = names.flatMap((name) => {
    if (!name.startsWith(prefix)) return []
    const [, number] = /^(?:_g([1-9]\d{0,8}))?(?:_profiles)?$/.exec(name.slice(prefix.length)) ?? [undefined, "none"]
    return number === "none" ? [] : [Number(number ?? 0)]
  })
  return [...new Set(found)]
}

/** Those that are kept up to date, the live one last. */
export const keptOf = ({ building, former, live }: State): ReadonlyArray<number> =>
  [building, former, live].filter((generation) => generation !== null)

interface Seen {
  readonly state: State
  readonly atMs: number
}

export const make = (store: GenerationStore["Service"]): View => {
  let known: Seen | undefined
  const views = new Map<number, View>()

  const viewOf = (generation: number): View => {
    const view = views.get(generation) ?? store.view(generation)
    views.set(generation, view)
    return view
  }

  const look = Effect.suspend(() => {
    const atMs = performance.now()
    return Effect.map(store.read, ({ state }) => {
      if (known === undefined || known.atMs < atMs) known = { state, atMs }
      for (const generation of views.keys()) if (!keptOf(state).includes(generation)) views.delete(generation)
      return { state, atMs }
    })
  })

  const isFresh = (seen: Seen) => performance.now() - seen.atMs <= freshMs
  const fresh = Effect.suspend(() => (known !== undefined && isFresh(known) ? Effect.succeed(known) : look))

  type Read<A> = (view: View) => Effect.Effect<A, OrderViewError>

  const reading = <A>(read: Read<A>): Effect.Effect<A, OrderViewError> =>
    Effect.flatMap(fresh, (seen) => Effect.flatMap(read(viewOf(seen.state.live)), (answer) => valid(seen, answer, read)))

  /** An answer that took long, where another generation is live by now, is read again. */
  const valid = <A>(seen: Seen, answer: A, read: Read<A>): Effect.Effect<A, OrderViewError> =>
    isFresh(seen)
      ? Exit.succeed(answer)
      : Effect.flatMap(look, ({ state }) => (state.live === seen.state.live ? Effect.succeed(answer) : reading(read)))

  const findUnsafe: View["findUnsafe"] = (ids, done) => {
    const read: Read<Found> = (view) => view.find(ids)
    if (known === undefined || !isFresh(known)) return done(reading(read))
    const seen = known
    viewOf(seen.state.live).findUnsafe(ids, (found) =>
      done(Exit.isExit(found) && isFresh(seen) ? found : Effect.flatMap(found, (answer) => valid(seen, answer, read)))
    )
  }

  const isGone = (generation: number) => Effect.map(look, ({ state }) => !keptOf(state).includes(generation))

  const writing = Effect.fnUntraced(function* (write: (view: View) => Effect.Effect<void, OrderViewError>) {
    const written = new Set<number>()
    let { state } = yield* fresh
    do {
      for (const generation of keptOf(state).filter((kept) => !written.has(kept))) {
        yield* write(viewOf(generation)).pipe(
          Effect.catch((error) => Effect.flatMap(isGone(generation), (gone) => (gone ? Effect.void : Effect.fail(error))))
        )
        written.add(generation)
      }
      state = (yield* look).state
    } while (keptOf(state).some((generation) => !written.has(generation)))
  })

  return OrderViews.of({
    apply: (events: ReadonlyArray<OrderEvent>) => writing((view) => view.apply(events)),
    mend: (events) => writing((view) => view.mend(events)),
    remove: (ids) => writing((view) => view.remove(ids)),
    find: (ids) => (ids.length === 0 ? Effect.succeed([]) : reading((view) => view.find(ids))),
    findUnsafe,
    page: (options) => reading((view) => view.page(options)),
    scan: (after, limit) => reading((view) => view.scan(after, limit)),
    ping: Effect.asVoid(store.read)
  })
}

/** All generations as one view, and the store of them. */
export const layer = <E, R>(store: Layer.Layer<GenerationStore, E, R>): Layer.Layer<OrderViews | GenerationStore, E, R> =>
  Layer.effect(OrderViews, Effect.map(GenerationStore, make)).pipe(Layer.provideMerge(store))
