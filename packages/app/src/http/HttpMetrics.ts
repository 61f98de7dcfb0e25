/**
 * Counts and times requests by method, route and status.
 *
 * A request costs a few additions in arrays of this process; the metric registry reads them when somebody asks. Routes are the paths of
 * the API, never what a client wrote, so the number of series is bounded.
 */
import { type Context, Metric } from "effect"

const boundaries = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

const nothing = () => {}

class Series {
  readonly #buckets = new Float64Array(boundaries.length + 1)
  #count = 0
  #timed = 0
  #sum = 0
  #min = Number.POSITIVE_INFINITY
  #max = 0

  constructor(
    attributes: Readonly<Record<string, string>>,
    context: Context.Context<never>,
    registrations: Array<Metric.Registration>
  ) {
    const requests = Metric.counter("sluice_http_requests_total", {
      description: "Requests answered.",
      incremental: true,
      attributes
    })
    const seconds = Metric.histogram("sluice_http_request_duration_seconds", {
      description: "From the request line to the end of the answer; event streams are not timed.",
      boundaries,
      attributes
    })
    registrations.push(
      Metric.registerUnsafe(requests, context, {
        get: () => ({ count: this.#count, incremental: true }),
        update: nothing,
        modify: nothing
      }),
      Metric.registerUnsafe(seconds, context, { get: () => this.#histogram(), update: nothing, modify: nothing })
    )
  }

  add(seconds: number | undefined): void {
    this.#count++
    if (seconds === undefined) return
    let bucket = 0
    while (bucket < boundaries.length && seconds > boundaries[bucket]!) bucket++
    this.#buckets[bucket]!++
    this.#timed++
    this.#sum += seconds
    if (seconds < this.#min) this.#min = seconds
    if (seconds > this.#max) this.#max = seconds
  }

  #histogram() {
    let below = 0
    const buckets = boundaries.map((boundary, i): [number, number] => {
      below += this.#buckets[i]!
      return [boundary, below]
    })
    return {
      buckets,
      count: this.#timed,
      sum: this.#sum,
      min: this.#min,
      max: this.#max
    }
  }
}

/** One method of one route. */
export class RouteMetrics {
  readonly #series: Array<Series | undefined> = []
  readonly #make: (status: number) => Series
  readonly #isTimed: boolean

  constructor(make: (status: number) => Series, isTimed: boolean) {
    this.#make = make
    this.#isTimed = isTimed
  }

  record(status: number, seconds: number): void {
    let series = this.#series[status]
    if (series === undefined) {
      series = this.#make(status)
      this.#series[status] = series
    }
    series.add(this.#isTimed ? seconds : undefined)
  }
}

export interface HttpMetrics {
  readonly route: (method: string, route: string) => RouteMetrics
  readonly remove: () => void
}

export const makeHttpMetrics = (context: Context.Context<never>): HttpMetrics => {
  const registrations: Array<Metric.Registration> = []
  const routes = new Map<string, RouteMetrics>()
  return {
    route: (method, route) => {
      const key = `${method} ${route}`
      let metrics = routes.get(key)
      if (metrics === undefined) {
        const make = (status: number) => new Series({ method, route, status: String(status) }, context, registrations)
        metrics = new RouteMetrics(make, !route.endsWith("/events"))
        routes.set(key, metrics)
      }
      return metrics
    },
    remove: () => {
      for (const registration of registrations) registration.remove()
    }
  }
}

/** A gauge that is read when somebody asks. */
export const gauge = (
  id: string,
  description: string,
  context: Context.Context<never>,
  read: () => number
): Metric.Registration =>
  Metric.registerUnsafe(Metric.gauge(id, { description }), context, {
    get: () => ({ value: read() }),
    update: nothing,
    modify: nothing
  })
