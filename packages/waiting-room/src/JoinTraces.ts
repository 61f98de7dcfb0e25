/**
 * In which trace a user joined, so that admission, which happens much later and maybe elsewhere, goes on in it.
 *
 * Kept beside the waiting room, only for the few joins that are traced, and forgotten after an hour. It may forget at any time and is
 * never waited for when it is away: a trace ends early then, and nothing else happens. Without tracing there is none.
 */
import type { CampaignId, UserId } from "@sluice/domain"
import { Redis } from "@sluice/engines"
import { Context, Effect, Layer } from "effect"

export interface JoinTracesApi {
  readonly remember: (campaignId: CampaignId, userId: UserId, traceparent: string) => Effect.Effect<void>
  /** One answer a user. */
  readonly recall: (campaignId: CampaignId, users: ReadonlyArray<UserId>) => Effect.Effect<ReadonlyArray<string | undefined>>
}

export const JoinTraces = Context.Reference<JoinTracesApi | undefined>("sluice/JoinTraces", { defaultValue: () => undefined })

const remembered = 10_000
const seconds = 3600

/** In this process, for the engines of one process. */
export const layerMemory = Layer.sync(JoinTraces, (): JoinTracesApi => {
  const traces = new Map<string, string>()
  const keyOf = (campaignId: CampaignId, userId: UserId) => `${campaignId}\n${userId}`
  return {
    remember: (campaignId, userId, traceparent) =>
      Effect.sync(() => {
        traces.set(keyOf(campaignId, userId), traceparent)
        if (traces.size > remembered) traces.delete(traces.keys().next().value!)
      }),
    recall: (campaignId, users) => Effect.sync(() => users.map((userId) => traces.get(keyOf(campaignId, userId))))
  }
})

/** In the campaign's own hash slot, so that one call asks for all of its users. */
export const layerRedis = Layer.effect(
  JoinTraces,
  Effect.map(Redis, (redis): JoinTracesApi => {
    const keyOf = (campaignId: CampaignId, userId: UserId) => `sluice:{${campaignId}}:trace:${userId}`
    return {
      remember: (campaignId, userId, traceparent) =>
        Effect.ignore(redis.call("SET", keyOf(campaignId, userId), traceparent, "EX", seconds)),
      recall: (campaignId, users) =>
        redis.call("MGET", ...users.map((userId) => keyOf(campaignId, userId))).pipe(
          Effect.map((found) => (found as ReadonlyArray<string | null>).map((traceparent) => traceparent ?? undefined)),
          Effect.orElseSucceed(() => [])
        )
    }
  })
)
