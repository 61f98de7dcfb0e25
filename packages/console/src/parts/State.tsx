/** A state in a word, with a colour that only repeats it. */
import { useWords } from "../i18n/useWords.ts"

const tones: Readonly<Record<string, string>> = {
  open: "good",
  done: "good",
  running: "busy",
  scheduled: "calm",
  paused: "warn",
  interrupted: "warn",
  stopped: "warn",
  sold_out: "calm",
  failed: "bad"
}

export const State = ({ state }: { readonly state: string }) => {
  const { state: wordOf } = useWords()
  return <span class={`state ${tones[state] ?? "calm"}`}>{wordOf(state)}</span>
}
