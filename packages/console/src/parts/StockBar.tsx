/** The stock as one bar: remaining + issuing + issued + dead, each with its number. */
import { useWords } from "../i18n/useWords.ts"
import type { Campaign } from "../lib/types.ts"

const parts = ["issued", "issuing", "dead", "remaining"] as const

export const StockBar = ({ campaign, legend }: { readonly campaign: Campaign; readonly legend?: boolean }) => {
  const { n, t } = useWords()
  const said = parts.map((part) => `${t.counters[part]} ${n(campaign[part])}`).join(", ")
  return (
    <>
      <div class={legend ? "stock large" : "stock"} role="img" aria-label={`${t.counters.stock} ${n(campaign.stock)}: ${said}`}>
        {parts.map((part) => (
          <span key={part} class={`part ${part}`} style={{ flexGrow: campaign[part] }} hidden={campaign[part] === 0} />
        ))}
      </div>
      {legend && (
        <dl class="legend">
          {parts.map((part) => (
            <div key={part}>
              <dt>
                <span class={`dot ${part}`} />
                {t.counters[part]}
              </dt>
              <dd>{n(campaign[part])}</dd>
            </div>
          ))}
        </dl>
      )}
    </>
  )
}
