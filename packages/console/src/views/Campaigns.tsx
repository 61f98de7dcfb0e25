/** All campaigns, for everybody. */
import { useState } from "preact/hooks"
import { useWords } from "../i18n/useWords.ts"
import { admittedPerSecond, campaigns, historyOf } from "../lib/campaigns.ts"
import { hrefOf } from "../lib/router.ts"
import { key } from "../lib/session.ts"
import { useStore } from "../lib/store.ts"
import type { Campaign } from "../lib/types.ts"
import { Spark } from "../parts/Chart.tsx"
import { Figure } from "../parts/Figure.tsx"
import { Icon } from "../parts/Icon.tsx"
import { Empty, Loading, Page } from "../parts/Page.tsx"
import { State } from "../parts/State.tsx"
import { StockBar } from "../parts/StockBar.tsx"
import { useFirst } from "../parts/useFirst.tsx"
import { NewCampaign } from "./NewCampaign.tsx"

const ranks = { open: 0, paused: 1, scheduled: 2, sold_out: 3, closed: 4 }

const byRank = (a: Campaign, b: Campaign) => ranks[a.state] - ranks[b.state] || a.name.localeCompare(b.name)

/** Those who wait where nothing is left, or nobody is let in any more, wait for nothing. */
const isGoingOn = ({ state }: Campaign) => state !== "sold_out" && state !== "closed"

const manyCampaigns = 8

const Row = ({ campaign }: { readonly campaign: Campaign }) => {
  const { n, t } = useWords()
  return (
    <li class="card campaign">
      <div class="who">
        <a href={hrefOf("campaigns", campaign.id)}>
          <h2>{campaign.name}</h2>
        </a>
        <p>
          <State state={campaign.state} /> <code>{campaign.id}</code>
        </p>
      </div>
      <dl class="figures">
        <Figure label={t.counters.waiting} value={n(campaign.waiting)} />
        <Figure
          label={t.counters.admittedShort}
          value={n(Math.round(admittedPerSecond(campaign.id)))}
          hint={`/ ${n(campaign.ratePerSecond)}`}
        />
        <Figure label={t.counters.remaining} value={n(campaign.remaining)} hint={`/ ${n(campaign.stock)}`} />
      </dl>
      <Spark series={historyOf(campaign.id).waiting} tone="waiting" />
      <StockBar campaign={campaign} />
    </li>
  )
}

const sum = (all: ReadonlyArray<Campaign>, of: (campaign: Campaign) => number) => all.reduce((total, one) => total + of(one), 0)

export const Campaigns = () => {
  const { n, t } = useWords()
  const all = useStore(campaigns)
  const isSignedIn = useStore(key) !== undefined
  const [isCreating, setCreating] = useState(false)
  const [search, setSearch] = useState("")
  const wanted = search.trim().toLowerCase()
  const found = (all ?? []).filter(({ id, name }) => `${name} ${id}`.toLowerCase().includes(wanted)).sort(byRank)
  const { more, shown } = useFirst(found)
  return (
    <Page
      title={t.views.campaigns}
      lead={t.campaigns.lead}
      actions={
        isSignedIn && (
          <button type="button" class="primary" onClick={() => setCreating(true)}>
            <Icon name="plus" />
            {t.campaigns.create}
          </button>
        )
      }
    >
      {all !== undefined && all.length > 0 && (
        <section class="card strip" aria-label={t.campaigns.total}>
          <dl class="figures">
            <Figure label={t.counters.waiting} value={n(sum(all.filter(isGoingOn), ({ waiting }) => waiting))} />
            <Figure label={t.counters.admitted} value={n(Math.round(sum(all, ({ id }) => admittedPerSecond(id))))} />
            <Figure label={t.counters.issuing} value={n(sum(all, ({ issuing }) => issuing))} />
            <Figure label={t.counters.issued} value={n(sum(all, ({ issued }) => issued))} />
            <Figure label={t.counters.remaining} value={n(sum(all, ({ remaining }) => remaining))} />
          </dl>
        </section>
      )}
      {all !== undefined && all.length > manyCampaigns && (
        <label class="search">
          <span class="hidden">{t.campaigns.search}</span>
          <input type="search" placeholder={t.campaigns.search} onInput={(event) => setSearch(event.currentTarget.value)} />
        </label>
      )}
      {all === undefined && <Loading />}
      {all?.length === 0 && <Empty text={t.campaigns.empty} hint={t.campaigns.emptyHint} />}
      {wanted !== "" && found.length === 0 && <p class="muted">{t.campaigns.noMatch}</p>}
      <ul class="rows">
        {shown.map((campaign) => (
          <Row key={campaign.id} campaign={campaign} />
        ))}
      </ul>
      {more}
      {isCreating && <NewCampaign onClose={() => setCreating(false)} />}
    </Page>
  )
}
