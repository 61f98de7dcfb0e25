/**
 * The same API for a program on Effect: makes a campaign, joins it, and waits for the coupon.
 *
 *     SLUICE_ADMIN_KEY=... node packages/client/examples/effect.ts http://127.0.0.1:8080
 */
import { joinAndWait, Sluice } from "@sluice/client/effect"
import { Console, Effect, Redacted } from "effect"

const [baseUrl = "http://127.0.0.1:8080", id = "effect"] = process.argv.slice(2)

const program = Effect.gen(function* () {
  const sluice = yield* Sluice
  const campaign = yield* sluice["campaign-admin"]
    .create({ payload: { id, name: "From Effect", stock: 3, ratePerSecond: 10 } })
    .pipe(
      Effect.catchTag("Problem", (problem) =>
        problem.code === "campaign_exists" ? sluice.campaigns.get({ params: { id } }) : Effect.fail(problem)
      )
    )
  yield* Console.log(`${campaign.name}: ${campaign.remaining} of ${campaign.stock}`)

  const outcome = yield* joinAndWait({ baseUrl, campaignId: id, userId: "fiber" })
  yield* Console.log(outcome.state)

  const coupons = yield* sluice.users.coupons({ params: { userId: "fiber" } })
  yield* Console.log(`${coupons.length} coupon of ${coupons[0]?.campaignId}`)
})

await program.pipe(
  Effect.provide(Sluice.layerFetch({ baseUrl, token: Redacted.make(process.env.SLUICE_ADMIN_KEY ?? "") })),
  Effect.runPromise
)
