/**
 * Whether the table holds what was sent: chunk by chunk while the load goes on, where the database numbers the rows; else all of the table
 * at the end, where it had no rows before.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Semaphore from "effect/Semaphore"
import { leftOut } from "./Checksum.ts"
import type { LoadError, OpenJob, Stored } from "./LoadTarget.ts"
import type { Column, Table } from "./Table.ts"

export type Verification =
  | { readonly outcome: "equal"; readonly rows: number; readonly leftOut: ReadonlyArray<string> }
  | { readonly outcome: "skipped"; readonly reason: string }

/** The table does not hold what was sent. */
export class NotEqual extends Data.TaggedError("NotEqual")<{ readonly message: string }> {}

interface Sums {
  readonly rows: number
  readonly checksum: bigint
}

/** How many rows were compared: none where their number is right and there is no checksum. */
const compare = (what: string, held: Omit<Sums, "checksum"> & { readonly checksum: bigint | undefined }, sent: Sums) =>
  held.rows === sent.rows && (held.checksum ?? sent.checksum) === sent.checksum
    ? Effect.succeed(held.checksum === undefined ? 0 : sent.rows)
    : Effect.fail(
        new NotEqual({
          message:
            held.rows === sent.rows
              ? `${what}: the checksum of what the table holds is not that of what was sent`
              : `${what}: the table holds ${held.rows} rows of the ${sent.rows} that were sent`
        })
      )

export interface Verifying {
  /** Compares what was stored, beside the load. */
  readonly begin: (stored: ReadonlyArray<Stored>) => Effect.Effect<void>
  /** Waits for what was begun, and compares what could not be compared before; `sent` are all rows of the job. */
  readonly finish: (sent: Sums) => Effect.Effect<Verification, NotEqual | LoadError>
}

interface Options {
  readonly opened: OpenJob
  readonly table: Table
  readonly columns: ReadonlyArray<Column>
  readonly isWanted: boolean
}

/** A chunk that was stored in parts may have others' ids between its own. */
const isContiguous = ({ firstId, lastId, rows }: Stored) => firstId !== null && lastId !== null && lastId - firstId + 1 === rows

const notWanted: Verifying = {
  begin: () => Effect.void,
  finish: () => Effect.succeed({ outcome: "skipped", reason: "not asked for" })
}

export const makeVerifying = Effect.fnUntraced(function* ({ columns, isWanted, opened, table }: Options) {
  if (!isWanted) return notWanted
  const oneAtATime = yield* Semaphore.make(1)
  const scope = yield* Effect.scope
  const fibers: Array<Fiber.Fiber<void, NotEqual | LoadError>> = []
  let checked = 0
  let compared = 0
  const check = Effect.fnUntraced(function* ({ checksum, firstId, lastId, rows }: Stored) {
    const held = yield* opened.measure(columns, { first: firstId!, last: lastId! })
    compared += yield* compare(`ids ${firstId} to ${lastId}`, held, { rows, checksum: BigInt(checksum) })
    checked += rows
  })
  const leftOutNames = leftOut(columns).map(({ name }) => name)
  const finish: Verifying["finish"] = Effect.fnUntraced(function* (sent) {
    yield* Fiber.joinAll(fibers)
    if (opened.progress.chunks > 0) {
      const earlier = (yield* opened.committed).slice(0, opened.progress.chunks).filter(isContiguous)
      for (const stored of earlier) yield* check(stored)
    }
    if (checked === 0 && sent.rows > 0) {
      if (!opened.progress.wasEmpty) return { outcome: "skipped", reason: "the table had rows before and gives no ids" } as const
      compared = yield* compare(table.name, yield* opened.measure(columns, undefined), sent)
    }
    if (compared === 0 && sent.rows > 0) {
      return { outcome: "skipped", reason: "a row is too long for the server to compare (max_allowed_packet)" } as const
    }
    return { outcome: "equal", rows: compared, leftOut: leftOutNames } as const
  })
  return {
    begin: (stored) =>
      Effect.forEach(
        stored.filter(isContiguous),
        (one) => Effect.map(Effect.forkIn(oneAtATime.withPermits(1)(check(one)), scope), (fiber) => fibers.push(fiber)),
        { discard: true }
      ),
    finish
  } satisfies Verifying as Verifying
})
