/** Whether readers see what was written. */
import { useEffect, useRef, useState } from "preact/hooks"
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

const timeoutMs = 120_000

/** All orders may be many, and are compared part by part. */
const partSize = 20_000

const partOf = (query: Readonly<Record<string, string>>) =>
  post<VerifyReport>(`/admin/orders/verify?${new URLSearchParams(query)}`, undefined, { timeoutMs })

const together = (a: VerifyReport, b: VerifyReport): VerifyReport => ({
  checked: a.checked + b.checked,
  differing: a.differing + b.differing,
  onlyInView: a.onlyInView + b.onlyInView,
  repaired: a.repaired + b.repaired,
  differences: [...a.differences, ...b.differences].slice(0, 200),
  next: b.next
})

export const Verify = () => {
  const { n, t } = useWords()
  const words = t.orders
  const [sample, setSample] = useState("1000")
  const [report, setReport] = useState<VerifyReport>()
  const [isRepairing, setRepairing] = useState(false)
  const isThere = useRef(true)
  useEffect(
    () => () => {
      isThere.current = false
    },
    []
  )

  /** Orders that a sample found need not be in the next one, so it is all that are repaired. */
  const verifyAll = async (repair: boolean) => {
    const query = { limit: `${partSize}`, ...(repair && { repair: "true" }) }
    let whole = await partOf(query)
    setReport(whole)
    while (whole.next !== null && isThere.current) {
      whole = together(whole, await partOf({ ...query, after: whole.next }))
      setReport(whole)
    }
  }
  const { isBusy, problem, start } = useAction(async () => {
    setReport(undefined)
    if (sample === "") await verifyAll(false)
    else setReport(await partOf({ sample }))
  })
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
        {isBusy && <Progress label={words.verifying} />}
        {report && (
          <>
            <dl class="figures">
              <Figure label={words.checked} value={n(report.checked)} />
              <Figure label={words.differing} value={n(report.differing)} />
              {report.onlyInView > 0 && <Figure label={words.onlyInView} value={n(report.onlyInView)} />}
              {report.repaired > 0 && <Figure label={words.repaired} value={n(report.repaired)} />}
            </dl>
            {!isBusy && report.differing === 0 && <p class="good">{words.equal}</p>}
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
          run={() => verifyAll(true)}
          onClose={() => setRepairing(false)}
        />
      )}
    </section>
  )
}
