/** Bars as an SVG that stands in a page as it is: no script, no font of its own, readable on light and on dark. */

export interface Bar {
  readonly label: string
  readonly value: number
  /** Ours stands out. */
  readonly ours?: boolean
}

export interface BarPlot {
  readonly title: string
  readonly unit: string
  readonly bars: ReadonlyArray<Bar>
  /** Where values differ by orders of magnitude. The axis then starts at a power of ten. */
  readonly log?: boolean
}

const row = 26
const labels = 300
const width = 860
const room = width - labels - 110

const escaped = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")

const figure = (value: number) =>
  value >= 100 ? Math.round(value).toLocaleString("en") : value >= 10 ? value.toFixed(1) : value.toFixed(2)

export const barPlot = ({ bars, log = false, title, unit }: BarPlot): string => {
  const values = bars.map(({ value }) => value)
  const top = Math.max(...values)
  const floor = log ? 10 ** Math.floor(Math.log10(Math.min(...values.filter((value) => value > 0))) - 0.05) : 0
  const length = (value: number) =>
    Math.max(1, room * (log ? Math.log10(Math.max(value, floor) / floor) / Math.log10(top / floor || 10) : value / top))
  const height = 54 + bars.length * row
  const drawn = bars.map(({ label, ours = false, value }, i) => {
    const y = 44 + i * row
    return [
      `<text x="${labels - 8}" y="${y + 15}" text-anchor="end"${ours ? ' font-weight="bold"' : ""}>${escaped(label)}</text>`,
      `<rect x="${labels}" y="${y + 2}" width="${length(value).toFixed(1)}" height="${row - 8}" fill="${ours ? "#0b7a75" : "#9aa5b1"}"/>`,
      `<text x="${(labels + length(value) + 6).toFixed(1)}" y="${y + 15}">${figure(value)}</text>`
    ].join("")
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="13" role="img">`,
    `<title>${escaped(title)}</title><rect width="${width}" height="${height}" fill="#fff"/>`,
    `<g fill="#1f2933"><text x="8" y="24" font-size="15" font-weight="bold">${escaped(title)}</text>`,
    `<text x="${width - 8}" y="24" text-anchor="end" fill="#52606d">${escaped(unit)}${log ? ", logarithmic" : ""}</text>`,
    ...drawn,
    "</g></svg>\n"
  ].join("\n")
}
