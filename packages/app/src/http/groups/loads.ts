/** Loads as jobs: rows come in as the body of a request, and what became of them can be asked for. */
import { randomUUID } from "node:crypto"
import { createReadStream } from "node:fs"
import type { IncomingMessage } from "node:http"
import { createInterface } from "node:readline"
import { NodeHttpServerRequest } from "@effect/platform-node"
import type { TextOptions } from "@sluice/bulk-load/TextSource"
import { Count, matches, satisfies, type Unavailable } from "@sluice/domain"
import { Effect, Schema } from "effect"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { jobPattern, jobRule } from "../../load/Job.ts"
import type { LoadNotFound, LoadRefused } from "../../load/LoadErrors.ts"
import { Loads } from "../../load/Loads.ts"
import { uploadOf, withoutDeadline } from "../../load/Upload.ts"
import { Audited, ChangeNote } from "../Audited.ts"
import { EventStreams } from "../EventStreams.ts"
import { Guard, ofInput } from "../Guard.ts"
import { Admin } from "../Identity.ts"
import { Problem, problem, unsupportedMediaType } from "../Problems.ts"
import { answers, api, eventsOf, wholeNumber } from "./documents.ts"

/** A client that sends nothing for so long, though it may, has gone. */
const idleMs = 120_000

const Job = Schema.String.check(matches(jobPattern, jobRule, { minLength: 1, maxLength: 120 })).annotate({
  description: "The name of the job.",
  examples: ["users-2026-11-24"]
})

const tableName = /^[^\p{C}`"\\/{}\u{10000}-\u{10FFFF}]{1,64}$/u

/** MariaDB's names have no characters above U+FFFF. */
const Table = Schema.String.check(
  satisfies((text) => tableName.test(text), "the name of a table", {
    pattern: String.raw`^[ !#-.0-\[\]-_a-z|~\u00a0-\u00ac\u00ae-\ud7ff\uf900-\ufefe\uff00-\uffef]{1,64}$`,
    minLength: 1,
    maxLength: 64
  })
).annotate({
  description: "The table; it must be there.",
  examples: ["users"]
})

/** All of them fit into what the headers of a request may hold together. */
const textUpTo = (maxLength: number) => Schema.String.check(Schema.isMaxLength(maxLength))
const truth = Schema.Literals(["true", "false"])

