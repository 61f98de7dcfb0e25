/**
 * A page that joins and waits. Loaded again it takes the old place back, because the ticket is in `localStorage`.
 */
import { joinAndWait, type Ticket } from "../src/index.ts"

interface Element {
  textContent: string
  value: string
  hidden: boolean
  onsubmit: ((event: { readonly preventDefault: () => void }) => void) | null
}
declare const document: { readonly getElementById: (id: string) => Element }
declare const location: { readonly search: string }
declare const localStorage: Storage

const element = (id: string) => document.getElementById(id)
const say = (text: string) => {
  element("status").textContent = text
}

const show = ({ etaSeconds, position, state }: Ticket) => {
  if (state === "waiting") say(`Place ${position}${etaSeconds === null ? "" : `, about ${Math.ceil(etaSeconds)} s`}`)
}

const wait = async (userId: string) => {
  element("form").hidden = true
  localStorage.setItem("userId", userId)
  const campaignId = new URLSearchParams(location.search).get("campaign") ?? "demo"
  const outcome = await joinAndWait({
    baseUrl: "",
    campaignId,
    userId,
    storage: localStorage,
    onState: show,
    onTrouble: () => say("No connection. You keep your place.")
  })
  say(outcome.state === "issued" ? `Your coupon: ${outcome.code}` : `Over: ${outcome.state}`)
}

element("form").onsubmit = (event) => {
  event.preventDefault()
  wait(element("user").value).catch((error: Error) => say(error.message))
}

const userId = localStorage.getItem("userId")
if (userId !== null) wait(userId).catch((error: Error) => say(error.message))
