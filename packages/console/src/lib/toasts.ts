/** What was done, said once and for a while. */
import { makeStore } from "./store.ts"

const shownMs = 6000

export const toast = makeStore<{ readonly text: string } | undefined>(undefined)

export const say = (text: string) => {
  const it = { text }
  toast.set(it)
  setTimeout(() => toast.get() === it && toast.set(undefined), shownMs)
}
