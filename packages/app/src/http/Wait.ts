/**
 * The waiting page: `GET` shows where the holder of the cookie stands, `POST` joins and remembers the ticket in that cookie.
 *
 * The ticket is all there is to remember, so a reload, a restart of the server and a lost network change nothing. Where users have to
 * prove who they are, the site joins for them and the page only shows: it can't know their tokens.
 */
import { Drop } from "@sluice/coupons"
import { CampaignId, isId } from "@sluice/domain"
import { ByteSize, Effect, Result, Schema } from "effect"
import { HttpIncomingMessage, HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { answer } from "./Guard.ts"
import { Identity } from "./Identity.ts"
import { bodyLimit } from "./Input.ts"
import { Limits } from "./Limits.ts"
import { forbidden, notFound, unsupportedMediaType } from "./Problems.ts"
import type { Endpoint } from "./Routes.ts"
import { languageOf, type Notice, type Standing, waitPage } from "./WaitPage.ts"
import { cspFramedBy } from "./Wire.ts"

const path = "/campaigns/:id/wait"

export const waitEndpoints: ReadonlyArray<Endpoint> = [
  { method: "GET", path },
  { method: "POST", path }
]

const cookieName = "sluice-wait"
const decodeId = Schema.decodeUnknownResult(CampaignId)

/** `<first position>.<ticket>` of this campaign. */
const readCookie = (header: string | undefined): { readonly first: number; readonly ticket: string } | undefined => {
  const match = /(?:^|;\s*)sluice-wait=(\d{1,15})\.([A-Za-z0-9_.-]+)/.exec(header ?? "")
  return match === null ? undefined : { first: Number(match[1]), ticket: match[2]! }
}

const campaignIdOf = Effect.gen(function* () {
  const { id } = yield* HttpRouter.params
  const decoded = decodeId(id)
  return Result.isSuccess(decoded) ? decoded.success : yield* notFound
})

export const layerWait = (frameAncestors: ReadonlyArray<string>) =>
  HttpRouter.addAll(
    Effect.gen(function* () {
      const drop = yield* Drop
      const identity = yield* Identity
      const limits = yield* Limits
      const csp = cspFramedBy(frameAncestors)
      // In another site's frame only a cookie of this kind is kept, apart for each such site.
      const sameSite = frameAncestors.length === 0 ? "SameSite=Lax" : "SameSite=None; Secure; Partitioned"

      const page = Effect.fnUntraced(function* (standing: Standing | undefined, notice?: Notice) {
        const request = yield* HttpServerRequest.HttpServerRequest
        const campaign = yield* drop.campaign(yield* campaignIdOf)
        const url = new URL(request.url, "http://localhost")
        const asked = url.searchParams.get("user") ?? ""
        const lang = languageOf(url.searchParams.get("lang") ?? request.headers["accept-language"])
        const html = waitPage({ campaign, lang, standing, notice, user: isId(asked) ? asked : "" })
        return HttpServerResponse.text(html, {
          contentType: "text/html; charset=utf-8",
          headers: { "content-security-policy": csp, vary: "accept-language, cookie" }
        })
      })

      const show = Effect.gen(function* () {
        const request = yield* HttpServerRequest.HttpServerRequest
        const id = yield* campaignIdOf
        const kept = readCookie(request.headers.cookie)
        const ticket = kept && drop.verifyUnsafe(id, kept.ticket)
        if (kept === undefined || ticket === undefined) return yield* page(undefined)
        yield* limits.user(ticket)
        return yield* page({ view: yield* drop.look(id, ticket.text), first: kept.first })
      })

      const joined = Effect.gen(function* () {
        const request = yield* HttpServerRequest.HttpServerRequest
        const id = yield* campaignIdOf
        // A form of another site would put its user's ticket into the place of the one that is kept here.
        if (request.headers["sec-fetch-site"] === "cross-site") return yield* forbidden("Join on this page itself.")
        const type = request.headers["content-type"]?.split(";")[0]?.trim().toLowerCase()
        if (type !== "application/x-www-form-urlencoded")
          return yield* unsupportedMediaType(["application/x-www-form-urlencoded"])
        const named = new URLSearchParams(yield* request.text).get("userId") ?? ""
        if (!isId(named)) return yield* page(undefined, "invalid")
        const user = yield* identity.user(request.headers.authorization, named)
        yield* limits.user(user)
        const { view } = yield* drop.join(id, user)
        if (view.ticket === null) return yield* page({ view, first: 0 })
        const cookie = `${cookieName}=${view.position ?? 0}.${view.ticket}; Path=/campaigns/${id}/wait; HttpOnly; ${sameSite}; Max-Age=2592000`
        return HttpServerResponse.empty({ status: 303, headers: { location: `/campaigns/${id}/wait`, "set-cookie": cookie } })
      }).pipe(
        Effect.catchTag("JoinRefused", ({ reason }) => page(undefined, reason)),
        Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.bytes(bodyLimit))
      )

      return [
        HttpRouter.route("GET", path, Effect.catchCause(show, answer)),
        HttpRouter.route("POST", path, Effect.catchCause(joined, answer))
      ]
    })
  )
