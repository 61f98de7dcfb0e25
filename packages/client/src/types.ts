/**
 * What goes over the wire, taken from the API's own definition: an endpoint that changes there changes here. Types alone, so a browser
 * loads none of it.
 */
import type { Audit } from "@sluice/app/http/groups/audit"
import type { CrowdGroup } from "@sluice/app/http/groups/crowds"
import type { LagOfConsumers } from "@sluice/app/http/groups/lag"
import type { LoadGroup } from "@sluice/app/http/groups/loads"
import type { OrderReading } from "@sluice/app/http/groups/order-reads"
import type { OrderWrites } from "@sluice/app/http/groups/orders"
import type { OrderAdministration } from "@sluice/app/http/groups/orders-admin"
import type { OverviewGroup } from "@sluice/app/http/groups/overview"
import type { ShopAdministration } from "@sluice/app/http/groups/shop-admin"

export type { Code, FieldError } from "@sluice/app/http/Problems"
export type { DeadLetterList, DeadLetterTopic, ReplayReport } from "@sluice/coupons"
export type {
  CampaignPatch,
  CampaignState,
  CampaignView as Campaign,
  Coupon,
  CustomerProfile,
  NewCampaign,
  NewOrder,
  OrderState,
  OrderView as Order,
  ProductData,
  ReconcileReport,
  TicketState,
  TicketView as Ticket
} from "@sluice/domain"

interface Group<Name extends string> {
  readonly endpoints: Readonly<Record<Name, { readonly "~Success": { readonly Type: unknown } }>>
}
type Answer<Name extends string, G extends Group<Name>> = G["endpoints"][Name]["~Success"]["Type"]

export type PlacedOrder = Answer<"place", typeof OrderWrites>
export type ChangedOrder = Answer<"pay", typeof OrderWrites>
export type OrderPage = Answer<"page", typeof OrderReading>
export type Customer = Answer<"putCustomer", typeof ShopAdministration>
export type Product = Answer<"putProduct", typeof ShopAdministration>
export type VerifyReport = Answer<"verify", typeof OrderAdministration>
export type Lag = Answer<"report", typeof LagOfConsumers>
export type Load = Answer<"get", typeof LoadGroup>
export type LoadReject = Answer<"rejects", typeof LoadGroup>[number]
export type OrderViewGenerations = Answer<"generations", typeof OrderAdministration>
export type AuditPage = Answer<"list", typeof Audit>
export type Crowd = Answer<"get", typeof CrowdGroup>
export type Overview = Answer<"get", typeof OverviewGroup>
