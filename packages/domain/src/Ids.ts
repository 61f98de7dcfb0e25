/**
 * The identifiers that callers choose. An allow-list: what could break out of a key, a path, a log line or a query is not in it.
 */
import { Schema } from "effect"
import { matches } from "./Text.ts"

/** Letters, digits and `. _ ~ @ : + = -`, the first one a letter, a digit or `_`, at most 64 in all. */
export const idPattern = /^[A-Za-z0-9_][A-Za-z0-9._~@:+=-]{0,63}$/

const Id = Schema.String.check(
  matches(idPattern, "1 to 64 of A-Z a-z 0-9 . _ ~ @ : + = -, the first a letter, a digit or _", { minLength: 1, maxLength: 64 })
)

export const isId = (value: unknown): value is string => typeof value === "string" && idPattern.test(value)

export const CampaignId = Id
export type CampaignId = typeof CampaignId.Type

export const UserId = Id
export type UserId = typeof UserId.Type

export const CustomerId = Id
export type CustomerId = typeof CustomerId.Type

export const ProductId = Id
export type ProductId = typeof ProductId.Type
