/**
 * One request and its answer, by plain `fetch`. An answer that is no success is thrown as a `SluiceProblem`, no answer as
 * `SluiceUnreachable`; an abort of the caller's own keeps its reason.
 */
import { problemOf, SluiceUnreachable } from "./SluiceError.ts"

export interface Connection {
  /** Where Sluice is, with or without a path: `https://shop.example/sluice`. Empty in a browser: where the page came from. */
  readonly baseUrl: string
  /** The bearer token: a user's own, or the admin key. A function is asked before each request. */
  readonly token?: string | (() => string | Promise<string>) | undefined
  readonly fetch?: typeof globalThis.fetch | undefined
}

/** What `fetch` takes as a body. */
export type Body = NonNullable<RequestInit["body"]>

export interface Call {
  readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE"
  readonly path: string
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly json?: unknown
  /** Sent as it is. */
  readonly body?: Body
  readonly signal?: AbortSignal | undefined
  /** How long the answer may take; none for what may last. */
  readonly timeoutMs?: number | undefined
}

export type Send = (call: Call) => Promise<Response>

/** A path of segments that are escaped. */
export const pathOf = (...segments: ReadonlyArray<string>): string => `/${segments.map(encodeURIComponent).join("/")}`

const queryOf = (query: Call["query"]): string => {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query ?? {})) if (value !== undefined) parameters.set(name, String(value))
  return parameters.size === 0 ? "" : `?${parameters}`
}

const bodyOf = ({ body, json }: Call): RequestInit => {
  if (json !== undefined) return { body: JSON.stringify(json) }
  // Node asks for `duplex` where the body is a stream.
  return body === undefined ? {} : { body, ...(body instanceof ReadableStream && { duplex: "half" }) }
}

export const makeSend = ({ baseUrl, fetch = globalThis.fetch, token }: Connection): Send => {
  const base = baseUrl.replace(/\/+$/, "")
  return async (call) => {
    const { method = "GET", path, query, signal, timeoutMs } = call
    const bearer = typeof token === "function" ? await token() : token
    const signals = [signal, timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs)].filter(
      (one) => one !== undefined
    )
    let answer: Response
    try {
      answer = await fetch(`${base}${path}${queryOf(query)}`, {
        method,
        headers: {
          ...(call.json !== undefined && { "content-type": "application/json" }),
          ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
          ...call.headers
        },
        ...bodyOf(call),
        ...(signals.length > 0 && { signal: AbortSignal.any(signals) })
      })
    } catch (cause) {
      throw unreachable(cause, signal)
    }
    if (!answer.ok) throw await problemOf(answer)
    return answer
  }
}

/** What a broken connection is thrown as; an abort by `signal` stays what it is. */
export const unreachable = (cause: unknown, signal: AbortSignal | undefined): unknown => {
  if (signal?.aborted) return signal.reason
  const why = cause instanceof Error ? (cause.cause instanceof Error ? cause.cause.message : cause.message) : String(cause)
  return new SluiceUnreachable(`No answer: ${why}`, { cause })
}

/** The JSON of an answer. */
export const jsonOf = async <A>(answer: Response, signal: AbortSignal | undefined): Promise<A> => {
  try {
    return (await answer.json()) as A
  } catch (cause) {
    throw unreachable(cause, signal)
  }
}
