/** The admin key, for as long as the page stands: it is never stored, and no request carries it by itself. */
import { makeStore } from "./store.ts"

export const key = makeStore<string | undefined>(undefined)

/** Set when the server no longer takes the key that was given. */
export const wasRefused = makeStore(false)

export const signOut = () => {
  wasRefused.set(false)
  key.set(undefined)
}

export const authorization = (): Record<string, string> => {
  const it = key.get()
  return it === undefined ? {} : { authorization: `Bearer ${it}` }
}
