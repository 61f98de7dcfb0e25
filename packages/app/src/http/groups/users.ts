/** What a user owns. */
import { Drop } from "@sluice/coupons"
import { Coupon } from "@sluice/domain"
import { Effect, Schema } from "effect"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { Guard, ofInput } from "../Guard.ts"
import { Identity } from "../Identity.ts"
import { Limits } from "../Limits.ts"
import { problem } from "../Problems.ts"
import { api, UserIdParam } from "./documents.ts"

const Coupons = Schema.Array(
  Coupon.annotate({
    identifier: "Coupon",
    examples: [{ campaignId: "spring-sale", serial: 17, code: "SPRING-7K2M-9QXA", issuedAt: "2026-11-24T12:00:03.120Z" }]
  })
).annotate({ description: "The user's coupons, of all campaigns." })

export const Users = HttpApiGroup.make("users")
  .add(
    HttpApiEndpoint.get("coupons", "/users/:userId/coupons", {
      params: { userId: UserIdParam },
      success: Coupons,
      error: [...ofInput, problem("unauthorized"), problem("forbidden")]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "List a user's coupons",
        description: "Only for the user and the admin, where users send a token of their own.",
        override: { security: [{}, { userToken: [] }, { adminKey: [] }] }
      })
    )
  )
  .annotateMerge(OpenApi.annotations({ description: "Users and their coupons." }))

export const usersApi = api.add(Users).middleware(Guard)

export const layerUsers = HttpApiBuilder.group(
  usersApi,
  "users",
  Effect.fnUntraced(function* (handlers) {
    const drop = yield* Drop
    const identity = yield* Identity
    const limits = yield* Limits
    return handlers.handleAll({
      coupons: Effect.fnUntraced(function* ({ params, request }) {
        const { authorization } = request.headers
        if (!identity.isAdmin(authorization)) {
          yield* identity.user(authorization, params.userId)
          yield* limits.user(params.userId)
        }
        return yield* drop.coupons(params.userId)
      })
    })
  })
)
