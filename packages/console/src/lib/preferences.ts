/** What the operator prefers: the language and the colours. Both are kept in this browser; without a choice the browser's own count. */
import { makeStore } from "./store.ts"

export type Language = "en" | "ko"
export type Theme = "auto" | "light" | "dark"

const stored = (name: string): string | null => {
  try {
    return localStorage.getItem(`sluice.${name}`)
  } catch {
    return null
  }
}

const keep = (name: string, value: string) => {
  try {
    localStorage.setItem(`sluice.${name}`, value)
  } catch {
    // A browser that keeps nothing is asked again next time.
  }
}

const oneOf = <A extends string>(value: string | null, ...known: ReadonlyArray<A>): A | undefined =>
  known.find((one) => one === value)

export const language = makeStore<Language>(
  oneOf(stored("language"), "en", "ko") ?? (navigator.language.toLowerCase().startsWith("ko") ? "ko" : "en")
)

export const theme = makeStore<Theme>(oneOf(stored("theme"), "auto", "light", "dark") ?? "auto")

const apply = () => {
  document.documentElement.lang = language.get()
  if (theme.get() === "auto") delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme.get()
}

language.subscribe(() => {
  keep("language", language.get())
  apply()
})
theme.subscribe(() => {
  keep("theme", theme.get())
  apply()
})
apply()
