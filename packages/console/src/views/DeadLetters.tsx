/** What was set aside: each event with its reason, and the way back. */
import { useState } from "preact/hooks"
import { useWords } from "../i18n/useWords.ts"
import { get, post } from "../lib/api.ts"
import { followByAsking } from "../lib/follow.ts"
import { say } from "../lib/toasts.ts"
import type { DeadLetter, DeadLetters as DeadLettersData, ReplayReport } from "../lib/types.ts"
import { useFollowed } from "../lib/useAsync.ts"
import { Confirm } from "../parts/Confirm.tsx"
import { Field } from "../parts/Field.tsx"
import { Icon } from "../parts/Icon.tsx"
import { Empty, ForOperators, Loading, Page } from "../parts/Page.tsx"

const topics = ["sluice.wins", "sluice.orders"] as const
type Topic = (typeof topics)[number]

const pretty = (value: string): string => {
  try {
    return JSON.stringify(JSON.parse(value), null, 2)
  } catch {
    return value
  }
}

const Letter = ({ letter }: { readonly letter: DeadLetter }) => {
  const { exact, n, t } = useWords()
  const words = t.dead
  return (
    <li class="letter">
      <details>
        <summary>
          <Icon name="back" />
          <code>{letter.key}</code>
          <span>{letter.reason}</span>
          <time class="muted" dateTime={letter.failedAt ?? undefined}>
            {exact(letter.failedAt)}
          </time>
        </summary>
        <p class="facts">
          <span>
            {words.attempts} {n(letter.attempts)}
          </span>
          <span>
            {words.origin} <code>{letter.origin}</code>
          </span>
        </p>
        <pre>{pretty(letter.value)}</pre>
      </details>
    </li>
  )
}

const View = () => {
  const { n, t } = useWords()
  const words = t.dead
  const [topic, setTopic] = useState<Topic>("sluice.wins")
  const [told, setTold] = useState<DeadLettersData>()
  const [isAsking, setAsking] = useState(false)
  const [limit, setLimit] = useState("")
  useFollowed(() => {
    setTold(undefined)
    return followByAsking(
      (signal) => get<DeadLettersData>(`/admin/dead-letters?${new URLSearchParams({ topic })}`, { signal }),
      3000,
      { onData: setTold }
    )
  }, [topic])
  const replay = async () => {
    const query = new URLSearchParams({ topic, ...(limit !== "" && { limit }) })
    const report = await post<ReplayReport>(`/admin/dead-letters/replay?${query}`, undefined, { timeoutMs: 120_000 })
    say(words.replayed(n(report.replayed), n(report.remaining)))
  }
  return (
    <>
      <div class="bar">
        <fieldset class="segments wide">
          <legend class="hidden">{words.topic}</legend>
          {topics.map((one) => (
            <label key={one}>
              <input type="radio" name="topic" checked={topic === one} onChange={() => setTopic(one)} />
              <span>{words.topics[one]}</span>
            </label>
          ))}
        </fieldset>
        {told && told.total > 0 && (
          <>
            <p class="muted">
              {told.deadLetters.length < told.total
                ? t.common.of(n(told.deadLetters.length), n(told.total))
                : words.total(n(told.total))}
            </p>
            <button type="button" onClick={() => setAsking(true)}>
              {words.replay}
            </button>
          </>
        )}
      </div>
      {told === undefined && <Loading />}
      {told?.total === 0 && <Empty text={words.empty} />}
      {told && told.deadLetters.length > 0 && (
        <ul class="card letters">
          {told.deadLetters.map((letter) => (
            <Letter key={`${letter.partition}:${letter.offset}`} letter={letter} />
          ))}
        </ul>
      )}
      {isAsking && (
        <Confirm
          title={words.confirm}
          text={words.confirmText}
          action={words.replay}
          what={words.topics[topic] ?? topic}
          run={replay}
          onClose={() => setAsking(false)}
        >
          <Field name="limit" label={words.replayHow} hint={t.common.all} optional>
            {(input) => (
              <input
                {...input}
                type="number"
                inputMode="numeric"
                min={1}
                max={1_000_000}
                step={1}
                placeholder={n(told?.total ?? 0)}
                value={limit}
                onInput={(event) => setLimit(event.currentTarget.value)}
              />
            )}
          </Field>
        </Confirm>
      )}
    </>
  )
}

export const DeadLetters = () => {
  const { t } = useWords()
  return (
    <Page title={t.views["dead-letters"]} lead={t.dead.lead}>
      <ForOperators>{() => <View />}</ForOperators>
    </Page>
  )
}
