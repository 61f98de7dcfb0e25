/** What the server answers, as far as the page reads it. See /openapi.json. */
export interface Campaign {
  readonly id: string
  readonly name: string
  readonly state: "scheduled" | "open" | "paused" | "sold_out" | "closed"
  readonly stock: number
  readonly remaining: number
  readonly waiting: number
  readonly issuing: number
  readonly issued: number
  readonly dead: number
  readonly ratePerSecond: number
  readonly opensAt: string | null
  readonly closesAt: string | null
  readonly maxWaiting: number | null
}

export interface CampaignChange {
  readonly ratePerSecond?: number
  readonly paused?: boolean
  readonly stock?: number
  readonly closesAt?: string
}

export interface ReconcileReport {
  readonly driftFound: number
  readonly driftMended: number
}

export interface Behind {
  readonly events: number
  readonly milliseconds: number
}

export type Lag = Readonly<Record<"issuer" | "relay" | "projector", Behind>>

export interface Overview {
  readonly at: string
  readonly engines: ReadonlyArray<{ readonly name: string; readonly state: string }>
  readonly lag: ReadonlyArray<{
    readonly consumer: string
    readonly events: number | null
    readonly milliseconds: number | null
  }> | null
  readonly outbox: { readonly events: number | null; readonly oldestMs: number | null } | null
  readonly orders: { readonly placed: number | null; readonly placedPerSecond: number | null } | null
  readonly process: { readonly uptimeSeconds: number; readonly rssBytes: number; readonly version: string }
}

export interface Health {
  readonly status: "ready" | "not_ready" | "draining"
  readonly engines: ReadonlyArray<{
    readonly engine: string
    readonly ok: boolean
    readonly required?: boolean
    readonly detail?: string
    readonly milliseconds: number
  }>
}

export interface Crowd {
  readonly crowd: string
  readonly campaignId: string
  readonly state: "running" | "done" | "failed" | "stopped"
  readonly users: number
  readonly joined: number
  readonly waiting: number
  readonly issued: number
  readonly soldOut: number
  readonly errors: number
  readonly seconds: number
  readonly joinsPerSecond: number | null
  readonly p50Ms: number | null
  readonly p99Ms: number | null
  readonly others: number
  readonly problems: ReadonlyArray<string>
  /** Of each promise, once the crowd is through. */
  readonly verdicts: ReadonlyArray<{
    readonly promise: number
    readonly title: string
    readonly outcome: "pass" | "fail" | "not_applicable"
    readonly detail: string
  }>
}

export interface Load {
  readonly job: string
  readonly table: string
  readonly state: "running" | "done" | "failed" | "stopped" | "cancelled" | "interrupted"
  readonly rows: number
  readonly rejects: number
  readonly rowsPerSecond: number
  readonly startedAt: string
  readonly endedAt: string | null
  readonly error: string | null
}

export interface Reject {
  readonly line: number
  readonly column: string | null
  readonly reason: string
  readonly raw: string
}

export interface DeadLetter {
  readonly partition: number
  readonly offset: string
  readonly key: string
  readonly value: string
  readonly reason: string
  readonly attempts: number
  readonly origin: string
  readonly failedAt: string | null
}

export interface DeadLetters {
  readonly topic: string
  readonly total: number
  readonly deadLetters: ReadonlyArray<DeadLetter>
}

export interface ReplayReport {
  readonly replayed: number
  readonly remaining: number
}

export interface VerifyReport {
  readonly checked: number
  readonly differing: number
  readonly onlyInView: number
  readonly next: string | null
  readonly repaired: number
  readonly differences: ReadonlyArray<{
    readonly orderId: string
    readonly path: string
    readonly written: string | null
    readonly read: string | null
  }>
}

export interface Generations {
  readonly live: number
  readonly former: number | null
  readonly building: number | null
  readonly rebuild: {
    readonly state: "running" | "done" | "failed" | "stopped" | "interrupted"
    readonly phase: "preparing" | "customers" | "orders" | "comparing"
    readonly total: number | null
    readonly copied: number
    readonly compared: number
    readonly mended: number
    readonly differing: number
    readonly problem: string | null
    readonly startedAt: string
  } | null
}

export interface Order {
  readonly orderId: string
  readonly version: number
  readonly state: string
  readonly placedAt: string
  readonly customer: { readonly id: string; readonly name: string; readonly level: string }
  readonly lines: ReadonlyArray<{
    readonly productId: string
    readonly name: string
    readonly category: string
    readonly price: number
    readonly quantity: number
  }>
  readonly total: number
  readonly payment: { readonly paidAt: string } | null
  readonly history: ReadonlyArray<{ readonly state: string; readonly at: string; readonly version: number }>
}

export interface OrderPage {
  readonly orders: ReadonlyArray<Order>
  readonly nextCursor: string | null
}

export interface Coupon {
  readonly campaignId: string
  readonly serial: number
  readonly code: string
  readonly issuedAt: string
}

export interface AuditEntry {
  readonly id: number
  readonly at: string
  readonly actor: string
  readonly action: string
  readonly target: string
  readonly change: Readonly<Record<string, unknown>> | null
  readonly outcome: string
}

export interface AuditPage {
  readonly entries: ReadonlyArray<AuditEntry>
  readonly next: number | null
}
