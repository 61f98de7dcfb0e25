/** What is asked of the server from within a view. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks"
import { noAnswer, Problem } from "./api.ts"

const asProblem = (error: unknown) => (error instanceof Problem ? error : noAnswer())

/** Something that is done when somebody asks for it: never twice at once, and its problem stays until the next try. */
export const useAction = <Args extends ReadonlyArray<unknown>>(run: (...args: Args) => Promise<void>) => {
  const [isBusy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const busy = useRef(false)
  const start = async (...args: Args) => {
    if (busy.current) return
    busy.current = true
    setBusy(true)
    setProblem(undefined)
    try {
      await run(...args)
    } catch (error) {
      setProblem(asProblem(error))
    } finally {
      busy.current = false
      setBusy(false)
    }
  }
  return { start, isBusy, problem, setProblem }
}

/** Something that is asked for when the view appears and when what it depends on changes; the answer to an older question is dropped. */
export const useAsked = <A>(ask: (signal: AbortSignal) => Promise<A>, inputs: ReadonlyArray<unknown>) => {
  const [answer, setAnswer] = useState<A>()
  const [problem, setProblem] = useState<Problem>()
  const [round, setRound] = useState(0)
  useEffect(() => {
    const ends = new AbortController()
    ask(ends.signal).then(
      (value) => {
        if (ends.signal.aborted) return
        setProblem(undefined)
        setAnswer(() => value)
      },
      (error) => ends.signal.aborted || setProblem(asProblem(error))
    )
    return () => ends.abort()
  }, [...inputs, round])
  const again = useCallback(() => setRound((n) => n + 1), [])
  return { answer, problem, again, setAnswer }
}

/** What `follow` tells for as long as the view is there. */
export const useFollowed = (follow: () => () => void, inputs: ReadonlyArray<unknown>) => useEffect(follow, inputs)
