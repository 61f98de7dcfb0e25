/** The order view built anew, and the way back to the former one. */
import { useState } from "preact/hooks"
import { useWords } from "../i18n/useWords.ts"
import { get, post } from "../lib/api.ts"
import { followByAsking } from "../lib/follow.ts"
import { say } from "../lib/toasts.ts"
import type { Generations } from "../lib/types.ts"
import { useFollowed } from "../lib/useAsync.ts"
import { Confirm } from "../parts/Confirm.tsx"
import { Figure } from "../parts/Figure.tsx"
import { Progress } from "../parts/Progress.tsx"
import { State } from "../parts/State.tsx"

const Course = ({ run }: { readonly run: NonNullable<Generations["rebuild"]> }) => {
  const { n, t } = useWords()
  const done = run.phase === "comparing" ? run.compared : run.copied
  return (
    <>
      {run.state === "running" && (
        <Progress label={t.orders.phases[run.phase]} value={done} {...(run.total !== null && { max: run.total })} />
      )}
      {run.problem !== null && <p class="problem">{run.problem}</p>}
      {run.state === "running" && run.total !== null && <p class="muted">{t.common.of(n(done), n(run.total))}</p>}
    </>
  )
}

type Asked = "rebuild" | "back" | "drop"

export const Rebuild = () => {
  const { n, t } = useWords()
  const words = t.orders
  const [told, setTold] = useState<Generations>()
  const [asked, setAsked] = useState<Asked>()
  useFollowed(
    () => followByAsking((signal) => get<Generations>("/admin/orders/generations", { signal }), 1500, { onData: setTold }),
    []
  )
  const questions = {
    rebuild: {
      path: "rebuild",
      title: words.confirmRebuild,
      text: words.confirmRebuildText,
      action: words.rebuildStart
    },
    back: { path: "generations/back", title: words.confirmBack, text: words.confirmBackText, action: words.back },
    drop: { path: "generations/drop", title: words.confirmDrop, text: words.confirmDropText, action: words.dropFormer }
  }
  const isRunning = told?.rebuild?.state === "running"
  const button = (what: Asked) => (
    <button type="button" onClick={() => setAsked(what)}>
      {questions[what].action}
    </button>
  )
  return (
    <section class="card" aria-labelledby="rebuild">
      <div class="card-head">
        <h2 id="rebuild">
          {words.rebuild} {told?.rebuild && <State state={told.rebuild.state} />}
        </h2>
        <p class="muted">{words.rebuildText}</p>
      </div>
      {told?.rebuild && <Course run={told.rebuild} />}
      {told && (
        <dl class="figures">
          <Figure label={words.generation} value={n(told.live)} />
          <Figure label={words.former} value={told.former === null ? t.common.none : n(told.former)} />
        </dl>
      )}
      {told && !isRunning && (
        <div class="buttons start">
          {button("rebuild")}
          {told.former !== null && button("back")}
          {(told.former !== null || told.building !== null) && button("drop")}
        </div>
      )}
      {asked && (
        <Confirm
          title={questions[asked].title}
          text={questions[asked].text}
          action={questions[asked].action}
          danger={asked === "drop"}
          run={async () => {
            setTold(await post<Generations>(`/admin/orders/${questions[asked].path}`))
            say(t.campaign.changed)
          }}
          onClose={() => setAsked(undefined)}
        />
      )}
    </section>
  )
}
