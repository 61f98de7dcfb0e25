/** Every campaign as last told, and its numbers over the last minutes. Asked for once a second for as long as the page stands. */
import { get } from "./api.ts"
import { followByAsking } from "./follow.ts"
import { added, perSecond, type Series } from "./series.ts"
import { makeStore } from "./store.ts"
import type { Campaign } from "./types.ts"

export interface History {
  readonly waiting: Series
  readonly remaining: Series
  readonly issued: Series
  /** How many have passed the gate since the campaign began. */
  readonly passed: Series
}

export const campaigns = makeStore<ReadonlyArray<Campaign> | undefined>(undefined)

const histories = new Map<string, History>()
const none: History = { waiting: [], remaining: [], issued: [], passed: [] }

export const historyOf = (id: string): History => histories.get(id) ?? none

export const passedOf = ({ dead, issued, issuing }: Campaign): number => issued + issuing + dead

export const admittedPerSecond = (id: string): number => perSecond(historyOf(id).passed.slice(-12)).at(-1)?.value ?? 0

const remember = (campaign: Campaign, at: number) => {
  const known = historyOf(campaign.id)
  const add = (series: Series, value: number) => added(series, { at, value })
  histories.set(campaign.id, {
    waiting: add(known.waiting, campaign.waiting),
    remaining: add(known.remaining, campaign.remaining),
    issued: add(known.issued, campaign.issued),
    passed: add(known.passed, passedOf(campaign))
  })
}

/** One that was told alone, by its own events or as the answer to a change. */
export const note = (campaign: Campaign) => {
  remember(campaign, Date.now())
  const known = campaigns.get() ?? []
  const isKnown = known.some(({ id }) => id === campaign.id)
  campaigns.set(isKnown ? known.map((one) => (one.id === campaign.id ? campaign : one)) : [...known, campaign])
}

export const followCampaigns = () =>
  followByAsking((signal) => get<ReadonlyArray<Campaign>>("/campaigns", { signal }), 1000, {
    onData: (all) => {
      const at = Date.now()
      for (const campaign of all) remember(campaign, at)
      campaigns.set(all)
    }
  })
