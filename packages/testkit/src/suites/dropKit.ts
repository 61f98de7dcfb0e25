/** What the suites over the drop are written with: its services on whole engines, its roles beside them, and crowds. */

import { randomUUID } from "node:crypto"
import { assert } from "@effect/vitest"
import {
  CampaignAdmin,
  Campaigns,
  Drop,
  type Drop as DropService,
  Issuances,
  Issuer,
  OnSale,
  Recovery,
  RoomKeeper
} from "@sluice/coupons"
import type { CampaignId, NewCampaign } from "@sluice/domain"
import type { EventLog } from "@sluice/engines"
import { Admission, Tickets, type WaitingRoom } from "@sluice/waiting-room"
import { type Duration, Effect, Layer, Redacted, Schedule } from "effect"
import type { SqlClient } from "effect/sql"

export type Engines = SqlClient.SqlClient | WaitingRoom | EventLog

/** Takes the room's state of one campaign away, as a flush would. */
export type Lose = (campaignId: CampaignId) => Effect.Effect<void, unknown, Engines>

export const servicesOf = (drain: Duration.Input) =>
  CampaignAdmin.layer.pipe(
    Layer.provideMerge(Drop.layer),
    Layer.provideMerge(Layer.mergeAll(Recovery.layer({ hold: "1 second", drain }), OnSale.layer)),
    Layer.provideMerge(
      Layer.mergeAll(
        Campaigns.layer,
        Issuances.layer,
        Tickets.layer([{ kid: "t", secret: Redacted.make("a secret of at least 32 characters") }])
      )
    )
  )

export const roles = Layer.effectDiscard(
  Effect.gen(function* () {
    const onSale = yield* OnSale
    const recovery = yield* Recovery
    yield* Effect.forkScoped(Admission.run({ campaigns: onSale.campaigns, rebuild: (id) => Effect.ignore(recovery.ensure(id)) }))
    yield* Effect.forkScoped(RoomKeeper.run)
    yield* Effect.forkScoped(Issuer.run)
  })
)

export const eventually = <A, E, R>(what: string, ask: Effect.Effect<A, E, R>, holds: (a: A) => boolean) =>
  ask.pipe(
    Effect.filterOrFail(holds, (a) => new Error(`${what}: still ${JSON.stringify(a).slice(0, 300)}`)),
    Effect.retry(Schedule.spaced("25 millis").pipe(Schedule.upTo({ times: 600 })))
  )

export const users = (n: number) => Array.from({ length: n }, (_, i) => `u${i + 1}`)

/** A campaign of its own, whose room is in its first generation. */
export const open = (stock: number, more: Partial<NewCampaign> = {}) =>
  Effect.gen(function* () {
    const admin = yield* CampaignAdmin
    const id = `drop-${randomUUID().slice(0, 13)}`
    yield* admin.create({ id, name: "a sale", stock, ratePerSecond: 5000, ...more })
    return id
  })

/** What the gate says of the user with this place of the first generation. */
export const winOf = (campaignId: CampaignId, serial: number) => ({
  type: "CouponWon" as const,
  version: 1 as const,
  campaignId,
  generation: 1,
  serial,
  userId: `u${serial}`,
  seq: 2 ** 32 + serial,
  wonAtMs: 1
})

export const joinAll = (drop: DropService["Service"], id: CampaignId, ids: ReadonlyArray<string>) =>
  Effect.forEach(ids, (userId) => drop.join(id, userId), { concurrency: "unbounded" })

export const balanced = Effect.fnUntraced(function* (id: CampaignId) {
  const view = yield* (yield* Drop).campaign(id)
  assert.strictEqual(view.stock, view.remaining + view.issuing + view.issued + view.dead)
  return view
})
