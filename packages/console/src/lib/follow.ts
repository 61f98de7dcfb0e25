/**
 * Follows what changes on the server: by Server-Sent Events, read with `fetch` since an EventSource sends no key, or by asking again.
 *
 * Both go on until they are stopped, come back by themselves with a growing pause and some chance in it, and tell the page whether they
 * are live. A stream that is silent for longer than the server's heartbeat counts as lost.
 */
import { noAnswer, Problem, problemOf, refuse } from "./api.ts"
import { openSource } from "./connection.ts"
import { authorization, key } from "./session.ts"

const silentMs = 40_000
const firstPauseMs = 500
const longestPauseMs = 5000

const pause = (attempt: number) => Math.min(longestPauseMs, firstPauseMs * 2 ** attempt) * (0.75 + Math.random() / 2)

export interface Following<A> {
  readonly onData: (data: A) => void
  /** Where the server says no for good: 4xx. It is not asked again. */
  readonly onRefused?: (problem: Problem) => void
  /** False ends it: nothing more will come. */
  readonly goesOn?: (data: A) => boolean
}

type Stop = () => void

const isFinal = ({ status }: Problem) => status >= 400 && status < 500 && status !== 429 && status !== 408

type Refused = ((problem: Problem) => void) | undefined

/** Does one turn after the other, and rests while nobody sees the page: a browser has few connections to a server for all its tabs. */
const loop = (run: (signal: AbortSignal, live: () => void) => Promise<"ended" | number>, onRefused: Refused): Stop => {
  const source = openSource()
  let turning = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  let attempt = 0

  const rest = () => {
    turning.abort()
    clearTimeout(timer)
  }
  const stop = () => {
    rest()
    document.removeEventListener("visibilitychange", onVisibility)
    source.end()
  }
  const turn = async () => {
    turning = new AbortController()
    const { signal } = turning
    let waitMs: number
    try {
      const next = await run(signal, () => {
        attempt = 0
        if (!signal.aborted) source.isLive(true)
      })
      if (signal.aborted) return
      if (next === "ended") return stop()
      waitMs = next
    } catch (error) {
      if (signal.aborted) return
      const problem = error instanceof Problem ? error : noAnswer()
      if (isFinal(problem)) {
        stop()
        onRefused?.(problem)
        return
      }
      source.isLive(false)
      waitMs = pause(attempt++)
    }
    timer = setTimeout(turn, waitMs)
  }
  const onVisibility = () => {
    rest()
    if (!document.hidden) turn()
  }
  document.addEventListener("visibilitychange", onVisibility)
  if (!document.hidden) turn()
  return stop
}

const lines = async (body: ReadableStream<Uint8Array>, onLine: (line: string) => boolean): Promise<void> => {
  const reader = body.pipeThrough(new TextDecoderStream() as unknown as ReadableWritablePair<string, Uint8Array>).getReader()
  let rest = ""
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    const parts = (rest + value).split("\n")
    rest = parts.pop()!
    for (const line of parts) if (!onLine(line)) return void reader.cancel()
  }
}

export const followEvents = <A>(path: string, { goesOn, onData, onRefused }: Following<A>): Stop =>
  loop(async (signal, live) => {
    const sent = key.get()
    const silence = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const heard = () => {
      clearTimeout(timer)
      timer = setTimeout(() => silence.abort(), silentMs)
    }
    heard()
    try {
      const answer = await fetch(path, { headers: authorization(), signal: AbortSignal.any([signal, silence.signal]) })
      if (!answer.ok || answer.body === null) {
        const problem = problemOf(answer.status, await answer.text())
        refuse(problem, sent)
        throw problem
      }
      let isOver = false
      live()
      await lines(answer.body, (line) => {
        heard()
        if (!line.startsWith("data: ")) return true
        const data = JSON.parse(line.slice(6)) as A
        live()
        onData(data)
        isOver = goesOn?.(data) === false
        return !isOver
      })
      if (isOver) return "ended"
      throw noAnswer()
    } finally {
      clearTimeout(timer)
    }
  }, onRefused)

/** Asks at most for a fifth of the time, so that what is much or slow is asked for less often. */
export const followByAsking = <A>(
  ask: (signal: AbortSignal) => Promise<A>,
  everyMs: number,
  { goesOn, onData, onRefused }: Following<A>
): Stop =>
  loop(async (signal, live) => {
    const askedAt = performance.now()
    const data = await ask(signal)
    const nextMs = Math.max(everyMs, 4 * (performance.now() - askedAt))
    if (signal.aborted) return nextMs
    live()
    onData(data)
    return goesOn?.(data) === false ? "ended" : nextMs
  }, onRefused)
