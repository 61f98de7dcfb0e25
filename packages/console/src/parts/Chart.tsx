/** A number over the last minutes, drawn as an area, with the limit that it must keep where there is one. */
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks"
import { useWords } from "../i18n/useWords.ts"
import { type Series, shownMs, stretches } from "../lib/series.ts"

const height = 150
const margin = { top: 10, right: 10, bottom: 22, left: 46 }

/** The next number above that is easy to read: 1, 2, 2.5 or 5 and noughts. */
export const niceMax = (value: number): number => {
  if (value <= 4) return 4
  const power = 10 ** Math.floor(Math.log10(value))
  return [1, 2, 2.5, 4, 5, 8, 10].map((step) => step * power).find((step) => step >= value)!
}

const useWidth = () => {
  const ref = useRef<HTMLDivElement>(null)
  const [width, setWidth] = useState(0)
  useLayoutEffect(() => {
    const element = ref.current!
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry!.contentRect.width)))
    observer.observe(element)
    setWidth(Math.floor(element.clientWidth))
    return () => observer.disconnect()
  }, [])
  return [ref, width] as const
}

export interface ChartProps {
  readonly title: string
  readonly tone: string
  readonly series: Series
  readonly limit?: number | undefined
  /** As the number stands now; by default the last of the series. */
  readonly now?: number
}

export const Chart = ({ limit, now, series, title, tone }: ChartProps) => {
  const { clock, n, short, span, t } = useWords()
  const [box, width] = useWidth()
  const [pointed, setPointed] = useState<number>()
  const clip = useId()
  const last = series.at(-1)
  const end = last?.at ?? Date.now()
  const duration = shownMs(series)
  const shown = series.filter(({ at }) => at >= end - duration)
  const high = Math.max(0, ...shown.map(({ value }) => value))
  const top = niceMax(Math.max(high, limit ?? 0) * 1.05)
  const right = Math.max(margin.left + 1, width - margin.right)
  const x = (at: number) => right - ((end - at) / duration) * (right - margin.left)
  const y = (value: number) => margin.top + (1 - value / top) * (height - margin.top - margin.bottom)
  const lineOf = (part: Series) => part.map(({ at, value }) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`).join("L")
  const current = now ?? last?.value ?? 0
  const at = pointed === undefined ? undefined : end - ((right - pointed) / (right - margin.left)) * duration
  const near =
    at === undefined
      ? undefined
      : shown.reduce<(typeof shown)[number] | undefined>(
          (best, one) => (best === undefined || Math.abs(one.at - at) < Math.abs(best.at - at) ? one : best),
          undefined
        )
  return (
    <figure class="chart card">
      <figcaption>
        <h3>{title}</h3>
        <p class="now">
          {n(current)}
          {limit !== undefined && <span class="muted"> / {n(limit)}</span>}
        </p>
      </figcaption>
      <div
        ref={box}
        class="plot"
        onPointerMove={(event) => setPointed(event.clientX - event.currentTarget.getBoundingClientRect().left)}
        onPointerLeave={() => setPointed(undefined)}
      >
        <svg width={width} height={height} role="img" aria-label={t.campaign.chart(title, n(current), n(high))}>
          <clipPath id={clip}>
            <rect x={margin.left} y={0} width={Math.max(0, right - margin.left)} height={height} />
          </clipPath>
          {[0, 0.5, 1].map((share) => (
            <g key={share}>
              <line class="rule" x1={margin.left} x2={right} y1={y(top * share)} y2={y(top * share)} />
              <text x={margin.left - 8} y={y(top * share) + 4} text-anchor="end">
                {short(top * share)}
              </text>
            </g>
          ))}
          {[2, 1].map((back) => (
            <text key={back} x={x(end - (back * duration) / 2)} y={height - 5} text-anchor={back === 2 ? "start" : "middle"}>
              −{span((back * duration) / 2)}
            </text>
          ))}
          <text x={right} y={height - 5} text-anchor="end">
            {t.common.now}
          </text>
          <g clip-path={`url(#${clip})`}>
            {stretches(series).map((part) => (
              <g key={part[0]!.at}>
                <path
                  class={`area ${tone}`}
                  d={`M${lineOf(part)}L${x(part.at(-1)!.at).toFixed(1)},${y(0)}L${x(part[0]!.at).toFixed(1)},${y(0)}Z`}
                />
                <path class={`line ${tone}`} d={`M${lineOf(part)}`} />
              </g>
            ))}
            {limit !== undefined && <line class="limit" x1={margin.left} x2={right} y1={y(limit)} y2={y(limit)} />}
            {near && <line class="cross" x1={x(near.at)} x2={x(near.at)} y1={margin.top} y2={y(0)} />}
          </g>
          {near && <circle class={`point ${tone}`} cx={x(near.at)} cy={y(near.value)} r="3.5" />}
        </svg>
        {near && (
          <p class={x(near.at) > width / 2 ? "tip left" : "tip"} style={{ left: `${x(near.at)}px` }} aria-hidden="true">
            <b>{n(near.value)}</b> {clock(near.at)}
          </p>
        )}
      </div>
    </figure>
  )
}

/** The same without axes, for a list. */
export const Spark = ({ series, tone }: { readonly series: Series; readonly tone: string }) => {
  const end = series.at(-1)?.at ?? 0
  const top = Math.max(1, ...series.map(({ value }) => value))
  const duration = shownMs(series)
  const points = series
    .filter(({ at }) => at >= end - duration)
    .map(({ at, value }) => `${(100 - ((end - at) / duration) * 100).toFixed(1)},${(25 - (value / top) * 24).toFixed(1)}`)
  if (points.length < 2) return <svg class="spark" viewBox="0 0 100 26" aria-hidden="true" />
  return (
    <svg class="spark" viewBox="0 0 100 26" preserveAspectRatio="none" aria-hidden="true">
      <path class={`area ${tone}`} d={`M${points.join("L")}L100,26L${points[0]!.split(",")[0]},26Z`} />
      <path class={`line ${tone}`} d={`M${points.join("L")}`} />
    </svg>
  )
}
