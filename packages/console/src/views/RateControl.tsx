/** The admission rate: a slider over its whole range, which is why it moves in ever larger steps, and the exact number beside it. */
import { useState } from "preact/hooks"
import { useWords } from "../i18n/useWords.ts"
import { say } from "../lib/toasts.ts"
import type { Campaign } from "../lib/types.ts"
import { Confirm } from "../parts/Confirm.tsx"
import { Field } from "../parts/Field.tsx"
import { changeCampaign } from "./CampaignActions.tsx"

const highest = 1_000_000

const decades = [1, 10, 100, 1000, 10_000, 100_000]

const steps: ReadonlyArray<number> = [...decades.flatMap((decade) => [1, 2, 3, 5, 7].map((step) => step * decade)), highest]

const stepOf = (rate: number) => {
  const next = steps.findIndex((step) => step >= rate)
  return next === -1 ? steps.length - 1 : next
}

export const RateControl = ({ campaign }: { readonly campaign: Campaign }) => {
  const { brief, n, t } = useWords()
  const [chosen, setChosen] = useState<string>()
  const [isAsking, setAsking] = useState(false)
  const text = chosen ?? String(campaign.ratePerSecond)
  const rate = Number(text)
  const isValid = Number.isInteger(rate) && rate >= 1 && rate <= highest
  const isOther = isValid && rate !== campaign.ratePerSecond
  return (
    <section class="card" aria-labelledby="rate">
      <div class="card-head">
        <h2 id="rate">{t.campaign.rate}</h2>
        <p class="muted">{t.campaign.rateHint}</p>
      </div>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault()
          if (isOther) setAsking(true)
        }}
      >
        <input
          type="range"
          class="slider"
          aria-label={t.campaign.rate}
          aria-valuetext={t.common.perSecondShort(n(isValid ? rate : campaign.ratePerSecond))}
          min={0}
          max={steps.length - 1}
          step={1}
          value={stepOf(isValid ? rate : campaign.ratePerSecond)}
          onInput={(event) => setChosen(String(steps[Number(event.currentTarget.value)]))}
        />
        <p class="ticks" aria-hidden="true">
          {[...decades, highest].map((decade) => (
            <span key={decade}>{brief(decade)}</span>
          ))}
        </p>
        <div class="inline">
          <Field
            name="rate"
            label={t.campaign.rateExact}
            error={isValid ? undefined : t.campaigns.form.wholeBetween(n(1), n(highest))}
          >
            {(input) => (
              <input
                {...input}
                type="number"
                inputMode="numeric"
                min={1}
                max={highest}
                step={1}
                value={text}
                onInput={(event) => setChosen(event.currentTarget.value)}
              />
            )}
          </Field>
          <button type="submit" class={isOther ? "primary" : ""} aria-disabled={!isOther}>
            {t.campaign.rateApply}
          </button>
        </div>
      </form>
      {isAsking && (
        <Confirm
          title={t.campaign.confirmRate}
          action={t.campaign.rateApply}
          what={campaign.name}
          before={t.common.perSecondShort(n(campaign.ratePerSecond))}
          after={t.common.perSecondShort(n(rate))}
          run={async () => {
            await changeCampaign(campaign.id, { ratePerSecond: rate })
            setChosen(undefined)
            say(t.campaign.changed)
          }}
          onClose={() => setAsking(false)}
        />
      )}
    </section>
  )
}
