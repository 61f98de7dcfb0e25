/** A collector of traces: takes OTLP over HTTP as JSON, and keeps what came. */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { Effect } from "effect"

export interface SentSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  readonly links: ReadonlyArray<{ readonly traceId: string; readonly spanId: string }>
  readonly attributes: ReadonlyArray<{ readonly key: string; readonly value: Readonly<Record<string, unknown>> }>
  readonly roles: string
}

export const startCollector = async () => {
  const spans: Array<SentSpan> = []
  const texts: Array<string> = []
  const headers: Array<NodeJS.Dict<string | ReadonlyArray<string>>> = []
  const server = createServer(async (req, res) => {
    const chunks: Array<Buffer> = []
    for await (const chunk of req) chunks.push(chunk)
    const text = Buffer.concat(chunks).toString()
    res.writeHead(req.url === "/v1/traces" ? 200 : 404).end("{}")
    if (req.url !== "/v1/traces") return
    texts.push(text)
    headers.push(req.headers)
    for (const { resource, scopeSpans } of JSON.parse(text).resourceSpans) {
      const roles = resource.attributes.find(({ key }: { key: string }) => key === "sluice.roles").value.stringValue
      for (const scope of scopeSpans) for (const span of scope.spans) spans.push({ ...span, roles })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    spans,
    texts,
    headers,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
    of: (traceId: string) => spans.filter((span) => span.traceId === traceId)
  }
}

export type Collector = Awaited<ReturnType<typeof startCollector>>

export const collector = Effect.acquireRelease(Effect.promise(startCollector), ({ close }) => Effect.sync(close))

/** Names from a span up to the one that the client said it has, outermost first; undefined where the chain is broken. */
export const wayTo = (name: string, from: string, spans: ReadonlyArray<SentSpan>): ReadonlyArray<string> | undefined => {
  const names: Array<string> = []
  let span = spans.find((candidate) => candidate.name === name)
  while (span !== undefined) {
    names.unshift(span.name)
    const parent = span.parentSpanId
    if (parent === from) return names
    span = spans.find(({ spanId }) => spanId === parent)
  }
  return undefined
}

const hex = (length: number) => Array.from({ length }, () => Math.floor(Math.random() * 16).toString(16)).join("")

/** What a client sends that traces. */
export const newTrace = (flags = "01") => {
  const traceId = `1${hex(31)}`
  const spanId = `1${hex(15)}`
  return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-${flags}` }
}
