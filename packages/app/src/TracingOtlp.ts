/** The OTLP exporter, loaded only where it is wanted. */
import { hostname } from "node:os"
import { Effect, Layer, Option, Tracer } from "effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as OtlpExporter from "effect/observability/OtlpExporter"
import * as OtlpSerialization from "effect/observability/OtlpSerialization"
import * as OtlpTracer from "effect/observability/OtlpTracer"
import pkg from "../package.json" with { type: "json" }

export interface Options {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly roles: ReadonlyArray<string>
}

/** The address of a collector, to which the path of traces is added, or that path itself. */
export const tracesUrl = (url: string): string => {
  const at = new URL(url)
  if (!at.pathname.endsWith("/v1/traces")) at.pathname = `${at.pathname.replace(/\/$/, "")}/v1/traces`
  return at.href
}

/** A span without a parent is only wanted where a request begins. */
const onlyOfRequests = (tracer: Tracer.Tracer): Tracer.Tracer =>
  Tracer.make({
    span: (options) =>
      tracer.span(Option.isNone(options.parent) && options.kind !== "server" ? { ...options, sampled: false } : options)
  })

export const layerOtlp = ({ headers, roles, url }: Options): Layer.Layer<never> =>
  Layer.effect(
    Tracer.Tracer,
    Effect.map(
      OtlpTracer.make({
        url: tracesUrl(url),
        headers,
        resource: {
          serviceName: "sluice",
          serviceVersion: pkg.version,
          attributes: { "service.instance.id": `${hostname()}:${process.pid}`, "sluice.roles": roles.join(",") }
        },
        exportInterval: "1 second",
        maxBatchSize: 512,
        shutdownTimeout: "2 seconds"
      }),
      onlyOfRequests
    )
  ).pipe(Layer.provide([OtlpExporter.layerFlusher, OtlpSerialization.layerJson, FetchHttpClient.layer]))
