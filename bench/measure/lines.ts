/** Lines over a common axis as an SVG that stands in a page as it is, beside the bars of `plot.ts`. */

export interface Line {
  readonly label: string
  readonly points: ReadonlyArray<readonly [x: number, y: number]>
  /** Ours stands out. */
  readonly ours?: boolean
}

export interface LinePlot {
  readonly title: string
  readonly xAxis: string
  readonly yAxis: string
  readonly lines: ReadonlyArray<Line>
  /** A level that must not be passed. */
  readonly limit?: { readonly y: number; readonly label: string }
}

const width = 860
const plotHeight = 330
const [left, right, bottom] = [80, 20, 52]
const legendRow = 18
const dashes = ["", "6 4", "2 3", "10 4 2 4"]
const ownColours = ["#0b7a75", "#14b8a6", "#0f4c81"]
const colours = ["#b45309", "#7c3aed", "#64748b"]

const escaped = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")

const figure = (value: number) =>
  value >= 1e6
    ? `${+(value / 1e6).toPrecision(3)}M`
    : value >= 1e4
      ? `${+(value / 1e3).toPrecision(3)}k`
      : String(+value.toPrecision(3))

/** A step of 1, 2 or 5 times a power of ten, for about six marks. */
const step = (most: number) => {
  const rough = most / 6
  const power = 10 ** Math.floor(Math.log10(rough))
  return power * ([1, 2, 5].find((n) => n * power >= rough) ?? 10)
}

const marks = (most: number) => {
  const by = step(most)
  return Array.from({ length: Math.floor(most / by + 1e-9) + 1 }, (_, i) => i * by)
}

export const linePlot = ({ limit, lines, title, xAxis, yAxis }: LinePlot): string => {
  const top = 48 + lines.length * legendRow
  const height = top + plotHeight + bottom
  const all = lines.flatMap(({ points }) => points)
  const maxX = Math.max(...all.map(([x]) => x)) || 1
  const maxY = (Math.max(limit?.y ?? 0, ...all.map(([, y]) => y)) || 1) * 1.05
  const atX = (x: number) => (left + ((width - left - right) * x) / maxX).toFixed(1)
  const atY = (y: number) => (height - bottom - ((height - top - bottom) * y) / maxY).toFixed(1)
  const seen = { ours: 0, others: 0 }
  const drawn = lines.map(({ label, ours = false, points }, i) => {
    const palette = ours ? ownColours : colours
    const n = ours ? seen.ours++ : seen.others++
    const colour = palette[n % palette.length]!
    const dash = dashes[n % dashes.length]!
    const y = 50 + i * legendRow
    const stroke = `stroke="${colour}" stroke-width="${ours ? 2.5 : 2}"${dash === "" ? "" : ` stroke-dasharray="${dash}"`}`
    return [
      `<polyline fill="none" ${stroke} points="${points.map(([px, py]) => `${atX(px)},${atY(py)}`).join(" ")}"/>`,
      `<line x1="${left + 12}" x2="${left + 44}" y1="${y - 4}" y2="${y - 4}" ${stroke}/>`,
      `<text x="${left + 52}" y="${y}">${escaped(label)}</text>`
    ].join("")
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="13" role="img">`,
    `<title>${escaped(title)}</title><rect width="${width}" height="${height}" fill="#fff"/><g fill="#1f2933">`,
    `<text x="8" y="24" font-size="15" font-weight="bold">${escaped(title)}</text>`,
    ...marks(maxX).map(
      (x) => `<text x="${atX(x)}" y="${height - bottom + 18}" text-anchor="middle" fill="#52606d">${figure(x)}</text>`
    ),
    ...marks(maxY).map(
      (y) =>
        `<line x1="${left}" x2="${width - right}" y1="${atY(y)}" y2="${atY(y)}" stroke="#e4e7eb"/>` +
        `<text x="${left - 8}" y="${Number(atY(y)) + 4}" text-anchor="end" fill="#52606d">${figure(y)}</text>`
    ),
    `<text x="${(left + width - right) / 2}" y="${height - 10}" text-anchor="middle">${escaped(xAxis)}</text>`,
    `<text transform="translate(18 ${(top + height - bottom) / 2}) rotate(-90)" text-anchor="middle">${escaped(yAxis)}</text>`,
    ...(limit === undefined
      ? []
      : [
          `<line x1="${left}" x2="${width - right}" y1="${atY(limit.y)}" y2="${atY(limit.y)}" stroke="#c0392b" stroke-dasharray="4 4"/>`,
          `<text x="${width - right - 4}" y="${Number(atY(limit.y)) - 5}" text-anchor="end" fill="#c0392b">${escaped(limit.label)}</text>`
        ]),
    ...drawn,
    "</g></svg>\n"
  ].join("\n")
}
