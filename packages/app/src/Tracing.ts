/**
 * Traces of this process, sent by OTLP over HTTP where `SLUICE_OTLP_URL` says so.
 *
 * Off, no span is made at all. On, only what a sampled request began is: loops that run for ever begin no trace of their own. What can't
 * be sent is thrown away; nothing waits for the collector, but the end of the process, for a moment, so that the last spans arrive.
 */
import { Effect, Layer, Logger, Redacted, References } from "effect"
import type { Settings } from "./Settings.ts"

const off = Layer.succeed(References.TracerEnabled, false)

export const layer = ({ roles, tracing }: Pick<Settings, "roles" | "tracing">): Layer.Layer<never> =>
  tracing === undefined
    ? off
    : Layer.unwrap(
        Effect.map(
          Effect.promise(() => import("./TracingOtlp.ts")),
          ({ layerOtlp }) =>
            layerOtlp({
              url: tracing.url,
              headers: tracing.headers === undefined ? {} : headersOf(Redacted.value(tracing.headers)),
              roles
            })
        )
      )

/** As OTEL_EXPORTER_OTLP_HEADERS has them: `name=value,name=value`. */
export const headersOf = (text: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    text.split(",").map((pair) => {
      const at = pair.indexOf("=")
      return [pair.slice(0, at).trim().toLowerCase(), decodeURIComponent(pair.slice(at + 1).trim())]
    })
  )

type LogOptions = Parameters<Parameters<typeof Logger.make>[0]>[0]

/** The ids of the trace in which something is logged, where it is sampled. */
const traceOf = ({ fiber }: LogOptions) => {
  const span = fiber.cache.span
  return span?.sampled === true ? { traceId: span.traceId, spanId: span.spanId } : undefined
}

/** Lines with the trace in which they were written. */
export const withTrace = (format: Logger.Logger<unknown, string>, isJson: boolean): Logger.Logger<unknown, string> =>
  Logger.make((options) => {
    const line = format.log(options)
    const trace = traceOf(options)
    if (trace === undefined) return line
    if (isJson) return `${line.slice(0, -1)},"traceId":"${trace.traceId}","spanId":"${trace.spanId}"}`
    return `${line} traceId=${trace.traceId} spanId=${trace.spanId}`
  })
