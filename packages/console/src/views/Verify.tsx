/** Whether readers see what was written. */
import { useState } from "preact/hooks"
import { useWords } from "../i18n/useWords.ts"
import { post } from "../lib/api.ts"
import type { VerifyReport } from "../lib/types.ts"
import { useAction } from "../lib/useAsync.ts"
import { Confirm } from "../parts/Confirm.tsx"
import { Field } from "../parts/Field.tsx"
import { Figure } from "../parts/Figure.tsx"
import { ProblemText } from "../parts/ProblemText.tsx"
import { Progress } from "../parts/Progress.tsx"
import { Table } from "../parts/Table.tsx"

/** All orders may be many. */
const timeoutMs = 600_000

export const Verify = () => {
  const { n, t } = useWords()
  const words = t.orders
  const [sample, setSample] = useState("1000")
  const [report, setReport] = useState<VerifyReport>()
  const [isRepairing, setRepairing] = useState(false)
  const verify = async (repair: boolean) => {
    const query = new URLSearchParams({ ...(sample !== "" && { sample }), ...(repair && { repair: "true" }) })
    setReport(await post<VerifyReport>(`/admin/orders/verify?${query}`, undefined, { timeoutMs }))
  }
  const { isBusy, problem, start } = useAction(() => verify(false))
  return (
    <section class="card" aria-labelledby="drift">
      <div class="card-head">
        <h2 id="drift">{words.drift}</h2>
        <p class="muted">{words.driftText}</p>
      </div>
      <form
        class="inline"
        onSubmit={(event) => {
          event.preventDefault()
          start()
        }}
      >
        <Field name="sample" label={words.sample}>
          {(input) => (
            <select {...input} value={sample} onChange={(event) => setSample(event.currentTarget.value)}>
              <option value="1000">{words.sampleAbout(n(1000))}</option>
              <option value="100000">{words.sampleAbout(n(100_000))}</option>
              <option value="">{words.sampleAll}</option>
            </select>
          )}
        </Field>
        <button type="submit" aria-disabled={isBusy}>
          {words.verify}
        </button>
      </form>
      <ProblemText problem={problem} />
      <div aria-live="polite">
        {isBusy && <Progress label={words.verifying} value={0} />}
        {report && !isBusy && (
          <>
            <dl class="figures">
              <Figure label={words.checked} value={n(report.checked)} />
              <Figure label={words.differing} value={n(report.differing)} />
              {report.repaired > 0 && <Figure label={words.repaired} value={n(report.repaired)} />}
            </dl>
            {report.differing === 0 && <p class="good">{words.equal}</p>}
          </>
        )}
      </div>
      {report && report.differences.length > 0 && (
        <>
          <Table
            caption={words.drift}
            rows={report.differences}
            keyOf={({ orderId, path }) => `${orderId} ${path}`}
            columns={[
              { name: words.order, isHead: true, cell: ({ orderId }) => <code>{orderId}</code> },
              { name: words.path, cell: ({ path }) => (path === "" ? words.whole : <code>{path}</code>) },
              { name: words.written, cell: ({ written }) => <code>{written ?? "–"}</code> },
              { name: words.read, cell: ({ read }) => <code>{read ?? "–"}</code> }
            ]}
          />
          {report.differing > report.repaired && (
            <div class="buttons start">
              <button type="button" onClick={() => setRepairing(true)}>
                {words.repair}
              </button>
            </div>
          )}
        </>
      )}
      {isRepairing && (
        <Confirm
          title={words.confirmRepair}
          text={words.confirmRepairText}
          action={words.repair}
          run={() => verify(true)}
          onClose={() => setRepairing(false)}
        />
      )}
    </section>
  )
}
