/**
 * Asks one server many things at once over kept sockets, as many as it needs up to a bound. What does not fit waits here for a free one.
 *
 * It is a thin layer over undici's dispatch, with callbacks: the crowd shares the machine with the server that it measures.
 */
import { type Dispatcher, Pool } from "undici"

export interface Answer {
  readonly status: number
  /** Undefined where the body is not JSON. */
  readonly body: unknown
  readonly retryAfterMs: number | undefined
}

/** No answer; `error` is the code of the cause, such as ECONNREFUSED. */
export interface NoAnswer {
  readonly error: string
}

export interface Client {
  /** Whether every socket is taken: what is asked now waits for one. */
  readonly isFull: () => boolean
  readonly get: (path: string, done: (answer: Answer | NoAnswer) => void) => void
  readonly post: (path: string, body: string, done: (answer: Answer | NoAnswer) => void) => void
  /** Server-sent events, each `data` as JSON, until the other side ends or `onData` gives false. */
  readonly listen: (path: string, onData: (data: unknown) => boolean, onEnd: () => void) => void
  readonly close: () => Promise<void>
}

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Seconds, or a date (RFC 9110). */
export const retryAfterMs = (header: string | ReadonlyArray<string> | undefined, nowMs: number): number | undefined => {
  if (typeof header !== "string") return undefined
  if (/^\d+$/.test(header)) return Number(header) * 1000
  const at = Date.parse(header)
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs)
}

const codeOf = (error: Error): string => {
  const { code } = error as Error & { code?: unknown }
  return typeof code === "string" ? code : error.name
}

const reader = (done: (answer: Answer | NoAnswer) => void): Dispatcher.DispatchHandler => {
  let status = 0
  let wait: number | undefined
  let text = ""
  const chunks: Array<Buffer> = []
  return {
    onRequestStart() {},
    onResponseStart(_controller, statusCode, headers) {
      status = statusCode
      wait = retryAfterMs(headers["retry-after"], Date.now())
    },
    onResponseData(_controller, chunk) {
      chunks.push(chunk)
    },
    onResponseEnd() {
      text = chunks.length === 1 ? chunks[0]!.toString() : Buffer.concat(chunks).toString()
      done({ status, body: parse(text), retryAfterMs: wait })
    },
    onResponseError(_controller, error) {
      done({ error: codeOf(error) })
    }
  }
}

const listener = (onData: (data: unknown) => boolean, onEnd: () => void): Dispatcher.DispatchHandler => {
  const decoder = new TextDecoder()
  let pending = ""
  return {
    onRequestStart() {},
    onResponseStart(controller, statusCode) {
      if (statusCode !== 200) controller.abort(new Error("refused"))
    },
    onResponseData(controller, chunk) {
      pending += decoder.decode(chunk, { stream: true })
      const events = pending.split(/\r?\n\r?\n/)
      pending = events.pop()!
      for (const event of events) {
        const lines = event.split(/\r?\n/).filter((line) => line.startsWith("data:"))
        if (lines.length === 0) continue
        if (!onData(parse(lines.map((line) => line.slice(5)).join("\n")))) return controller.abort(new Error("enough"))
      }
    },
    onResponseEnd: onEnd,
    onResponseError: onEnd
  }
}

/** Of this machine's ports towards one address, some tens of thousands are there for clients. */
const mostSockets = 20_000
/** For what the process has open besides. */
const otherFiles = 200
const fewestSockets = 256

/** How many sockets this process may open safely. */
export const safeConnections = (listeners: number): number => {
  Object.assign(process.report, { excludeNetwork: true }) // it would look up names
  const { userLimits } = process.report.getReport() as {
    readonly userLimits?: { readonly open_files?: { readonly soft?: number | string } }
  }
  const files = Number(userLimits?.open_files?.soft ?? 1024)
  return Number.isNaN(files) ? mostSockets : Math.max(fewestSockets, Math.min(mostSockets, files - otherFiles - listeners))
}

export const make = (
  url: string,
  options: { readonly connections: number; readonly listeners: number; readonly timeoutMs: number }
): Client => {
  const { origin, pathname } = new URL(url)
  const base = pathname.replace(/\/+$/, "")
  const timeouts = { headersTimeout: options.timeoutMs, connectTimeout: options.timeoutMs }
  const requests = new Pool(origin, { ...timeouts, connections: options.connections, bodyTimeout: options.timeoutMs })
  const streams = new Pool(origin, { ...timeouts, connections: Math.max(1, options.listeners), bodyTimeout: 0 })
  const json = { "content-type": "application/json" }
  let underWay = 0
  const counted = (done: (answer: Answer | NoAnswer) => void) => {
    underWay++
    return reader((answer) => {
      underWay--
      done(answer)
    })
  }
  return {
    isFull: () => underWay >= options.connections,
    get: (path, done) => {
      requests.dispatch({ method: "GET", path: base + path }, counted(done))
    },
    post: (path, body, done) => {
      requests.dispatch({ method: "POST", path: base + path, headers: json, body }, counted(done))
    },
    listen: (path, onData, onEnd) => {
      streams.dispatch({ method: "GET", path: base + path, headers: { accept: "text/event-stream" } }, listener(onData, onEnd))
    },
    close: async () => {
      await Promise.all([requests.destroy(), streams.destroy()])
    }
  }
}
