/** Whether what the page shows is of now: each source that is followed says so for itself, and one that is lost makes the page not live. */
import { makeStore } from "./store.ts"

export type Connection = "connecting" | "live" | "lost"

export const connection = makeStore<Connection>("connecting")

const sources = new Map<object, boolean | undefined>()
let seenAt = 0

/** When something last came in. */
export const lastSeen = (): number => seenAt

const update = () => {
  const states = [...sources.values()]
  if (states.includes(false)) connection.set("lost")
  else if (states.includes(true) || seenAt > 0) connection.set("live")
}

export interface Source {
  readonly isLive: (live: boolean) => void
  readonly end: () => void
}

export const openSource = (): Source => {
  const id = {}
  sources.set(id, undefined)
  return {
    isLive: (live) => {
      if (!sources.has(id)) return
      if (live) seenAt = Date.now()
      sources.set(id, live)
      update()
    },
    end: () => {
      sources.delete(id)
      update()
    }
  }
}
