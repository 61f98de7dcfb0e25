/** Whether what this process needs answers, for everybody. */
import { useState } from "preact/hooks"
import { useWords } from "../i18n/useWords.ts"
import { get, noAnswer } from "../lib/api.ts"
import { followByAsking } from "../lib/follow.ts"
import { overview } from "../lib/overview.ts"
import { useStore } from "../lib/store.ts"
import type { Health } from "../lib/types.ts"
import { useFollowed } from "../lib/useAsync.ts"
import { Figure } from "../parts/Figure.tsx"
import { Icon } from "../parts/Icon.tsx"
import { Loading, Page } from "../parts/Page.tsx"

const ask = async (signal: AbortSignal): Promise<Health> => {
  const health = await get<Partial<Health>>("/health/ready", { signal })
  if (health.engines === undefined) throw noAnswer()
  return health as Health
}

export const System = () => {
  const { n, size, span, t } = useWords()
  const words = t.system
  const [health, setHealth] = useState<Health>()
  useFollowed(() => followByAsking(ask, 2000, { onData: setHealth }), [])
  const told = useStore(overview)
  return (
    <Page title={t.views.system} lead={words.lead}>
      <section class="card" aria-labelledby="engines">
        <div class="card-head">
          <h2 id="engines">
            {words.engines}{" "}
            {health && <span class={`state ${health.status === "ready" ? "good" : "bad"}`}>{words.status[health.status]}</span>}
          </h2>
        </div>
        {health === undefined && <Loading />}
        <ul class="engines">
          {health?.engines.map(({ detail, engine, milliseconds, ok, required }) => (
            <li key={engine} class={ok ? "good" : "bad"}>
              <Icon name={ok ? "check" : "cross"} />
              <span>
                <b>{engine}</b> {ok ? words.answers : words.away}
                {required === false && <small>{words.optional}</small>}
                {detail && <small>{detail}</small>}
              </span>
              <span class="muted">{span(milliseconds)}</span>
            </li>
          ))}
        </ul>
      </section>
      {told && (
        <section class="card strip" aria-labelledby="process">
          <h2 id="process" class="hidden">
            {words.process}
          </h2>
          <dl class="figures">
            <Figure label={words.uptime} value={span(told.process.uptimeSeconds * 1000)} />
            <Figure label={words.memory} value={size(told.process.rssBytes)} />
            <Figure label={words.version} value={told.process.version} />
            {told.outbox?.events !== null && told.outbox && <Figure label={t.orders.outbox} value={n(told.outbox.events ?? 0)} />}
          </dl>
        </section>
      )}
      <p class="facts">
        <a href="/docs">
          {words.docs}
          <Icon name="out" />
        </a>
        <a href="/metrics">
          {words.metrics}
          <Icon name="out" />
        </a>
        <a href="/health/ready">
          {words.health}
          <Icon name="out" />
        </a>
      </p>
    </Page>
  )
}
