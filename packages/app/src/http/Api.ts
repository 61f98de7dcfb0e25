/**
 * The contract: every group of endpoints that a gateway serves, one file and one group for each part of a scenario.
 *
 * A new group is a file in `groups/` with its endpoints on `api`, its handlers beside them, one line in `Api` and one in `layerHandlers`.
 * The paths, the 404 and 405 answers, the metrics and the OpenAPI document follow from the endpoints.
 */
import { Layer } from "effect"
import { HttpApi, OpenApi } from "effect/http-api"
import version from "../../package.json" with { type: "json" }
import { layerAudited } from "./Audited.ts"
import { layerGuard } from "./Guard.ts"
import { auditApi, layerAudit } from "./groups/audit.ts"
import { campaignAdminApi, layerCampaignAdmin } from "./groups/campaign-admin.ts"
import { campaignsApi, layerCampaigns } from "./groups/campaigns.ts"
import { crowdsApi, layerCrowds } from "./groups/crowds.ts"
import { deadLettersApi, layerDeadLetters } from "./groups/dead-letters.ts"
import { withNumbers } from "./groups/documents.ts"
import { lagApi, layerLag } from "./groups/lag.ts"
import { layerLoads, loadsApi } from "./groups/loads.ts"
import { layerOperations, operationsApi } from "./groups/operations.ts"
import { layerOrderReads, orderReadsApi } from "./groups/order-reads.ts"
import { layerOrders, ordersApi } from "./groups/orders.ts"
import { layerOrdersAdmin, ordersAdminApi } from "./groups/orders-admin.ts"
import { layerOverview, overviewApi } from "./groups/overview.ts"
import { layerShopAdmin, shopAdminApi } from "./groups/shop-admin.ts"
import { layerTickets, ticketsApi } from "./groups/tickets.ts"
import { layerUsers, usersApi } from "./groups/users.ts"
import { layerAdmin } from "./Identity.ts"
import { codes } from "./Problems.ts"

const rows = Object.entries(codes).map(([code, [status, title]]) => `| \`${code}\` | ${status} | ${title} |`)

const description = `Sluice takes more traffic than the servers behind it can, and loses nothing.

**Errors** have one shape everywhere, \`application/problem+json\` of RFC 9457: \`type\` (\`urn:sluice:problem:<code>\`), \`title\`, \`status\`,
\`detail\`, \`code\` and, for bad input, \`errors\` with the path of each field and what was expected there. Every request may be answered 429
with \`RateLimit\` headers or 503, both with \`Retry-After\`: wait that long and ask again.

| code | status | meaning |
| --- | --- | --- |
${rows.join("\n")}

**Input** is JSON of at most 16 KiB, except for the uploads of loads. Unknown fields are refused.`

const securitySchemes = {
  userToken: {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
    description: "The token of a user, where `SLUICE_USER_SECRET` or `SLUICE_USER_JWKS` is set: its `sub` is the user id."
  }
}

export const Api = HttpApi.make("sluice")
  .addHttpApi(ticketsApi)
  .addHttpApi(campaignsApi)
  .addHttpApi(usersApi)
  .addHttpApi(campaignAdminApi)
  .addHttpApi(ordersApi)
  .addHttpApi(orderReadsApi)
  .addHttpApi(shopAdminApi)
  .addHttpApi(deadLettersApi)
  .addHttpApi(ordersAdminApi)
  .addHttpApi(lagApi)
  .addHttpApi(loadsApi)
  .addHttpApi(auditApi)
  .addHttpApi(crowdsApi)
  .addHttpApi(overviewApi)
  .addHttpApi(operationsApi)
  .annotateMerge(
    OpenApi.annotations({
      title: "Sluice",
      version: version.version,
      description,
      license: { name: "MIT", identifier: "MIT" },
      servers: [{ url: "/" }],
      transform: (spec) => ({
        ...spec,
        paths: withNumbers(spec.paths),
        components: { ...spec.components, securitySchemes: { ...spec.components.securitySchemes, ...securitySchemes } }
      })
    })
  )

/** Needs what the endpoints need: the services of the scenarios, and those that `Server` makes. */
export const layerHandlers = Layer.mergeAll(
  layerTickets,
  layerCampaigns,
  layerUsers,
  layerOrders,
  layerOrderReads,
  Layer.mergeAll(
    Layer.mergeAll(layerCampaignAdmin, layerDeadLetters, layerShopAdmin, layerLoads, layerOrdersAdmin, layerCrowds).pipe(
      Layer.provide(layerAudited)
    ),
    layerLag,
    layerAudit,
    layerOverview
  ).pipe(Layer.provide(layerAdmin)),
  layerOperations
).pipe(Layer.provide(layerGuard))

/** What a process that is not a gateway serves. */
export const OperationsApi = operationsApi

export const layerOperationsHandlers = layerOperations.pipe(Layer.provide(layerGuard))
