/**
 * Loads as jobs of a server: rows that arrive by upload, and every load that the database knows of, whoever made it.
 *
 * An upload goes straight into the loader, which reads no faster than the database stores. What is known of a job is in the database, so
 * it outlives the process; a job whose process died is `interrupted`, and the same body sent again under its name goes on.
 */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { columnsFor, load } from "@sluice/bulk-load/BulkLoader"
import { type Job, LoadError, LoadTarget } from "@sluice/bulk-load/LoadTarget"
import { fromReadable, type TextOptions } from "@sluice/bulk-load/TextSource"
import { Unavailable } from "@sluice/domain"
import { Cause, Context, Effect, Exit, Fiber, Layer, Metric, Schedule, Stream } from "effect"
import { gauge } from "../http/HttpMetrics.ts"
import { LoadNotFound, LoadRefused } from "./LoadErrors.ts"
import type { Upload } from "./Upload.ts"

export type LoadState = "running" | "done" | "failed" | "stopped" | "cancelled" | "interrupted"

export interface LoadView {
  readonly job: string
  readonly table: string
  readonly state: LoadState
  readonly rows: number
  readonly rejects: number
  readonly rowsPerSecond: number
  readonly startedAt: string
  readonly endedAt: string | null
  readonly error: string | null
}

export interface UploadRequest {
  readonly table: string
  readonly job: string
  readonly text: TextOptions
  readonly maxRejects: number
  readonly upload: Upload
}

export class Loads extends Context.Service<
  Loads,
  {
    readonly maxUploadBytes: number
    /** Returns when the whole body has arrived and the job is known to the database; its last rows may still be on their way. */
    readonly upload: (request: UploadRequest) => Effect.Effect<{ readonly job: string }, LoadRefused | Unavailable>
    /** The newest first. */
    readonly list: Effect.Effect<ReadonlyArray<LoadView>, Unavailable>
    readonly find: (job: string) => Effect.Effect<LoadView, LoadNotFound | Unavailable>
    /** The job now and after each change, until its end. */
    readonly watch: (job: string) => Stream.Stream<LoadView, LoadNotFound | Unavailable>
    /** Stops it after the chunk under way, whichever process works on it. */
    readonly cancel: (job: string) => Effect.Effect<void, LoadNotFound | Unavailable>
    /** The file in which this process keeps the rejects of a job. */
    readonly rejectsFile: (job: string) => string
  }
>()("sluice/Loads") {}

export interface Options {
  /** Uploads that are stored at once. */
  readonly maxLoads: number
  /** Of one upload, as it comes over the wire. */
  readonly maxUploadBytes: number
  readonly dataDir: string
  readonly engine: string
}

/** Tables of Sluice itself, where a row that the pipelines did not write would break what they promise. */
const own =
  /^(sluice_.*|effect_sql_.*|campaigns|issuances|secrets|coupon_spendings|outbox.*|order_keys|orders|order_lines|order_history|payments|orders?_view.*|room_.*|log_(events|cursors)|sqlite_.*)$/i

export const isOwnTable = (table: string): boolean => own.test(table)

/** Small enough for progress to be seen, for a cancellation to be heard, and for others to be answered in between. */
const chunkRowsOf = (usual: number) => Math.min(20_000, Math.ceil(usual / 4))

const instant = (ms: number) => new Date(ms).toISOString()

export const viewOf = (job: Job, now: number): LoadView => {
  const state = job.state === "running" && !job.isHeld ? "interrupted" : job.state
  const until = job.endedAtMs ?? (state === "running" ? now : job.updatedAtMs)
  const seconds = (until - job.startedAtMs) / 1000
  return {
    job: job.job,
    table: job.table,
    state,
    rows: job.rows,
    rejects: job.rejects,
    rowsPerSecond: seconds <= 0 ? job.rows : Math.round(job.rows / seconds),
    startedAt: instant(job.startedAtMs),
    endedAt: job.endedAtMs === null ? null : instant(job.endedAtMs),
    error: job.error
  }
}

const isSame = (a: LoadView, b: LoadView) => a.state === b.state && a.rows === b.rows && a.rejects === b.rejects

const endedTotal = Metric.counter("sluice_loads_total", {
  description: "Uploads that came to an end, by their outcome.",
  incremental: true
})
const endedAs = (outcome: "done" | "failed" | "stopped") => Metric.withAttributes(endedTotal, { outcome })

const outcomeOf = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.isSuccess(exit) ? "done" : Cause.hasInterruptsOnly(exit.cause) ? "stopped" : "failed"

const refuse = (reason: LoadRefused["reason"], detail: string) => new LoadRefused({ reason, detail })

