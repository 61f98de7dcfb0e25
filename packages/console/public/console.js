/** All campaigns with their counters, asked for again every second; a server that is away is said, and asked again. */
const everyMs = 1000
const body = document.querySelector("tbody")
const status = document.getElementById("status")
const rows = new Map()

const cells = ["state", "waiting", "remaining", "issuing", "issued", "dead", "stock", "ratePerSecond"]

const make = (tag, text = "", className = "") => Object.assign(document.createElement(tag), { textContent: text, className })

const rowOf = ({ id, name }) => {
  const known = rows.get(id)
  if (known !== undefined) return known
  const first = make("td", name)
  const link = Object.assign(make("a", id), { href: `/campaigns/${id}/wait` })
  const small = make("small")
  small.append(" ", link)
  const bar = make("div", "", "bar")
  const parts = ["issued", "issuing", "dead"].map((part) => [part, bar.appendChild(make("span", "", part))])
  bar.setAttribute("aria-hidden", "true")
  first.append(small, bar)
  const fields = cells.map((cell) => [cell, make("td")])
  const row = make("tr")
  row.append(first, ...fields.map(([, field]) => field))
  const made = { row, parts, fields }
  rows.set(id, made)
  return made
}

const show = (campaigns) => {
  const shown = campaigns.map((campaign) => {
    const { fields, parts, row } = rowOf(campaign)
    for (const [cell, field] of fields) {
      const value = campaign[cell]
      field.textContent = typeof value === "number" ? value.toLocaleString("en") : value.replace("_", " ")
    }
    for (const [part, span] of parts) span.style.flexBasis = `${(100 * campaign[part]) / campaign.stock}%`
    return row
  })
  if (shown.length !== body.children.length || shown.some((row, i) => body.children[i] !== row)) body.replaceChildren(...shown)
}

const say = (text) => {
  if (status.textContent !== text) status.textContent = text
}

const ask = async () => {
  try {
    const answer = await fetch("/campaigns", { signal: AbortSignal.timeout(10_000) })
    if (!answer.ok) throw new Error(`the server answers ${answer.status}`)
    const campaigns = await answer.json()
    show(campaigns)
    say(campaigns.length === 0 ? "Live; no campaign yet" : "Live")
  } catch (error) {
    say(`Not live: ${error.message}. Asking again.`)
  }
  setTimeout(ask, everyMs)
}

ask()
