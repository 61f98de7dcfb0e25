/**
 * What may come in as JSON, decided before any schema and before any service: size, content type, syntax, depth and the numbers and keys
 * that JavaScript reads differently from what was written. Every field that is refused is named, all of them at once.
 */
import { isUtf8 } from "node:buffer"
import type { SchemaAST } from "effect"
import { SchemaIssue } from "effect"
import type { FieldError } from "./Problems.ts"

/** Bytes of a JSON body. */
export const bodyLimit = 16 * 1024

/** Nesting of a JSON body: `{}` is one. */
export const depthLimit = 10

/** How every schema reads what came in. */
export const parseOptions: SchemaAST.ParseOptions = { errors: "all", onExcessProperty: "error" }

/** `application/json`, alone or with `charset=utf-8`. */
export const isJson = (contentType: string | undefined): boolean => {
  if (contentType === undefined) return false
  if (contentType === "application/json") return true
  const [type, parameter, ...rest] = contentType.toLowerCase().split(";")
  if (type?.trim() !== "application/json" || rest.length > 0) return false
  const charset = parameter?.trim()
  return charset === undefined || charset === "" || charset === "charset=utf-8" || charset === 'charset="utf-8"'
}

export type Parsed =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly detail: string; readonly errors?: ReadonlyArray<FieldError> }

export const parseJson = (body: Uint8Array): Parsed => {
  if (body.length === 0) return { ok: false, detail: "The body is empty; send JSON." }
  if (!isUtf8(body)) return { ok: false, detail: "The body is not UTF-8." }
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.length).toString("utf8"))
  } catch {
    return { ok: false, detail: "The body is not JSON." }
  }
  const errors: Array<FieldError> = []
  inspect(value, "", 1, errors)
  return errors.length === 0 ? { ok: true, value } : { ok: false, detail: "Some fields are not valid; see errors.", errors }
}

const inspect = (value: unknown, path: string, depth: number, errors: Array<FieldError>): void => {
  if (typeof value === "number") {
    if (!Number.isFinite(value)) errors.push({ path, message: "Expected a finite number" })
    else if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
      errors.push({ path, message: "Expected an integer of at most 2^53 - 1" })
    }
  } else if (typeof value === "object" && value !== null) {
    if (depth > depthLimit) {
      errors.push({ path, message: `Expected a depth of at most ${depthLimit}` })
    } else if (Array.isArray(value)) {
      for (let i = 0; i < value.length; i++) inspect(value[i], `${path}[${i}]`, depth + 1, errors)
    } else {
      for (const [key, member] of Object.entries(value)) {
        const at = path === "" ? key : `${path}.${key}`
        if (key === "__proto__") errors.push({ path: at, message: "Expected no excess property" })
        else inspect(member, at, depth + 1, errors)
      }
    }
  }
}

const format = SchemaIssue.makeFormatterStandardSchemaV1()

const textOf = (path: ReadonlyArray<PropertyKey>) =>
  path.reduce<string>((text, key) => {
    if (typeof key === "number") return `${text}[${key}]`
    return text === "" ? String(key) : `${text}.${String(key)}`
  }, "")

/** Each field that a schema refused, with what is expected there. The values are not repeated. A body that is refused whole is no object. */
export const fieldErrors = (issue: SchemaIssue.Issue): ReadonlyArray<FieldError> =>
  format(issue).issues.map(({ message, path = [] }) => ({
    path: textOf(path.map((segment) => (typeof segment === "object" ? segment.key : segment))),
    message: path.length === 0 ? "Expected an object" : message
  }))
