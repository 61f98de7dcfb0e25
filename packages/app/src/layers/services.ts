/** What the roles and the API stand on, over whichever engines there are. */
import * as LoadTargetMariaDb from "@sluice/bulk-load/LoadTargetMariaDb"
import * as LoadTargetSqlite from "@sluice/bulk-load/LoadTargetSqlite"
import { CampaignAdmin, Campaigns, DeadLetters, Drop, Issuances, OnSale, Recovery } from "@sluice/coupons"
import { Customers, OrderReads, Orders, OrdersRead, Outbox, Products, RebuildOrders } from "@sluice/orders"
import { type TicketKey, Tickets } from "@sluice/waiting-room"
import { Effect, Layer } from "effect"
import * as AuditLog from "../audit/AuditLog.ts"
import { OrderVerifier } from "../http/groups/orders-admin.ts"
import { Lag } from "../Lag.ts"
import * as Loads from "../load/Loads.ts"
import { sharedTicketKey } from "../Secrets.ts"
import type { Settings } from "../Settings.ts"

const tickets = ({ ticketKeys }: Settings) => {
  const [first, ...rest] = ticketKeys
  return first === undefined
    ? Layer.unwrap(Effect.map(sharedTicketKey, (key: TicketKey) => Tickets.layer([key])))
    : Tickets.layer([first, ...rest])
}

/** Where there is one process, it need not wait for what it left undone itself. */
const rebuilds = ({ engines }: Settings) => RebuildOrders.layer(engines.kind === "embedded" ? { owner: "embedded" } : {})

const orders = (settings: Settings) =>
  Layer.mergeAll(Orders.layer(), Customers.layer, Products.layer, OrdersRead.layer, OrderReads.layer(), Lag.layer).pipe(
    Layer.provideMerge(Outbox.layer),
    Layer.merge(Layer.merge(OrderVerifier.layer, rebuilds(settings)).pipe(Layer.provide(OrdersRead.layer)))
  )

const coupons = (settings: Settings) =>
  CampaignAdmin.layer.pipe(
    Layer.provideMerge(Layer.mergeAll(Drop.layer, DeadLetters.layer)),
    Layer.provideMerge(
      Layer.mergeAll(Recovery.layer({ hold: settings.recoveryHold, drain: settings.recoveryDrain }), OnSale.layer)
    ),
    Layer.provideMerge(Layer.mergeAll(Campaigns.layer, Issuances.layer, tickets(settings)))
  )

/** On connections of its own, so that a load keeps nobody waiting who shares the pool. */
const loads = ({ dataDir, engines, maxLoads, maxUploadBytes }: Settings) =>
  Loads.layer({ dataDir, maxLoads, maxUploadBytes, engine: engines.kind === "cluster" ? "mariadb" : "sqlite" }).pipe(
    Layer.provide(engines.kind === "cluster" ? LoadTargetMariaDb.layer(engines.mariadb) : LoadTargetSqlite.layer)
  )

export const layer = (settings: Settings) =>
  Layer.mergeAll(coupons(settings), orders(settings), loads(settings), AuditLog.layer(settings.auditRetention))
