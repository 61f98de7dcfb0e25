/** What a number was over the last minutes, at the times at which it was told. */
export interface Point {
  readonly at: number
  readonly value: number
}

export type Series = ReadonlyArray<Point>

export const windowMs = 120_000

/** As much of the time as there is something to show of. */
export const shownMs = (series: Series): number => {
  const told = (series.at(-1)?.at ?? 0) - (series[0]?.at ?? 0)
  return [30_000, 60_000].find((ms) => told <= ms) ?? windowMs
}

/** Room for one step more than is shown, so that the line begins at the edge. */
const keptMs = windowMs + 15_000

export const added = (series: Series, point: Point): Series => {
  const from = point.at - keptMs
  const first = series.findIndex(({ at }) => at >= from)
  return [...(first <= 0 ? (first === 0 ? series : []) : series.slice(first)), point]
}

const valueAt = (series: Series, at: number, hint: number): readonly [value: number, index: number] => {
  let i = hint
  while (i < series.length && series[i]!.at < at) i++
  const after = series[i]
  const before = series[i - 1]
  if (before === undefined) return [after!.value, i]
  if (after === undefined) return [before.value, i]
  return [before.value + ((after.value - before.value) * (at - before.at)) / (after.at - before.at), i]
}

/** Of a number that only grows: by how much it grew in each second. */
export const perSecond = (series: Series): Series => {
  const first = series[0]
  const last = series.at(-1)
  if (first === undefined || last === undefined) return []
  const points: Array<Point> = []
  let at = Math.ceil(first.at / 1000) * 1000
  let [before, index] = valueAt(series, at, 0)
  for (at += 1000; at <= last.at; at += 1000) {
    const [value, next] = valueAt(series, at, index)
    points.push({ at, value: Math.max(0, value - before) })
    before = value
    index = next
  }
  return points
}
