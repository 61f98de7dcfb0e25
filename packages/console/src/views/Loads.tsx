/** Bulk loads: how far each is, what was refused, and a new one. */
import { useState } from "preact/hooks"
import { useWords } from "../i18n/useWords.ts"
import { call, get, segment } from "../lib/api.ts"
import { followByAsking } from "../lib/follow.ts"
import { say } from "../lib/toasts.ts"
import type { Load, Reject } from "../lib/types.ts"
import { useAsked, useFollowed } from "../lib/useAsync.ts"
import { Confirm } from "../parts/Confirm.tsx"
import { Modal } from "../parts/Modal.tsx"
import { Empty, ForOperators, Page } from "../parts/Page.tsx"
import { ProblemText } from "../parts/ProblemText.tsx"
import { State } from "../parts/State.tsx"
import { Table } from "../parts/Table.tsx"
import { useFirst } from "../parts/useFirst.tsx"
import { Upload } from "./Upload.tsx"

const Rejects = ({ job, onClose }: { readonly job: string; readonly onClose: () => void }) => {
  const { n, t } = useWords()
  const words = t.loads
  const { answer, problem } = useAsked(
    (signal) => get<ReadonlyArray<Reject>>(`/loads/${segment(job)}/rejects`, { signal }),
    [job]
  )
  const first = useFirst(answer ?? [])
  return (
    <Modal title={words.showRejects(job)} onClose={onClose} wide>
      <ProblemText problem={problem} />
      {answer?.length === 0 && <p class="muted">{words.noRejects}</p>}
      {first.shown.length > 0 && (
        <Table
          caption={words.showRejects(job)}
          rows={first.shown}
          keyOf={({ line }) => `${line}`}
          columns={[
            { name: words.line, isNumber: true, isHead: true, cell: ({ line }) => n(line) },
            { name: words.column, cell: ({ column }) => column ?? "–" },
            { name: words.reason, cell: ({ reason }) => reason },
            { name: words.row, cell: ({ raw }) => <code>{raw}</code> }
          ]}
        />
      )}
      {first.more}
    </Modal>
  )
}

interface Asked {
  readonly what: "rejects" | "cancel"
  readonly job: string
}

const List = ({ ask, loads }: { readonly loads: ReadonlyArray<Load>; readonly ask: (asked: Asked) => void }) => {
  const { moment, n, span, t } = useWords()
  const words = t.loads
  const took = ({ endedAt, startedAt }: Load) =>
    span(Math.max(0, Date.parse(endedAt ?? new Date().toISOString()) - Date.parse(startedAt)))
  const { more, shown } = useFirst(loads)
  return (
    <>
      <Table
        caption={words.list}
        rows={shown}
        keyOf={({ job }) => job}
        columns={[
          {
            name: words.job,
            isHead: true,
            cell: ({ error, job, table }) => (
              <>
                <code>{job}</code>
                <small>→ {table}</small>
                {error && <small class="bad">{error}</small>}
              </>
            )
          },
          {
            name: words.state,
            cell: ({ job, state }) => (
              <>
                <State state={state} />
                {state === "running" && <progress aria-label={job} />}
              </>
            )
          },
          { name: words.rows, isNumber: true, cell: ({ rows }) => n(rows) },
          {
            name: words.rejects,
            isNumber: true,
            cell: ({ job, rejects }) =>
              rejects === 0 ? (
                n(0)
              ) : (
                <button
                  type="button"
                  class="link"
                  aria-label={words.showRejects(job)}
                  onClick={() => ask({ what: "rejects", job })}
                >
                  {n(rejects)}
                </button>
              )
          },
          { name: words.speed, isNumber: true, cell: ({ rowsPerSecond }) => n(rowsPerSecond) },
          { name: words.started, isShort: true, cell: ({ startedAt }) => moment(startedAt) },
          { name: words.took, isNumber: true, cell: took },
          {
            name: words.action,
            isShort: true,
            cell: ({ job, state }) =>
              state === "running" && (
                <button type="button" class="small" aria-label={words.cancelOf(job)} onClick={() => ask({ what: "cancel", job })}>
                  {words.cancel}
                </button>
              )
          }
        ]}
      />
      {more}
    </>
  )
}

const View = () => {
  const { t } = useWords()
  const words = t.loads
  const [loads, setLoads] = useState<ReadonlyArray<Load>>()
  const [asked, setAsked] = useState<Asked>()
  useFollowed(() => followByAsking((signal) => get<ReadonlyArray<Load>>("/loads", { signal }), 1000, { onData: setLoads }), [])
  return (
    <>
      <Upload />
      {loads?.length === 0 && <Empty text={words.empty} />}
      {loads && loads.length > 0 && (
        <section class="card" aria-labelledby="loads">
          <div class="card-head">
            <h2 id="loads">{words.list}</h2>
          </div>
          <List loads={loads} ask={setAsked} />
        </section>
      )}
      {asked?.what === "rejects" && <Rejects job={asked.job} onClose={() => setAsked(undefined)} />}
      {asked?.what === "cancel" && (
        <Confirm
          title={words.confirmCancel}
          text={words.confirmCancelText}
          action={words.cancelOf(asked.job)}
          danger
          run={async () => {
            await call("DELETE", `/loads/${segment(asked.job)}`)
            say(words.cancelled)
          }}
          onClose={() => setAsked(undefined)}
        />
      )}
    </>
  )
}

export const Loads = () => {
  const { t } = useWords()
  return (
    <Page title={t.views.loads} lead={t.loads.lead}>
      <ForOperators>{() => <View />}</ForOperators>
    </Page>
  )
}
