/**
 * Server-Sent Events by `fetch`, which unlike `EventSource` sends headers, says why a stream was refused, and is there in Node.
 *
 * A stream that falls silent for longer than its heartbeats are apart is given up: the other side is gone and nobody said so.
 */
import { type Send, unreachable } from "./Http.ts"
import { SluiceProblem, SluiceUnreachable } from "./SluiceError.ts"

/** The first event comes at once, unless something on the way holds answers back until they end. */
const firstMs = 10_000
/** Sluice sends a comment every 15 s. */
const silentMs = 45_000

const within = <A>(promise: Promise<A>, ms: number): Promise<A> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new SluiceUnreachable(`The stream was silent for ${ms} ms`)), ms)
    promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })

/** The data of each event in what has come so far, and what is left of it. */
export const parseEvents = (text: string): { readonly data: ReadonlyArray<string>; readonly rest: string } => {
  const frames = text.replaceAll("\r\n", "\n").split("\n\n")
  const rest = frames.pop()!
  const data = frames
    .map((frame) => frame.split("\n").filter((line) => line.startsWith("data:")))
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.map((line) => line.slice(5).replace(/^ /, "")).join("\n"))
  return { data, rest }
}

/** The events of one stream, to its end. A refusal, a break and a silence are thrown; an end is an end. */
export async function* eventsOf<A>(
  send: Send,
  path: string,
  signal: AbortSignal | undefined,
  patience = { firstMs, silentMs }
): AsyncGenerator<A, void, void> {
  const given = new AbortController()
  const either = signal === undefined ? given.signal : AbortSignal.any([signal, given.signal])
  try {
    const headers = { accept: "text/event-stream" }
    const answer = await within(send({ path, headers, signal: either }), patience.firstMs)
    const reader = answer.body!.getReader()
    const decoder = new TextDecoder()
    let pending = ""
    let waitMs = patience.firstMs
    for (;;) {
      const { done, value } = await within(reader.read(), waitMs)
      if (done) return
      const { data, rest } = parseEvents(pending + decoder.decode(value, { stream: true }))
      pending = rest
      if (data.length > 0) waitMs = patience.silentMs
      for (const text of data) yield JSON.parse(text) as A
    }
  } catch (cause) {
    throw cause instanceof SluiceUnreachable || cause instanceof SluiceProblem ? cause : unreachable(cause, signal)
  } finally {
    given.abort()
  }
}
