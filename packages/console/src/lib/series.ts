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

/** Room for a little more than is shown, so that the line begins at the edge. */
const keptMs = windowMs + 15_000

export const added = (series: Series, point: Point): Series => [
  ...series.filter(({ at }) => at >= point.at - keptMs && at < point.at),
  point
]

/** Nothing is known of what lies between points that are further apart: nobody looked, or the server was away. */
const gapMs = 5000

/** The stretches over which it was told without a gap. */
export const stretches = (series: Series): ReadonlyArray<Series> => {
  const found: Array<Array<Point>> = []
  for (const point of series) {
    const current = found.at(-1)
    if (current === undefined || point.at - current.at(-1)!.at > gapMs) found.push([point])
    else current.push(point)
  }
  return found
}

const grownPerSecond = (series: Series): Series => {
  const points: Array<Point> = []
  const end = series.at(-1)!.at
  let next = 1
  /** Between two points it is taken to have grown evenly. */
  const valueAt = (at: number) => {
    while (series[next]!.at < at) next++
    const [before, after] = [series[next - 1]!, series[next]!]
    return before.value + ((after.value - before.value) * (at - before.at)) / (after.at - before.at)
  }
  let at = Math.ceil(series[0]!.at / 1000) * 1000
  if (at > end) return []
  let before = valueAt(at)
  for (at += 1000; at <= end; at += 1000) {
    const value = valueAt(at)
    points.push({ at, value: Math.max(0, value - before) })
    before = value
  }
  return points
}

/** Of a number that only grows: by how much it grew in each second. */
export const perSecond = (series: Series): Series =>
  stretches(series)
    .filter(({ length }) => length > 1)
    .flatMap(grownPerSecond)
