/** One campaign: what it does now and in the last minutes, and what an operator may do to it. */
import { useState } from "preact/hooks"
import { useWords } from "../i18n/useWords.ts"
import { segment } from "../lib/api.ts"
import { campaigns, historyOf, note } from "../lib/campaigns.ts"
import { followEvents } from "../lib/follow.ts"
import { hrefOf } from "../lib/router.ts"
import { perSecond } from "../lib/series.ts"
import { key } from "../lib/session.ts"
import { useStore } from "../lib/store.ts"
import type { Campaign as CampaignData } from "../lib/types.ts"
import { useFollowed } from "../lib/useAsync.ts"
import { Chart } from "../parts/Chart.tsx"
import { Icon } from "../parts/Icon.tsx"
import { Empty, Loading, Page } from "../parts/Page.tsx"
import { State } from "../parts/State.tsx"
import { StockBar } from "../parts/StockBar.tsx"
import { CampaignActions } from "./CampaignActions.tsx"
import { Crowd } from "./Crowd.tsx"
import { RateControl } from "./RateControl.tsx"

const Facts = ({ campaign }: { readonly campaign: CampaignData }) => {
  const { moment, n, t } = useWords()
  return (
    <p class="facts">
      <State state={campaign.state} />
      <code>{campaign.id}</code>
      <span>{campaign.opensAt === null ? t.campaign.opensAtOnce : t.campaign.opensAt(moment(campaign.opensAt))}</span>
      <span>{campaign.closesAt === null ? t.campaign.neverCloses : t.campaign.closesAt(moment(campaign.closesAt))}</span>
      <span>{campaign.maxWaiting === null ? t.campaign.anyNumber : t.campaign.maxWaiting(n(campaign.maxWaiting))}</span>
      <a href={`/campaigns/${segment(campaign.id)}/wait`} target="_blank" rel="noreferrer">
        {t.campaign.waitingPage}
        <Icon name="out" />
      </a>
    </p>
  )
}

const Charts = ({ campaign }: { readonly campaign: CampaignData }) => {
  const { t } = useWords()
  const history = historyOf(campaign.id)
  return (
    <section aria-labelledby="charts">
      <h2 id="charts" class="hidden">
        {t.campaign.charts}
      </h2>
      <div class="charts">
        <Chart title={t.counters.waiting} tone="waiting" series={history.waiting} now={campaign.waiting} />
        <Chart title={t.counters.admitted} tone="admitted" series={perSecond(history.passed)} limit={campaign.ratePerSecond} />
        <Chart title={t.counters.issued} tone="issued" series={history.issued} now={campaign.issued} />
        <Chart title={t.counters.remaining} tone="remaining" series={history.remaining} now={campaign.remaining} />
      </div>
    </section>
  )
}

export const Campaign = ({ id }: { readonly id: string }) => {
  const { n, t } = useWords()
  const campaign = useStore(campaigns)?.find((one) => one.id === id)
  const isSignedIn = useStore(key) !== undefined
  const [isMissing, setMissing] = useState(false)
  useFollowed(
    () => followEvents<CampaignData>(`/campaigns/${segment(id)}/events`, { onData: note, onRefused: () => setMissing(true) }),
    [id]
  )
  const back = (
    <a class="back" href={hrefOf("campaigns")}>
      <Icon name="back" />
      {t.views.campaigns}
    </a>
  )
  if (campaign === undefined) {
    return (
      <Page title={id} lead={back}>
        {isMissing ? <Empty text={t.campaign.notFound} /> : <Loading />}
      </Page>
    )
  }
  return (
    <Page title={campaign.name} lead={back} actions={isSignedIn && <CampaignActions campaign={campaign} />}>
      <Facts campaign={campaign} />
      <section class="card" aria-labelledby="stock">
        <div class="card-head">
          <h2 id="stock">
            {t.counters.stock} <b>{n(campaign.stock)}</b>
          </h2>
          <p class="muted">{t.campaign.sum}</p>
        </div>
        <StockBar campaign={campaign} legend />
      </section>
      <Charts campaign={campaign} />
      {isSignedIn && (
        <div class="pair">
          <RateControl campaign={campaign} />
          <Crowd campaign={campaign} />
        </div>
      )}
    </Page>
  )
}
