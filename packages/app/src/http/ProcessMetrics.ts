/** What this process uses, under the names that dashboards for Prometheus and Node expect. */
import { monitorEventLoopDelay, performance } from "node:perf_hooks"
import { Effect, Metric } from "effect"
import { gauge } from "./HttpMetrics.ts"

const nothing = () => {}

const cpuSeconds = Metric.counter("process_cpu_seconds_total", { description: "User and system CPU time.", incremental: true })

/**
 * Registers the metrics for as long as the scope lives. The effect it gives forgets the event loop's delays so far, so that each scrape
 * sees those since the one before.
 */
export const processMetrics = Effect.gen(function* () {
  const context = yield* Effect.context<never>()
  const delay = monitorEventLoopDelay({ resolution: 10 })
  delay.enable()
  const cpu = () => {
    const { user, system } = process.cpuUsage()
    return { count: (user + system) / 1e6, incremental: true }
  }
  let idleAndBusy = performance.eventLoopUtilization()
  const startedAt = Date.now() / 1000 - process.uptime()
  const registrations = [
    Metric.registerUnsafe(cpuSeconds, context, { get: cpu, update: nothing, modify: nothing }),
    gauge("process_resident_memory_bytes", "Resident memory.", context, () => process.memoryUsage.rss()),
    gauge("process_start_time_seconds", "Start, as seconds since 1970.", context, () => startedAt),
    gauge("nodejs_heap_size_used_bytes", "Used heap of JavaScript.", context, () => process.memoryUsage().heapUsed),
    gauge(
      "nodejs_eventloop_utilization_ratio",
      "Share of the time since the last scrape in which the event loop was busy, 0 to 1.",
      context,
      () => performance.eventLoopUtilization(idleAndBusy).utilization
    ),
    gauge("nodejs_eventloop_lag_p50_seconds", "Median delay of the event loop since the last scrape.", context, () =>
      seconds(delay.percentile(50))
    ),
    gauge(
      "nodejs_eventloop_lag_p99_seconds",
      "99th percentile of the delay of the event loop since the last scrape.",
      context,
      () => seconds(delay.percentile(99))
    ),
    gauge("nodejs_eventloop_lag_max_seconds", "Longest delay of the event loop since the last scrape.", context, () =>
      seconds(delay.max)
    )
  ]
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      delay.disable()
      for (const registration of registrations) registration.remove()
    })
  )
  return Effect.sync(() => {
    delay.reset()
    idleAndBusy = performance.eventLoopUtilization()
  })
})

/** The histogram counts from its own resolution, and holds no number at all before its first sample. */
const seconds = (nanoseconds: number): number => (Number.isFinite(nanoseconds) ? Math.max(0, nanoseconds / 1e9 - 0.01) : 0)
