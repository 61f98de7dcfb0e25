/** What is looked at before a campaign is created, and after it was changed. */
import type { CampaignState, CampaignView } from "@sluice/domain"
import { Clock, Effect } from "effect"
import { StartError } from "../StartError.ts"
import { RemoteError } from "./Remote.ts"

const hourMs = 3_600_000
const shown = (ms: number) => new Date(ms).toISOString().replace(/\.\d+Z$/, "Z")

/** Closing comes after opening, and is yet to come. */
export const checkTimes = Effect.fnUntraced(function* (opensAt: string | null, closesAt: string | null) {
  if (closesAt === null) return
  const now = yield* Clock.currentTimeMillis
  const opensAtMs = opensAt === null ? now : Date.parse(opensAt)
  const closesAtMs = Date.parse(closesAt)
  const example = `for example --closes-at ${shown(Math.max(opensAtMs, now) + hourMs)}`
  if (opensAt !== null && closesAtMs <= opensAtMs) {
    return yield* new StartError({
      message: `--closes-at ${JSON.stringify(closesAt)} is not after --opens-at ${JSON.stringify(opensAt)}; ${example}`
    })
  }
  if (closesAtMs <= now) {
    return yield* new StartError({ message: `--closes-at ${JSON.stringify(closesAt)} is over already; ${example}` })
  }
})

export const isClosed = ({ state }: { readonly state: CampaignState }): boolean => state === "closed"

/** A campaign that is over neither opens nor pauses. */
export const checkNotClosed = (campaign: CampaignView, asked: string): Effect.Effect<void, RemoteError> =>
  isClosed(campaign)
    ? Effect.fail(
        new RemoteError({
          message: `The campaign ${campaign.id} closed at ${campaign.closesAt}: it can't be ${asked}. Create another one, or close it later with \`sluice campaign close ${campaign.id} --at ...\`.`
        })
      )
    : Effect.void
