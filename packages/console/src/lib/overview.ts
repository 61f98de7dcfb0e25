/** What an operator sees of the whole, told every second while somebody is signed in; null where the server does not tell it. */
import { followEvents } from "./follow.ts"
import { added, type Series } from "./series.ts"
import { key } from "./session.ts"
import { makeStore } from "./store.ts"
import type { Overview } from "./types.ts"

export const overview = makeStore<Overview | null | undefined>(undefined)

export const placedPerSecond = makeStore<Series>([])
export const behind = makeStore<Readonly<Record<string, Series>>>({})

const remember = (told: Overview) => {
  const at = Date.now()
  const add = (series: Series, value: number | null | undefined) => added(series, { at, value: value ?? 0 })
  placedPerSecond.set(add(placedPerSecond.get(), told.orders?.placedPerSecond))
  const known = behind.get()
  behind.set(Object.fromEntries((told.lag ?? []).map(({ consumer, events }) => [consumer, add(known[consumer] ?? [], events)])))
}

/** For as long as the page stands. */
export const followOverview = () => {
  let stop = () => {}
  const begin = () => {
    stop()
    overview.set(undefined)
    if (key.get() === undefined) return
    stop = followEvents<Overview>("/overview/events", {
      onData: (told) => {
        remember(told)
        overview.set(told)
      },
      onRefused: () => overview.set(null)
    })
  }
  begin()
  key.subscribe(begin)
}
