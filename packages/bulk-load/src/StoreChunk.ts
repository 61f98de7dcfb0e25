/**
 * Storing the chunks of one job in MariaDB, each in a transaction with its line in the ledger: by one INSERT executed in bulk, or by
 * `LOAD DATA LOCAL` where that can't be, or where some of the rows are refused.
 *
 * The line is inserted first, so its key decides between two who try the same chunk, and an end of the transaction that nobody heard of is
 * found by asking for it. A chunk is sent while the one before is committed, or, where the table lets two be stored at once, while the one
 * before is sent; whatever goes wrong with it is done again when its turn has come.
 */
import { crashPoint } from "@sluice/engines/CrashPoint"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"
import type { Inserter } from "./InsertStatement.ts"
import type { Lane, Lanes } from "./Lanes.ts"
import { beginChunk, type ChunkRow, chunkOf, isCancelled, recordChunk, type Statement, storedOf, touchJob } from "./Ledger.ts"
import { makeWriter, type Sent } from "./LoadStatement.ts"
import { type Chunk, LoadError, type OpenJob } from "./LoadTarget.ts"
import type { MariaDbSession } from "./MariaDbSession.ts"
import type { Column } from "./Table.ts"

const lockWaitTimeout = 1205
const deadlock = 1213
const duplicateKey = 1062

export const errnoOf = ({ cause }: LoadError) => (cause as { readonly errno?: number } | undefined)?.errno

export const run = (session: MariaDbSession, [sql, values]: Statement) => session.run(sql, values)

export const isTransient = (error: unknown): boolean => error instanceof LoadError && error.isTransient

export const patience = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("2 seconds")]).pipe(
  Schedule.jittered,
  Schedule.upTo({ duration: "60 seconds" })
)

/** A chunk as the ledger has it; without ids where it was stored in parts, which others' ids may lie between. */
const findChunk = Effect.fnUntraced(function* (session: MariaDbSession, job: string, { blocks, number }: Chunk) {
  const [row] = yield* session.query<ChunkRow>(...chunkOf(job, number))
  if (row === undefined) return undefined
  if (row.from_position !== blocks[0]!.from || row.to_position !== blocks.at(-1)!.to) {
    return yield* new LoadError({ message: `another loader works on the job ${job}`, isTransient: false })
  }
  const stored = storedOf(row)
  const isContiguous = stored.firstId !== null && stored.lastId !== null && stored.lastId - stored.firstId + 1 === stored.rows
  return isContiguous ? stored : { ...stored, firstId: null, lastId: null }
})

const rollback = (session: MariaDbSession) => Effect.ignore(session.run("ROLLBACK"))

export interface StoringOptions {
  readonly job: string
  readonly table: string
  /** All of the table's. */
  readonly columns: ReadonlyArray<Column>
  readonly lanes: Lanes
  /** How many may store at once. */
  readonly connections: number
  /** The database numbers the rows, one after another within a statement. */
  readonly givesIds: boolean
  /** None where rows are not to be inserted. */
  readonly inserter: Inserter | undefined
}

