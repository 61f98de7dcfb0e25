/** What an operator does to a campaign, each after a question. */
import { useState } from "preact/hooks"
import { useWords } from "../i18n/useWords.ts"
import { call, post, segment } from "../lib/api.ts"
import { note } from "../lib/campaigns.ts"
import { say } from "../lib/toasts.ts"
import type { Campaign, CampaignChange, ReconcileReport } from "../lib/types.ts"
import { Confirm } from "../parts/Confirm.tsx"
import { Field } from "../parts/Field.tsx"

export const changeCampaign = async (id: string, change: CampaignChange) =>
  note(await call<Campaign>("PATCH", `/campaigns/${segment(id)}`, { body: change }))

type Asked = "open" | "pause" | "stock" | "close" | "reconcile"

export const CampaignActions = ({ campaign }: { readonly campaign: Campaign }) => {
  const { n, state, t } = useWords()
  const [asked, setAsked] = useState<Asked>()
  const [more, setMore] = useState("")
  const onClose = () => setAsked(undefined)
  const change = async (body: CampaignChange) => {
    await changeCampaign(campaign.id, body)
    say(t.campaign.changed)
  }
  const isOver = campaign.state === "closed"
  const isWhole = /^[1-9]\d{0,8}$/.test(more)
  const stock = campaign.stock + (isWhole ? Number(more) : 0)
  const reconcile = async () => {
    const report = await post<ReconcileReport>(`/campaigns/${segment(campaign.id)}/reconcile`)
    say(t.campaign.reconciled(n(report.driftFound), n(report.driftMended)))
  }
  return (
    <>
      {campaign.state === "paused" ? (
        <button type="button" class="primary" onClick={() => setAsked("open")}>
          {t.campaign.open}
        </button>
      ) : (
        (campaign.state === "open" || campaign.state === "scheduled") && (
          <button type="button" onClick={() => setAsked("pause")}>
            {t.campaign.pause}
          </button>
        )
      )}
      {!isOver && (
        <button
          type="button"
          onClick={() => {
            setMore("")
            setAsked("stock")
          }}
        >
          {t.campaign.addStock}
        </button>
      )}
      <button type="button" onClick={() => setAsked("reconcile")}>
        {t.campaign.reconcile}
      </button>
      {!isOver && (
        <button type="button" class="danger quiet" onClick={() => setAsked("close")}>
          {t.campaign.closeIt}
        </button>
      )}
      {asked === "open" && (
        <Confirm
          title={t.campaign.confirmOpen}
          text={t.campaign.confirmOpenText}
          action={t.campaign.open}
          run={() => change({ paused: false })}
          onClose={onClose}
        />
      )}
      {asked === "pause" && (
        <Confirm
          title={t.campaign.confirmPause}
          text={t.campaign.confirmPauseText}
          action={t.campaign.pause}
          run={() => change({ paused: true })}
          onClose={onClose}
        />
      )}
      {asked === "stock" && (
        <Confirm
          title={t.campaign.confirmStock}
          text={t.campaign.confirmStockText}
          action={t.campaign.addStock}
          what={t.counters.stock}
          before={n(campaign.stock)}
          after={n(stock)}
          run={() => change({ stock })}
          onClose={onClose}
        >
          <Field name="more" label={t.campaign.stockMore}>
            {(input) => (
              <input
                {...input}
                type="number"
                inputMode="numeric"
                min={1}
                step={1}
                required
                value={more}
                onInput={(event) => setMore(event.currentTarget.value)}
              />
            )}
          </Field>
        </Confirm>
      )}
      {asked === "close" && (
        <Confirm
          title={t.campaign.confirmClose}
          text={t.campaign.confirmCloseText}
          action={t.campaign.closeIt}
          danger
          what={campaign.name}
          before={state(campaign.state)}
          after={state("closed")}
          run={() => change({ closesAt: new Date().toISOString() })}
          onClose={onClose}
        />
      )}
      {asked === "reconcile" && (
        <Confirm
          title={t.campaign.confirmReconcile}
          text={t.campaign.confirmReconcileText}
          action={t.campaign.reconcile}
          run={reconcile}
          onClose={onClose}
        />
      )}
    </>
  )
}
