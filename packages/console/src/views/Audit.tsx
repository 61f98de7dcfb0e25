/** Every change that an operator asked for. */
import { useState } from "preact/hooks"
import { useWords } from "../i18n/useWords.ts"
import { get } from "../lib/api.ts"
import { followByAsking } from "../lib/follow.ts"
import type { AuditEntry, AuditPage } from "../lib/types.ts"
import { useAction, useFollowed } from "../lib/useAsync.ts"
import { Empty, ForOperators, Loading, Page } from "../parts/Page.tsx"
import { ProblemText } from "../parts/ProblemText.tsx"
import { Table } from "../parts/Table.tsx"

const pageSize = 50

const isChange = (value: unknown): value is { readonly before: unknown; readonly after: unknown } =>
  typeof value === "object" && value !== null && "before" in value && "after" in value

const textOf = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value))

const Change = ({ change }: { readonly change: AuditEntry["change"] }) => (
  <ul class="changes">
    {Object.entries(change ?? {}).map(([name, value]) => (
      <li key={name}>
        <span class="muted">{name}</span>{" "}
        {isChange(value) ? (
          <>
            <del>{textOf(value.before)}</del> <span aria-hidden="true">→</span> <ins>{textOf(value.after)}</ins>
          </>
        ) : (
          textOf(value)
        )}
      </li>
    ))}
  </ul>
)

const askFor = (before?: number, signal?: AbortSignal) => {
  const query = new URLSearchParams({ limit: `${pageSize}`, ...(before !== undefined && { before: `${before}` }) })
  return get<AuditPage>(`/audit?${query}`, signal && { signal })
}

/** The newest are asked for again and again; older ones that were called up stay below them. */
const joined = (newest: AuditPage, known: AuditPage | undefined): AuditPage => {
  const last = newest.entries.at(-1)?.id
  if (known === undefined || last === undefined) return newest
  const older = known.entries.filter(({ id }) => id < last)
  return older.length === 0 ? newest : { entries: [...newest.entries, ...older], next: known.next }
}

const View = () => {
  const { exact, t } = useWords()
  const words = t.audit
  const [page, setPage] = useState<AuditPage>()
  useFollowed(
    () =>
      followByAsking((signal) => askFor(undefined, signal), 2000, {
        onData: (newest) => setPage((known) => joined(newest, known))
      }),
    []
  )
  const { problem, start } = useAction(async (before: number) => {
    const older = await askFor(before)
    setPage((known) => ({ entries: [...(known?.entries ?? []), ...older.entries], next: older.next }))
  })
  if (page === undefined) return <Loading />
  if (page.entries.length === 0) return <Empty text={words.empty} />
  return (
    <section class="card" aria-label={t.views.audit}>
      <Table
        caption={t.views.audit}
        rows={page.entries}
        keyOf={({ id }) => `${id}`}
        columns={[
          { name: words.at, isShort: true, cell: ({ at }) => <time dateTime={at}>{exact(at)}</time> },
          { name: words.action, isHead: true, isShort: true, cell: ({ action }) => <code>{action}</code> },
          { name: words.target, cell: ({ target }) => <code>{target}</code> },
          { name: words.change, cell: ({ change }) => <Change change={change} /> },
          {
            name: words.outcome,
            cell: ({ outcome }) => (
              <span class={outcome === "done" ? "state good" : "state bad"}>{outcome === "done" ? words.done : outcome}</span>
            )
          },
          { name: words.actor, isShort: true, cell: ({ actor }) => <code>{actor}</code> }
        ]}
      />
      <ProblemText problem={problem} />
      {page.next !== null && (
        <div class="buttons start">
          <button type="button" onClick={() => start(page.next!)}>
            {words.older}
          </button>
        </div>
      )}
    </section>
  )
}

export const Audit = () => {
  const { t } = useWords()
  return (
    <Page title={t.views.audit} lead={t.audit.lead}>
      <ForOperators>{() => <View />}</ForOperators>
    </Page>
  )
}
