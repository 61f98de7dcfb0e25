/**
 * Calls of a running Sluice over HTTP, for commands: typed answers, and errors that say what to do next.
 */
import { Config, Data, Effect, FileSystem, Option, Redacted, Schema } from "effect"
import { Flag } from "effect/cli"
import { FetchHttpClient, HttpClient, HttpClientRequest, type HttpClientResponse } from "effect/http"
import { adminKeyFile } from "../DataDir.ts"

export class RemoteError extends Data.TaggedError("RemoteError")<{ readonly message: string; readonly status?: number }> {}

const here = "http://127.0.0.1:8080"

const base = Config.String("SLUICE_URL").pipe(
  Config.orElse(() => Config.map(Config.Port("SLUICE_PORT"), (port) => `http://127.0.0.1:${port}`)),
  Config.withDefault(here)
)

const HttpUrl = Schema.String.check(
  Schema.makeFilter(
    (text: string) => /^https?:\/\/[^/?#\s]+[^?#\s]*$/.test(text) || "Expected an address such as http://127.0.0.1:8080"
  )
)

export const url = Flag.String("url").pipe(
  Flag.withMetavar("address"),
  Flag.withDescription("The running Sluice; without it SLUICE_URL, else the port SLUICE_PORT or 8080 of this machine"),
  Flag.withFallbackConfig(base),
  Flag.withSchema(HttpUrl),
  // There always is one; help would call it required.
  Flag.optional,
  Flag.map((text) => Option.getOrElse(text, () => here).replace(/\/+$/, ""))
)

export const json = Flag.Boolean("json").pipe(Flag.withDescription("Print the answer as JSON"), Flag.withDefault(false))

const isLoopback = (address: string) => {
  const { hostname } = new URL(address)
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname)
}

const setting = (name: string) => Config.option(Config.String(name)).pipe(Effect.map(Option.getOrUndefined), Effect.orDie)

const readKey = (path: string) =>
  Effect.flatMap(FileSystem.FileSystem, (files) => Effect.map(files.readFileString(path), (text) => Redacted.make(text.trim())))

/**
 * The admin key: from SLUICE_ADMIN_KEY or the file SLUICE_ADMIN_KEY_FILE. The key that a server on this machine made for its data folder
 * is used for an address of this machine alone, so it never goes anywhere else by accident.
 */
export const adminKey = Effect.fnUntraced(function* (address: string) {
  const key = yield* setting("SLUICE_ADMIN_KEY")
  if (key) return Option.some(Redacted.make(key.trim()))
  const file = yield* setting("SLUICE_ADMIN_KEY_FILE")
  if (file) {
    return Option.some(
      yield* Effect.mapError(readKey(file), (error) => new RemoteError({ message: `SLUICE_ADMIN_KEY_FILE: ${error.message}` }))
    )
  }
  if (!isLoopback(address)) return Option.none<Redacted.Redacted>()
  const dataDir = (yield* setting("SLUICE_DATA_DIR")) ?? ".sluice"
  return yield* Effect.option(readKey(adminKeyFile(dataDir)))
})

const whereKeysAre =
  "Set SLUICE_ADMIN_KEY or SLUICE_ADMIN_KEY_FILE, or run this where the server's data folder is (SLUICE_DATA_DIR, by default .sluice/)."

const Problem = Schema.fromJsonString(
  Schema.Struct({
    title: Schema.String,
    detail: Schema.optionalKey(Schema.String),
    errors: Schema.optionalKey(Schema.Array(Schema.Struct({ path: Schema.String, message: Schema.String })))
  })
)
const decodeProblem = Schema.decodeUnknownOption(Problem)

const refusal = Effect.fnUntraced(function* (response: HttpClientResponse.HttpClientResponse) {
  const { headers, status } = response
  const problem = decodeProblem(yield* Effect.orElseSucceed(response.text, () => ""))
  if (Option.isNone(problem)) return new RemoteError({ status, message: `The server answered ${status} without a reason` })
  const { detail, errors, title } = problem.value
  const after = headers["retry-after"]
  return new RemoteError({
    status,
    message: [
      `${title}${detail === undefined ? "" : `: ${detail}`}`,
      ...(errors ?? []).map(({ message, path }) => `  ${path === "" ? "" : `${path}: `}${message}`),
      ...(status === 401 ? [whereKeysAre] : []),
      ...(after === undefined ? [] : [`Worth trying again in ${after} s.`])
    ].join("\n")
  })
})

const noAnswer = (address: string) => (error: unknown) => {
  const { code, message } = rootOf(error)
  return new RemoteError({
    message: `No answer from ${address} (${code ?? message}).\nStart a server with \`npm start\`, or name a running one with --url or SLUICE_URL.`
  })
}

const rootOf = (error: unknown): { readonly code?: string; readonly message?: string } => {
  const { cause } = error as { cause?: unknown }
  return typeof cause === "object" && cause !== null ? rootOf(cause) : (error as Error)
}

/** `body` is sent as JSON. The answer is checked against `schema`, and given as the server sent it. */
export const call = <A>(
  address: string,
  options: {
    readonly method: "GET" | "POST" | "PATCH"
    readonly path: string
    readonly body?: unknown
    readonly key?: Redacted.Redacted
  },
  schema: Schema.Codec<A, unknown>
): Effect.Effect<A, RemoteError> =>
  Effect.gen(function* () {
    const client = yield* HttpClient.HttpClient
    const request = HttpClientRequest.make(options.method)(`${address}${options.path}`).pipe(
      HttpClientRequest.acceptJson,
      options.key === undefined ? (same) => same : HttpClientRequest.bearerToken(options.key),
      options.body === undefined ? (same) => same : HttpClientRequest.bodyJsonUnsafe(options.body)
    )
    const response = yield* client.execute(request).pipe(Effect.timeout("30 seconds"), Effect.mapError(noAnswer(address)))
    if (response.status >= 400) return yield* yield* refusal(response)
    return yield* response.json.pipe(
      Effect.flatMap(Schema.decodeUnknownEffect(schema)),
      Effect.mapError(
        () => new RemoteError({ message: `What ${address} answered is not understood; is it a Sluice of this version?` })
      )
    )
  }).pipe(Effect.provide(FetchHttpClient.layer))

/** The same as the admin. */
export const callAsAdmin = Effect.fnUntraced(function* <A>(
  address: string,
  options: { readonly method: "GET" | "POST" | "PATCH"; readonly path: string; readonly body?: unknown },
  schema: Schema.Codec<A, unknown>
) {
  const key = yield* adminKey(address)
  if (Option.isNone(key)) return yield* new RemoteError({ message: `This needs the admin key. ${whereKeysAre}` })
  return yield* call(address, { ...options, key: key.value }, schema)
})
