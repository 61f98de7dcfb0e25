/** Sends a crowd to a campaign and shows how it fares, and what became of each promise. */
import { useEffect, useState } from "preact/hooks"
import { useWords } from "../i18n/useWords.ts"
import { call, get, post, segment } from "../lib/api.ts"
import { followEvents } from "../lib/follow.ts"
import type { Campaign, Crowd as CrowdData } from "../lib/types.ts"
import { useAsked, useFollowed } from "../lib/useAsync.ts"
import { Confirm } from "../parts/Confirm.tsx"
import { Field } from "../parts/Field.tsx"
import { Figure } from "../parts/Figure.tsx"
import { Icon } from "../parts/Icon.tsx"
import { ProblemText } from "../parts/ProblemText.tsx"
import { Progress } from "../parts/Progress.tsx"
import { State } from "../parts/State.tsx"

const Progressing = ({ crowd }: { readonly crowd: CrowdData }) => {
  const { n, span, t } = useWords()
  const ended = crowd.issued + crowd.soldOut + crowd.others
  const ms = (value: number | null) => (value === null ? t.common.unknown : span(value))
  return (
    <>
      <Progress label={t.crowd.progress} value={ended} max={crowd.users} />
      <dl class="figures">
        <Figure label={t.crowd.joined} value={n(crowd.joined)} hint={`/ ${n(crowd.users)}`} />
        <Figure label={t.crowd.waiting} value={n(crowd.waiting)} />
        <Figure label={t.crowd.issued} value={n(crowd.issued)} />
        <Figure label={t.crowd.soldOut} value={n(crowd.soldOut)} />
        <Figure label={t.crowd.errors} value={n(crowd.errors)} />
        <Figure label={t.crowd.joins} value={n(crowd.joinsPerSecond ?? 0)} />
        <Figure label={t.crowd.middle} value={ms(crowd.p50Ms)} />
        <Figure label={t.crowd.slow} value={ms(crowd.p99Ms)} />
      </dl>
      {crowd.problems.length > 0 && (
        <ul class="problem">
          {crowd.problems.map((text) => (
            <li key={text}>{text}</li>
          ))}
        </ul>
      )}
      {crowd.verdicts.length > 0 && (
        <details>
          <summary>{t.crowd.promises}</summary>
          <ul class="verdicts">
            {crowd.verdicts.map(({ detail, outcome, promise, title }) => (
              <li key={promise} class={outcome}>
                <Icon name={outcome === "fail" ? "cross" : "check"} />
                <span>
                  <b>{t.crowd.outcomes[outcome]}</b> {title}
                  <small>{detail}</small>
                </span>
              </li>
            ))}
          </ul>
        </details>
      )}
    </>
  )
}

type Asked = "send" | "stop"

export const Crowd = ({ campaign }: { readonly campaign: Campaign }) => {
  const { t } = useWords()
  const [asked, setAsked] = useState<Asked>()
  const [crowd, setCrowd] = useState<CrowdData>()
  const [users, setUsers] = useState("1000")
  const [seconds, setSeconds] = useState("10")
  const onClose = () => setAsked(undefined)
  const { answer, problem } = useAsked((signal) => get<ReadonlyArray<CrowdData>>("/crowds", { signal }), [])
  useEffect(() => setCrowd(answer?.find(({ campaignId }) => campaignId === campaign.id)), [answer])
  const id = crowd?.crowd
  useFollowed(
    () =>
      id === undefined
        ? () => {}
        : followEvents<CrowdData>(`/crowds/${segment(id)}/events`, {
            onData: setCrowd,
            goesOn: ({ state }) => state === "running"
          }),
    [id]
  )
  const send = async () => {
    const body = { campaignId: campaign.id, users: Number(users), seconds: Number(seconds) }
    const started = await post<{ readonly crowd: string }>("/crowds", body)
    setCrowd(await get<CrowdData>(`/crowds/${segment(started.crowd)}`))
  }
  const isRunning = crowd?.state === "running"
  const number = (name: string, label: string, max: number, value: string, set: (value: string) => void) => (
    <Field name={name} label={label}>
      {(input) => (
        <input
          {...input}
          type="number"
          inputMode="numeric"
          min={1}
          max={max}
          step={1}
          required
          value={value}
          onInput={(event) => set(event.currentTarget.value)}
        />
      )}
    </Field>
  )
  return (
    <section class="card" aria-labelledby="crowd">
      <div class="card-head">
        <h2 id="crowd">
          {t.crowd.title} {crowd && <State state={crowd.state} />}
        </h2>
        <p class="muted">{t.crowd.text}</p>
      </div>
      {crowd && <Progressing crowd={crowd} />}
      <ProblemText problem={problem} />
      <div class="buttons start">
        {isRunning ? (
          <button type="button" class="danger quiet" onClick={() => setAsked("stop")}>
            {t.crowd.stop}
          </button>
        ) : (
          <button type="button" onClick={() => setAsked("send")}>
            <Icon name="crowd" />
            {t.crowd.send}
          </button>
        )}
      </div>
      {asked === "send" && (
        <Confirm title={t.crowd.confirm} text={t.crowd.text} action={t.crowd.start} run={send} onClose={onClose}>
          <div class="grid">
            {number("users", t.crowd.users, 20_000, users, setUsers)}
            {number("seconds", t.crowd.seconds, 600, seconds, setSeconds)}
          </div>
        </Confirm>
      )}
      {asked === "stop" && id !== undefined && (
        <Confirm
          title={t.crowd.confirmStop}
          text={t.crowd.confirmStopText}
          action={t.crowd.stop}
          danger
          run={() => call("DELETE", `/crowds/${segment(id)}`)}
          onClose={onClose}
        />
      )}
    </section>
  )
}
