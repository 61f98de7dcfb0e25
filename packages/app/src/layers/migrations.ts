/** All that the SQL store must have, in the order in which it came to be. A migration that was released is never changed. */
import { Campaigns, Issuances } from "@sluice/coupons"
import { Migrations } from "@sluice/engines"
import { OrderViewsSql, ordersMigration, outboxTraceMigration } from "@sluice/orders"
import { Layer } from "effect"
import { auditMigration } from "../audit/AuditLog.ts"
import { secretsMigration } from "../Secrets.ts"

const migrations: Migrations.Migrations = {
  "0001_campaigns": Campaigns.campaignsMigration,
  "0002_issuances": Issuances.issuancesMigration,
  "0003_secrets": secretsMigration,
  "0010_orders": ordersMigration,
  "0020_order_view": OrderViewsSql.orderViewMigration,
  "0060_audit": auditMigration,
  "0061_order_view_generations": OrderViewsSql.orderGenerationsMigration,
  "0062_outbox_trace": outboxTraceMigration
}

/** `more` are those of one engine set. */
export const migrate = (more: Migrations.Migrations = {}) => Layer.effectDiscard(Migrations.run({ ...migrations, ...more }))