const make = Effect.fnUntraced(function* ({ dataDir, engine, maxLoads, maxUploadBytes }: Options) {
  const target = yield* LoadTarget
  const scope = yield* Effect.scope
  let running = 0
  const inProgress = gauge(
    "sluice_loads_running",
    "Uploads that this process is storing.",
    yield* Effect.context<never>(),
    () => running
  )
  yield* Effect.addFinalizer(() => Effect.sync(() => inProgress.remove()))
  yield* Metric.value(endedAs("failed"))

  /** A question to the database, whose caller is told in time: a load waits longer for a server that is silent than a request does. */
  const ofDatabase = <A, E>(effect: Effect.Effect<A, E | LoadError>): Effect.Effect<A, Exclude<E, LoadError> | Unavailable> => {
    const unavailable = new Unavailable({ engine, retryAfterSeconds: 5 })
    return Effect.catch(effect, (error): Effect.Effect<never, Exclude<E, LoadError> | Unavailable> => {
      if (!(error instanceof LoadError)) return Effect.fail(error as Exclude<E, LoadError>)
      return error.isTransient ? Effect.fail(unavailable) : Effect.die(error)
    }).pipe(Effect.timeoutOrElse({ duration: "5 seconds", orElse: () => Effect.fail(unavailable) }))
  }

  const found = Effect.fnUntraced(function* (job: string) {
    const known = yield* ofDatabase(target.find(job))
    if (known === undefined) return yield* new LoadNotFound({ job })
    return viewOf(known, Date.now())
  })

  const rejectsFile = (job: string) => join(dataDir, "loads", `${encodeURIComponent(job)}.rejects.ndjson`)

  const upload = Effect.fnUntraced(function* ({
    job,
    maxRejects,
    table,
    text,
    upload
  }: UploadRequest): Effect.fn.Return<{ readonly job: string }, LoadRefused | Unavailable> {
    if (isOwnTable(table)) return yield* refuse("own_table", `The table ${table} is Sluice's own and is not loaded into.`)
    if (running >= maxLoads) return yield* refuse("too_many", `${running} loads are under way already.`)
    running++
    let isLoading = false
    return yield* Effect.gen(function* () {
      const ofTable = (error: { readonly message: string }) => Effect.fail(refuse("table", error.message))
      const described = yield* ofDatabase(target.describe(table)).pipe(Effect.catchTag("TableError", ofTable))
      const source = yield* fromReadable("upload", upload.readable, text).pipe(
        Effect.catchTag("SourceError", (error) => Effect.fail(refuse("source", error.message)))
      )
      const columns = yield* columnsFor(described, source).pipe(Effect.catchTag("TableError", ofTable))
      const before = yield* ofDatabase(target.find(job))
      if (before?.isHeld === true) return yield* refuse("conflict", `The job ${job} is under way.`)
      if (
        before !== undefined &&
        (before.table !== described.name ||
          before.identity !== source.identity ||
          before.columns.join() !== columns.map(({ name }) => name).join())
      ) {
        return yield* refuse("conflict", `The job ${job} began with another table, body or columns.`)
      }
      if (maxRejects > 0) mkdirSync(join(dataDir, "loads"), { recursive: true })
      const loading = yield* load(source, {
        table,
        job,
        maxRejects,
        rejects: maxRejects > 0 ? rejectsFile(job) : undefined,
        chunkRows: chunkRowsOf(target.defaultChunkRows())
      }).pipe(
        Effect.provideService(LoadTarget, target),
        Effect.tapError((error) => Effect.logWarning(`load ${job}: ${error.message}`)),
        Effect.onExit((exit) =>
          Effect.andThen(
            Effect.sync(() => running--),
            Metric.update(endedAs(outcomeOf(exit)), 1)
          )
        ),
        Effect.forkIn(scope)
      )
      isLoading = true
      const ended = Effect.flatMap(Fiber.await(loading), (exit): Effect.Effect<void, LoadRefused | Unavailable> => {
        if (Exit.isSuccess(exit)) {
          if (exit.value.state === "done") return upload.drain
          // Its sender would go on to the end of a body that nobody wants any more.
          return Effect.fail(refuse("rows", `The load was ${exit.value.state}; ${exit.value.rows} rows are loaded and stay.`))
        }
        const error = Cause.squash(exit.cause) as { readonly _tag?: string; readonly isTransient?: boolean; message?: string }
        if (error._tag === "LoadError" && error.isTransient === true) {
          return Effect.fail(new Unavailable({ engine, retryAfterSeconds: 5 }))
        }
        return Effect.fail(refuse("rows", error.message ?? "The load was stopped."))
      })
      const isKnown = Effect.map(ofDatabase(target.find(job)), (known) => known !== undefined)
      const received = Effect.andThen(
        upload.received,
        isKnown.pipe(Effect.repeat({ until: (known) => known, schedule: Schedule.spaced("20 millis") }))
      )
      yield* Effect.raceFirst(ended, received)
      return { job }
    }).pipe(
      Effect.mapError((error) =>
        upload.isTooLarge() ? refuse("too_large", `An upload holds at most ${maxUploadBytes} bytes.`) : error
      ),
      Effect.tapError(() => Effect.timeoutOption(upload.drain, "1 second")),
      Effect.ensuring(Effect.sync(() => isLoading || running--))
    )
  })

  return Loads.of({
    maxUploadBytes,
    upload,
    rejectsFile,
    list: Effect.map(ofDatabase(target.list), (jobs) => jobs.map((job) => viewOf(job, Date.now()))),
    find: found,
    watch: (job) =>
      Stream.fromEffectSchedule(found(job), Schedule.spaced("500 millis")).pipe(
        Stream.changesWith(isSame),
        Stream.takeUntil(({ state }) => state !== "running")
      ),
    cancel: (job) => Effect.andThen(found(job), Effect.asVoid(ofDatabase(target.cancel(job))))
  })
})

export const layer = (options: Options): Layer.Layer<Loads, never, LoadTarget> => Layer.effect(Loads, make(options))