export const makeStoring = (options: StoringOptions): OpenJob["load"] => {
  const { givesIds, job, lanes, table } = options
  const auto = options.columns.find(({ autoIncrement }) => autoIncrement)
  const storing = Semaphore.makeUnsafe(options.connections)
  /** Rows of one chunk were in the way of another's: from then on one after another. */
  let isContended = false
  /** None, too, where the server does not execute in bulk, or others get ids meanwhile. */
  let inserter = options.inserter

  return (columns, chunk, turn, recordRejects) => {
    const writerFor = (session: MariaDbSession) => makeWriter(session, { table, columns, givesIds })

    /** Where the chunk is there already, whoever ended it: to be asked for. */
    const begun = (session: MariaDbSession) =>
      Effect.andThen(session.run("START TRANSACTION"), run(session, beginChunk(job, chunk))).pipe(
        Effect.mapError((error) => (errnoOf(error) === duplicateKey ? new LoadError({ ...error, isTransient: true }) : error))
      )
    const finish = Effect.fnUntraced(function* (session: MariaDbSession, { refused, stored }: Sent) {
      const rejects = yield* recordRejects(refused)
      yield* run(session, recordChunk(job, chunk, stored, rejects))
      yield* run(session, touchJob(job))
      yield* crashPoint("load.recorded")
      yield* session.run("COMMIT")
      yield* crashPoint("load.committed")
      return stored
    })

    const sentAhead = Effect.fnUntraced(function* (session: MariaDbSession) {
      yield* begun(session)
      const insert = inserter === undefined ? undefined : yield* inserter.send(session, chunk)
      // Of two that the server numbers the second one only waits, or gets numbers in between; and of two with given numbers the server looks
      // at the counter for each row.
      if (auto !== undefined || isContended) yield* turn.after("sent")
      if (insert !== undefined) return yield* storing.withPermits(1)(insert)
      const sent = yield* storing.withPermits(1)(writerFor(session).whole(chunk))
      return sent === undefined ? undefined : { ...sent, hasIds: Effect.succeed(true) }
    }, Effect.scoped)

    /** None where anything goes wrong that is to be done again. */
    const ahead = (session: MariaDbSession) =>
      Effect.gen(function* () {
        const sent = yield* sentAhead(session).pipe(
          Effect.tapError((error) =>
            Effect.sync(() => {
              isContended ||= errnoOf(error) === lockWaitTimeout || errnoOf(error) === deadlock
              if (!error.isTransient) inserter = undefined
            })
          ),
          Effect.option
        )
        if (Option.isNone(sent) || sent.value === undefined) {
          yield* rollback(session)
          return undefined
        }
        yield* crashPoint("load.sent")
        yield* turn.reach("sent")
        const hasIds = yield* Effect.option(sent.value.hasIds)
        if (!Option.getOrElse(hasIds, () => false)) {
          if (Option.isSome(hasIds)) inserter = undefined
          yield* rollback(session)
          return undefined
        }
        yield* turn.after("ended")
        return yield* finish(session, sent.value).pipe(Effect.catchIf(isTransient, () => Effect.succeed(undefined)))
      }).pipe(Effect.onError(() => rollback(session)))

    /** Again on a new connection; if the chunk is there, its end was only not heard of. */
    const inTurn = (lane: Lane) =>
      Effect.gen(function* () {
        const session = lane.session()
        const committed = yield* findChunk(session, job, chunk)
        if (committed !== undefined) return [committed]
        return yield* Effect.gen(function* () {
          yield* begun(session)
          yield* session.run("SAVEPOINT sluice_chunk")
          const writer = writerFor(session)
          let sent = yield* writer.whole(chunk)
          if (sent === undefined) {
            yield* session.run("ROLLBACK TO SAVEPOINT sluice_chunk")
            sent = yield* writer.parts(chunk)
          }
          yield* crashPoint("load.sent")
          return yield* finish(session, sent)
        }).pipe(Effect.onError(() => rollback(session)))
      })

    const stored = (lane: Lane) =>
      Effect.gen(function* () {
        const done = yield* turn.ahead(ahead(lane.session()))
        if (Option.isSome(done) && done.value !== undefined) return done.value
        yield* turn.after("ended")
        yield* turn.clear
        return yield* Effect.catchIf(inTurn(lane), isTransient, (error) =>
          Effect.logWarning(`chunk ${chunk.number} of ${job}: ${(error as LoadError).message}; trying again`).pipe(
            Effect.andThen(Effect.retry(Effect.andThen(lane.reopen, inTurn(lane)), { while: isTransient, schedule: patience }))
          )
        )
      })

    return Effect.andThen(
      turn.after("begun"),
      lanes.use((lane) =>
        Effect.gen(function* () {
          yield* turn.reach("begun")
          const all = yield* stored(lane)
          const [asked] = yield* Effect.orElseSucceed(lane.session().query<{ asked: number }>(...isCancelled(job)), () => [])
          return { stored: all, cancelRequested: asked?.asked === 1 }
        })
      )
    )
  }
}
