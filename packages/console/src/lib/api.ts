/** Requests to the server that this page came from. Each failure is a `Problem`, also where there was no answer. */
import { authorization, key, wasRefused } from "./session.ts"

export interface FieldError {
  readonly path: string
  readonly message: string
}

export class Problem extends Error {
  readonly status: number
  readonly code: string
  readonly errors: ReadonlyArray<FieldError>
  constructor(status: number, code: string, detail: string, errors: ReadonlyArray<FieldError> = []) {
    super(detail)
    this.status = status
    this.code = code
    this.errors = errors
  }
}

export const problemOf = (status: number, body: string): Problem => {
  try {
    const { code, detail, errors, title } = JSON.parse(body)
    return new Problem(status, code ?? "unknown", detail ?? title ?? `${status}`, errors)
  } catch {
    return new Problem(status, "unknown", `${status} ${body.slice(0, 200)}`)
  }
}

export const noAnswer = () => new Problem(0, "no_answer", "")

/** A key that was taken before and is not any more signs out, so that the page does not pretend. */
export const refuse = (problem: Problem, sent: string | undefined) => {
  if (problem.status !== 401 || sent === undefined || key.get() !== sent) return
  key.set(undefined)
  wasRefused.set(true)
}

interface Options {
  readonly body?: unknown
  readonly signal?: AbortSignal
  readonly headers?: Record<string, string>
  /** For what may take its time. */
  readonly timeoutMs?: number
}

const defaultTimeoutMs = 10_000

export const call = async <A>(method: string, path: string, options: Options = {}): Promise<A> => {
  const sent = key.get()
  const timeout = AbortSignal.timeout(options.timeoutMs ?? defaultTimeoutMs)
  let status: number
  let text: string
  try {
    const answer = await fetch(path, {
      method,
      headers: {
        ...authorization(),
        ...(options.body !== undefined && { "content-type": "application/json" }),
        ...options.headers
      },
      ...(options.body !== undefined && { body: JSON.stringify(options.body) }),
      signal: options.signal ? AbortSignal.any([options.signal, timeout]) : timeout
    })
    status = answer.status
    text = await answer.text()
    if (!answer.ok && !path.startsWith("/health/")) throw problemOf(status, text)
  } catch (error) {
    if (!(error instanceof Problem)) throw noAnswer()
    refuse(error, sent)
    throw error
  }
  return (text === "" ? undefined : JSON.parse(text)) as A
}

export const get = <A>(path: string, options?: Options) => call<A>("GET", path, options)
export const post = <A>(path: string, body?: unknown, options?: Options) => call<A>("POST", path, { ...options, body })

/** Whether the server takes this key. What is down behind it says nothing about the key. */
export const isAccepted = async (candidate: string): Promise<boolean> => {
  try {
    await get("/loads", { headers: { authorization: `Bearer ${candidate}` } })
    return true
  } catch (error) {
    if (error instanceof Problem && error.status !== 401 && error.status !== 0) return true
    if (error instanceof Problem && error.status === 401) return false
    throw error
  }
}

export const segment = encodeURIComponent
