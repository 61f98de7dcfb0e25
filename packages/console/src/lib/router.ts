/** Where the page is, as the part of its address after `#`: `#/campaigns/spring-sale`. */
import { makeStore } from "./store.ts"

const decoded = (part: string) => {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

const read = (): ReadonlyArray<string> =>
  location.hash
    .replace(/^#\/?/, "")
    .split("/")
    .filter((part) => part !== "")
    .map(decoded)

/** `#main` and the like are places on the page and not views. */
const isView = () => location.hash === "" || location.hash.startsWith("#/")

export const route = makeStore<ReadonlyArray<string>>(isView() ? read() : [])

addEventListener("hashchange", () => {
  if (isView()) route.set(read())
})

export const hrefOf = (...parts: ReadonlyArray<string>): string => `#/${parts.map(encodeURIComponent).join("/")}`

export const go = (...parts: ReadonlyArray<string>) => {
  location.hash = hrefOf(...parts)
}
