/**
 * Keeps the waiting page fresh: numbers by Server-Sent Events, every change of state by the page itself, drawn by the server. Whatever is
 * lost on the way, the ticket is not: it asks again, less and less often, and the place is the same.
 */
const page = document.body.dataset
const live = document.getElementById("live")
const lang = document.documentElement.lang
const final = new Set(["issued", "sold_out", "left", "closed"])
const announceEveryMs = 15_000

let source
let pause = 1000
let announcedAt = Date.now()

const main = () => document.querySelector("main")

const say = (text) => {
  if (live.textContent !== text) live.textContent = text
}

const tellFrame = (view) => {
  if (window.parent !== window) {
    window.parent.postMessage({ sluice: { campaign: page.campaign, state: view.state, position: view.position } }, "*")
  }
}

const wait = (seconds) => {
  if (seconds === null) return page.unknown
  return seconds < 90
    ? `${page.eta} ${Math.ceil(seconds)} ${page.seconds}`
    : `${page.eta} ${Math.ceil(seconds / 60)} ${page.minutes}`
}

const show = ({ etaSeconds, position }) => {
  const place = position.toLocaleString(lang)
  const bar = document.getElementById("bar")
  bar.max = Math.max(bar.max, position)
  bar.value = bar.max - position
  document.getElementById("position").textContent = place
  document.getElementById("eta").textContent = wait(etaSeconds)
  // While nobody passes there is no estimate: with one, "paused" is no longer true.
  const state = document.getElementById("state")
  if (state) state.hidden = etaSeconds !== null
  if (Date.now() - announcedAt > announceEveryMs) {
    announcedAt = Date.now()
    say(`${page.ahead} ${place}`)
  }
}

const later = () => {
  setTimeout(redraw, pause * (0.5 + Math.random()))
  pause = Math.min(pause * 2, 10_000)
}

/** The server draws the state; a failure leaves what is shown and asks again. */
const redraw = async () => {
  try {
    const answer = await fetch(location.pathname + location.search, { headers: { accept: "text/html" } })
    if (!answer.ok) throw new Error(answer.status)
    const next = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main")
    main().replaceWith(next)
    say(next.querySelector("h2")?.textContent ?? "")
    if (next.dataset.ticket) listen()
    else if (!next.querySelector("form")) later()
  } catch {
    say(page.lost)
    later()
  }
}

const listen = () => {
  source?.close()
  const { state, ticket } = main().dataset
  tellFrame({ state, position: null })
  if (!ticket || final.has(state)) return
  source = new EventSource(`/campaigns/${page.campaign}/tickets/${ticket}/events`)
  source.onmessage = ({ data }) => {
    pause = 1000
    const view = JSON.parse(data)
    tellFrame(view)
    if (view.state === "waiting" && main().dataset.state === "waiting") show(view)
    else if (view.state !== main().dataset.state) {
      source.close()
      redraw()
    }
  }
  source.onerror = () => {
    source.close()
    later()
  }
}

for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
  if (/^(accent|background|text|muted)$/.test(name) && CSS.supports("color", value)) {
    document.documentElement.style.setProperty(`--sluice-${name}`, value)
  }
}
if (main().dataset.ticket) listen()
else if (!document.querySelector("form")) later()
