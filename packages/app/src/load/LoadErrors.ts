/** Why a job of a server can not be begun, or shown. */
import { Data } from "effect"

export class LoadNotFound extends Data.TaggedError("LoadNotFound")<{ readonly job: string }> {}

export class LoadRefused extends Data.TaggedError("LoadRefused")<{
  readonly reason: "table" | "own_table" | "source" | "conflict" | "too_many" | "too_large" | "rows"
  readonly detail: string
}> {}
