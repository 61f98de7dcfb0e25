/**
 * What a call can fail with: an answer of Sluice that is a refusal, or no answer at all. Nothing else is thrown, but the reason of an
 * `AbortSignal` of the caller's own.
 */
import type { Code, FieldError } from "@sluice/app/http/Problems"

/** `unknown`: the answer came from something in between, such as a proxy, and is no problem of Sluice's. */
export type ProblemCode = Code | "unknown"

interface ProblemFields {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: ProblemCode
  readonly errors?: ReadonlyArray<FieldError>
}

/** A refusal, with the fields of RFC 9457. */
export class SluiceProblem extends Error {
  override readonly name = "SluiceProblem"
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  /** What it is, for programs: stable, and listed in `/openapi.json`. */
  readonly code: ProblemCode
  /** For bad input: each field with what was expected there. */
  readonly errors: ReadonlyArray<FieldError>
  /** How long to wait before asking again, where the answer said so. */
  readonly retryAfterMs: number | undefined

  constructor(fields: ProblemFields, retryAfterMs?: number) {
    super(`${fields.status} ${fields.code}: ${fields.detail}`)
    this.type = fields.type
    this.title = fields.title
    this.status = fields.status
    this.detail = fields.detail
    this.code = fields.code
    this.errors = fields.errors ?? []
    this.retryAfterMs = retryAfterMs
  }

  static is(error: unknown, code?: ProblemCode): error is SluiceProblem {
    return error instanceof SluiceProblem && (code === undefined || error.code === code)
  }
}

/** No answer: the server is away, the network is, or the answer did not come in time. `cause` says what was seen. */
export class SluiceUnreachable extends Error {
  override readonly name = "SluiceUnreachable"
}

const retryAfterOf = (text: string | null): number | undefined => {
  if (text === null) return undefined
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now()
  return Number.isNaN(ms) ? undefined : Math.max(0, ms)
}

const isProblem = (value: unknown): value is ProblemFields =>
  typeof value === "object" && value !== null && "code" in value && typeof value.code === "string" && "detail" in value

/** The problem that an answer is; it never fails, whatever stands in the body. */
export const problemOf = async (answer: Response): Promise<SluiceProblem> => {
  const retryAfterMs = retryAfterOf(answer.headers.get("retry-after"))
  const text = await answer.text().catch(() => "")
  try {
    const fields: unknown = JSON.parse(text)
    if (isProblem(fields)) return new SluiceProblem({ ...fields, status: answer.status }, retryAfterMs)
  } catch {
    // Not of Sluice's making.
  }
  const title = answer.statusText || `Status ${answer.status}`
  const detail = `Not an answer of Sluice: ${text.slice(0, 200) || title}`
  return new SluiceProblem({ type: "about:blank", title, status: answer.status, detail, code: "unknown" }, retryAfterMs)
}

/** Whether asking again may help: nobody answered, or it was said to be for now. */
export const isPassing = (error: unknown): boolean =>
  error instanceof SluiceUnreachable ||
  (error instanceof SluiceProblem &&
    (error.status >= 500 || error.status === 429 || error.status === 408 || error.code === "order_in_progress"))
