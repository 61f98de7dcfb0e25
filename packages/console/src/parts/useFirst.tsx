/** The first of many, and more of them on demand, so that a long list costs no more than a short one. */
import { useState } from "preact/hooks"
import { useWords } from "../i18n/useWords.ts"

const step = 50

export const useFirst = <A,>(all: ReadonlyArray<A>) => {
  const { n, t } = useWords()
  const [count, setCount] = useState(step)
  const shown = all.slice(0, count)
  const more = all.length > count && (
    <div class="buttons start">
      <button type="button" onClick={() => setCount(count + step)}>
        {t.common.more}
      </button>
      <p class="muted">{t.common.of(n(shown.length), n(all.length))}</p>
    </div>
  )
  return { shown, more }
}