const query = {
  table: Table,
  job: Schema.optionalKey(Job),
  columns: Schema.optionalKey(
    textUpTo(8192).annotate({
      description: "The table's columns that the values fill, by commas; by default as the source names them."
    })
  ),
  header: Schema.optionalKey(truth.annotate({ description: "Whether the first line of a CSV names the columns (`true`)." })),
  delimiter: Schema.optionalKey(
    Schema.String.check(
      matches(/^([\t !#-~]|tab)$/, "one ASCII character other than a double quote, or tab", { minLength: 1, maxLength: 3 })
    ).annotate({
      description: "Between the values of a CSV: a character, or `tab` (`,`)."
    })
  ),
  null: Schema.optionalKey(
    textUpTo(1024).annotate({ description: "What stands for NULL in a CSV where it is not quoted (`\\N`)." })
  ),
  maxRejects: Schema.optionalKey(wholeNumber(0, 1_000_000_000, "How many rows may be refused; with one more the job stops (0)."))
}

const Load = Schema.Struct({
  job: Schema.String,
  table: Schema.String,
  state: Schema.Literals(["running", "done", "failed", "stopped", "cancelled", "interrupted"]),
  rows: Count,
  rejects: Count,
  rowsPerSecond: Count,
  startedAt: Schema.String,
  endedAt: Schema.NullOr(Schema.String),
  error: Schema.NullOr(Schema.String)
}).annotate({
  identifier: "Load",
  description:
    "A load, by upload or by `sluice load`. `rows` are committed. `interrupted`: its process died; `failed`, `stopped`, `cancelled` and " +
    "`interrupted` jobs go on where they are when the same body is sent again under the same name.",
  examples: [
    {
      job: "users-2026-11-24",
      table: "users",
      state: "running",
      rows: 1_240_000,
      rejects: 0,
      rowsPerSecond: 310_000,
      startedAt: "2026-11-24T12:00:00.000Z",
      endedAt: null,
      error: null
    }
  ]
})

const Reject = Schema.Struct({
  line: Schema.Finite,
  column: Schema.NullOr(Schema.String),
  reason: Schema.String,
  raw: Schema.String
}).annotate({ identifier: "Reject", description: "A row that was refused: its line in the body, why, and the row itself." })

const body = (contentType: string) => Schema.String.pipe(HttpApiSchema.asText({ contentType }))

const params = { job: Job }
const errors = [...ofInput, problem<LoadNotFound>("load_not_found"), problem<Unavailable>("unavailable")] as const

export const LoadGroup = HttpApiGroup.make("loads")
  .add(
    HttpApiEndpoint.post("upload", "/loads", {
      query,
      payload: [body("text/csv"), body("application/x-ndjson"), body("application/ndjson")],
      success: Schema.Struct({ job: Schema.String }).pipe(HttpApiSchema.status(202)),
      error: [
        ...ofInput,
        problem<LoadRefused>("forbidden"),
        problem<LoadRefused>("load_conflict"),
        problem<LoadRefused>("body_too_large"),
        problem("unsupported_media_type"),
        problem("headers_too_large"),
        problem<LoadRefused>("rows_refused"),
        problem<LoadRefused | Unavailable>("unavailable", "overloaded")
      ]
    })
      .annotateMerge(answers({ 202: "The whole body has arrived; the last rows may still be on their way." }))
      .annotateMerge(
        OpenApi.annotations({
          summary: "Load rows into a table",
          description:
            "The body is CSV (RFC 4180) or NDJSON, also with `Content-Encoding: gzip` or `zstd`, and may be of any length up to the " +
            "server's limit for uploads: it is read as fast as the database stores it. Send the same body again under the same job to go " +
            "on with one that did not come to its end: each row is stored once. Sluice's own tables are refused."
        })
      ),
    HttpApiEndpoint.get("list", "/loads", {
      success: Schema.Array(Load).annotate({ description: "At most 1000, the newest first." }),
      error: [...ofInput, problem<Unavailable>("unavailable")]
    }).annotateMerge(OpenApi.annotations({ summary: "List loads" })),
    HttpApiEndpoint.get("get", "/loads/:job", { params, success: Load, error: errors }).annotateMerge(
      OpenApi.annotations({ summary: "Get one load" })
    ),
    HttpApiEndpoint.get("rejects", "/loads/:job/rejects", {
      params,
      success: Schema.Array(Reject).annotate({ description: "The first 1000." }),
      error: errors
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Get the rows that an upload had refused",
        description:
          "Those that this process has set aside; loads of other processes and of `sluice load` keep theirs in their own file."
      })
    ),
    HttpApiEndpoint.get("watch", "/loads/:job/events", { params, success: eventsOf("Load"), error: errors }).annotateMerge(
      OpenApi.annotations({ summary: "Watch a load", description: "Ends when the load has: close the connection then." })
    ),
    HttpApiEndpoint.delete("cancel", "/loads/:job", { params, success: HttpApiSchema.NoContent, error: errors })
      .annotateMerge(
        answers({ 204: "It stops after the chunk under way; what is committed stays. One that has ended is left as it is." })
      )
      .annotateMerge(OpenApi.annotations({ summary: "Cancel a load" }))
  )
  .annotateMerge(OpenApi.annotations({ title: "loads (admin)", description: "Bulk loads." }))

export const loadsApi = api.add(LoadGroup).middleware(Audited).middleware(Admin).middleware(Guard)

const types = ["text/csv", "application/x-ndjson", "application/ndjson"]

/** The format and packing that the headers name; parameters of the type other than a charset of UTF-8 change nothing. */
const formatOf = (headers: IncomingMessage["headers"]): Pick<TextOptions, "format" | "packed"> | undefined => {
  const [type = "", ...parameters] = (headers["content-type"] ?? "").toLowerCase().split(";")
  const charset = parameters.map((one) => one.trim()).find((one) => one.startsWith("charset="))
  if (!types.includes(type.trim()) || (charset !== undefined && !/^charset="?(utf-8|utf8|us-ascii)"?$/.test(charset)))
    return undefined
  const encoding = (headers["content-encoding"] ?? "identity").trim().toLowerCase()
  if (encoding !== "identity" && encoding !== "gzip" && encoding !== "zstd") return undefined
  return { format: type.trim() === "text/csv" ? "csv" : "ndjson", packed: encoding === "identity" ? undefined : encoding }
}

const tooLarge = (maxBytes: number) =>
  new Problem({ code: "body_too_large", detail: `An upload holds at most ${maxBytes} bytes.`, headers: { connection: "close" } })

const firstRejects = (file: string) =>
  Effect.promise(async () => {
    const rows: Array<typeof Reject.Type> = []
    const input = createReadStream(file)
    try {
      for await (const line of createInterface({ input })) {
        const { column, line: at, raw, reason } = JSON.parse(line)
        rows.push({ line: at, column, reason, raw })
        if (rows.length === 1000) break
      }
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw cause
    } finally {
      input.destroy()
    }
    return rows
  })

export const layerLoads = HttpApiBuilder.group(
  loadsApi,
  "loads",
  Effect.fnUntraced(function* (handlers) {
    const loads = yield* Loads
    const streams = yield* EventStreams
    const { maxUploadBytes: maxBytes } = loads
    return handlers
      .handleRaw(
        "upload",
        Effect.fnUntraced(function* ({ query, request }) {
          const incoming = NodeHttpServerRequest.toIncomingMessage(request) as IncomingMessage
          const format = formatOf(incoming.headers)
          if (format === undefined) return yield* unsupportedMediaType(types)
          if (Number(incoming.headers["content-length"]) > maxBytes) return yield* tooLarge(maxBytes)
          withoutDeadline(incoming, idleMs)
          const job = query.job ?? `upload-${randomUUID()}`
          ;(yield* ChangeNote).target = job
          return yield* loads.upload({
            table: query.table,
            job,
            maxRejects: query.maxRejects ?? 0,
            text: {
              ...format,
              header: query.header !== "false",
              ...(query.columns !== undefined && { columns: query.columns.split(",").map((name) => name.trim()) }),
              ...(query.delimiter !== undefined && { delimiter: query.delimiter === "tab" ? "\t" : query.delimiter }),
              ...(query.null !== undefined && { nullText: query.null })
            },
            upload: uploadOf(incoming, maxBytes)
          })
        })
      )
      .handle("list", () => loads.list)
      .handle("get", ({ params }) => loads.find(params.job))
      .handle("rejects", ({ params }) => Effect.andThen(loads.find(params.job), firstRejects(loads.rejectsFile(params.job))))
      .handle("watch", ({ params, request }) => streams.answer(request, loads.watch(params.job)))
      .handle("cancel", ({ params }) => loads.cancel(params.job))
  })
)
