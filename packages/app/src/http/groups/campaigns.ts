/** What is on sale, for everybody to see. */
import { Drop } from "@sluice/coupons"
import type { CampaignNotFound } from "@sluice/domain"
import { Effect, Schema } from "effect"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { EventStreams } from "../EventStreams.ts"
import { Guard, ofInput } from "../Guard.ts"
import { problem } from "../Problems.ts"
import { api, Campaign, CampaignIdParam, eventsOf } from "./documents.ts"

const params = { id: CampaignIdParam }
const errors = [...ofInput, problem<CampaignNotFound>("campaign_not_found")]

export const Campaigns = HttpApiGroup.make("campaigns")
  .add(
    HttpApiEndpoint.get("list", "/campaigns", {
      success: Schema.Array(Campaign).annotate({ description: "All campaigns." }),
      error: ofInput
    }).annotateMerge(OpenApi.annotations({ summary: "List campaigns", description: "The newest 1,000, the newest first." })),
    HttpApiEndpoint.get("get", "/campaigns/:id", { params, success: Campaign, error: errors }).annotateMerge(
      OpenApi.annotations({ summary: "Get one campaign" })
    ),
    HttpApiEndpoint.get("watch", "/campaigns/:id/events", { params, success: eventsOf("Campaign"), error: errors }).annotateMerge(
      OpenApi.annotations({ summary: "Watch a campaign's counters" })
    )
  )
  .annotateMerge(OpenApi.annotations({ description: "Campaigns with their live counters." }))

export const campaignsApi = api.add(Campaigns).middleware(Guard)

export const layerCampaigns = HttpApiBuilder.group(
  campaignsApi,
  "campaigns",
  Effect.fnUntraced(function* (handlers) {
    const drop = yield* Drop
    const streams = yield* EventStreams
    return handlers.handleAll({
      list: () => drop.campaigns,
      get: ({ params }) => drop.campaign(params.id),
      watch: ({ params, request }) => streams.answer(request, drop.watchCampaign(params.id))
    })
  })
)
