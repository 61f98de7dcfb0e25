/** Orders between their writing and their reading: how far behind, whether both sides are equal, and single ones. */
import { useWords } from "../i18n/useWords.ts"
import { behind, overview, placedPerSecond } from "../lib/overview.ts"
import type { Series } from "../lib/series.ts"
import { useStore } from "../lib/store.ts"
import type { Overview } from "../lib/types.ts"
import { Chart } from "../parts/Chart.tsx"
import { Figure } from "../parts/Figure.tsx"
import { ForOperators, Page } from "../parts/Page.tsx"
import { Table } from "../parts/Table.tsx"
import { LookUp } from "./LookUp.tsx"
import { Rebuild } from "./Rebuild.tsx"
import { Verify } from "./Verify.tsx"

/** The sum over all consumers, which are told at the same moments. */
const together = (all: Readonly<Record<string, Series>>): Series => {
  const [first = [], ...others] = Object.values(all)
  return first.map(({ at, value }, i) => ({ at, value: others.reduce((sum, series) => sum + (series[i]?.value ?? 0), value) }))
}

/** Numbers and times that may not be known. */
const useFigures = () => {
  const { n, span, t } = useWords()
  const known = <A,>(value: A | null | undefined, format: (value: A) => string) =>
    value === null || value === undefined ? t.common.unknown : format(value)
  return {
    number: (value: number | null | undefined) => known(value, n),
    time: (value: number | null | undefined) => known(value, span)
  }
}

const Consumers = ({ told }: { readonly told: Overview }) => {
  const { t } = useWords()
  const words = t.orders
  const { number, time } = useFigures()
  return (
    <section class="card" aria-labelledby="consumers">
      <div class="card-head">
        <h2 id="consumers">{words.consumers}</h2>
      </div>
      <Table
        caption={words.consumers}
        rows={told.lag ?? []}
        keyOf={({ consumer }) => consumer}
        columns={[
          { name: words.consumer, isHead: true, cell: ({ consumer }) => words.names[consumer] ?? consumer },
          { name: words.events, isNumber: true, cell: ({ events }) => number(events) },
          { name: words.age, isNumber: true, cell: ({ milliseconds }) => time(milliseconds) }
        ]}
      />
    </section>
  )
}

const Flow = ({ told }: { readonly told: Overview }) => {
  const { t } = useWords()
  const words = t.orders
  const { number, time } = useFigures()
  return (
    <>
      <section class="card strip" aria-label={t.views.orders}>
        <dl class="figures">
          <Figure label={words.placed} value={number(told.orders?.placedPerSecond)} />
          <Figure label={words.placedTotal} value={number(told.orders?.placed)} />
          <Figure label={words.outbox} value={number(told.outbox?.events)} />
          <Figure label={words.outboxAge} value={time(told.outbox?.oldestMs)} />
        </dl>
      </section>
      <div class="charts">
        <Chart title={words.placed} tone="admitted" series={useStore(placedPerSecond)} />
        <Chart title={words.lagChart} tone="waiting" series={together(useStore(behind))} />
      </div>
    </>
  )
}

const View = () => {
  const told = useStore(overview)
  return (
    <>
      {told && <Flow told={told} />}
      <div class="pair">
        {told && <Consumers told={told} />}
        <Rebuild />
      </div>
      <Verify />
      <LookUp />
    </>
  )
}

export const Orders = () => {
  const { t } = useWords()
  return (
    <Page title={t.views.orders} lead={t.orders.lead}>
      <ForOperators>{() => <View />}</ForOperators>
    </Page>
  )
}
