/** What an operator does, with the admin key. */
import type { CallOptions, Calls } from "./calls.ts"
import { type Body, pathOf } from "./Http.ts"
import type {
  AuditPage,
  Campaign,
  CampaignPatch,
  Crowd,
  Customer,
  CustomerProfile,
  DeadLetterList,
  DeadLetterTopic,
  Lag,
  Load,
  LoadReject,
  NewCampaign,
  OrderViewGenerations,
  Overview,
  Product,
  ProductData,
  ReconcileReport,
  ReplayReport,
  VerifyReport
} from "./types.ts"

export interface UploadOptions extends CallOptions {
  readonly table: string
  readonly job?: string
  readonly format: "csv" | "ndjson"
  readonly encoding?: "gzip" | "zstd"
  readonly columns?: ReadonlyArray<string>
  readonly header?: boolean
  readonly delimiter?: string
  readonly null?: string
  readonly maxRejects?: number
}

export interface VerifyOptions extends CallOptions {
  readonly sample?: number
  readonly repair?: boolean
  /** A part: about so many orders, behind this one. */
  readonly limit?: number
  readonly after?: string
}

interface DeadLetterOptions extends CallOptions {
  readonly topic?: DeadLetterTopic
  readonly limit?: number
}

/** What takes as long as it takes. */
const lasting = { timeoutMs: undefined }

export const makeAdmin = ({ ask, once, tell, watch }: Calls) => ({
  campaigns: {
    create: (campaign: NewCampaign, { signal }: CallOptions = {}) =>
      once<Campaign>({ method: "POST", path: "/campaigns", json: campaign, signal }),
    change: (id: string, patch: CampaignPatch, { signal }: CallOptions = {}) =>
      ask<Campaign>({ method: "PATCH", path: pathOf("campaigns", id), json: patch, signal }),
    reconcile: (id: string, { signal }: CallOptions = {}) =>
      ask<ReconcileReport>({ method: "POST", path: pathOf("campaigns", id, "reconcile"), signal })
  },

  putCustomer: (id: string, profile: CustomerProfile, { signal }: CallOptions = {}) =>
    ask<Customer>({ method: "PUT", path: pathOf("customers", id), json: profile, signal }),
  putProduct: (id: string, product: ProductData, { signal }: CallOptions = {}) =>
    ask<Product>({ method: "PUT", path: pathOf("products", id), json: product, signal }),

  orders: {
    verify: ({ signal, ...query }: VerifyOptions = {}) =>
      once<VerifyReport>({ method: "POST", path: "/admin/orders/verify", query, signal, ...lasting }),
    /** How the views stand, and how far a rebuild is. */
    generations: ({ signal }: CallOptions = {}) => ask<OrderViewGenerations>({ path: "/admin/orders/generations", signal }),
    rebuild: ({ signal }: CallOptions = {}) =>
      once<OrderViewGenerations>({ method: "POST", path: "/admin/orders/rebuild", signal }),
    back: ({ signal }: CallOptions = {}) =>
      once<OrderViewGenerations>({ method: "POST", path: "/admin/orders/generations/back", signal, ...lasting }),
    drop: ({ signal }: CallOptions = {}) =>
      ask<OrderViewGenerations>({ method: "POST", path: "/admin/orders/generations/drop", signal, ...lasting })
  },

  deadLetters: {
    list: ({ signal, ...query }: DeadLetterOptions = {}) => ask<DeadLetterList>({ path: "/admin/dead-letters", query, signal }),
    replay: ({ signal, ...query }: DeadLetterOptions = {}) =>
      once<ReplayReport>({ method: "POST", path: "/admin/dead-letters/replay", query, signal, ...lasting })
  },

  loads: {
    list: ({ signal }: CallOptions = {}) => ask<ReadonlyArray<Load>>({ path: "/loads", signal }),
    get: (job: string, { signal }: CallOptions = {}) => ask<Load>({ path: pathOf("loads", job), signal }),
    rejects: (job: string, { signal }: CallOptions = {}) =>
      ask<ReadonlyArray<LoadReject>>({ path: pathOf("loads", job, "rejects"), signal }),
    watch: (job: string, { signal }: CallOptions = {}) =>
      watch<Load>(pathOf("loads", job, "events"), signal, ({ state }) => state !== "running"),
    cancel: (job: string, { signal }: CallOptions = {}) => tell({ method: "DELETE", path: pathOf("loads", job), signal }),
    /** Asked once: send the same body again under the same job to go on with one that broke off. */
    upload: (body: Body, { columns, encoding, format, signal, ...query }: UploadOptions) =>
      once<{ readonly job: string }>({
        method: "POST",
        path: "/loads",
        query: { ...query, columns: columns?.join(",") },
        headers: {
          "content-type": format === "csv" ? "text/csv" : "application/x-ndjson",
          ...(encoding !== undefined && { "content-encoding": encoding })
        },
        body,
        signal,
        ...lasting
      })
  },

  /** Crowds that the server sends itself. */
  crowds: {
    start: (
      crowd: { readonly campaignId: string; readonly users: number; readonly seconds?: number },
      { signal }: CallOptions = {}
    ) => once<{ readonly crowd: string }>({ method: "POST", path: "/crowds", json: crowd, signal }),
    list: ({ signal }: CallOptions = {}) => ask<ReadonlyArray<Crowd>>({ path: "/crowds", signal }),
    get: (crowd: string, { signal }: CallOptions = {}) => ask<Crowd>({ path: pathOf("crowds", crowd), signal }),
    watch: (crowd: string, { signal }: CallOptions = {}) =>
      watch<Crowd>(pathOf("crowds", crowd, "events"), signal, ({ state }) => state !== "running"),
    stop: (crowd: string, { signal }: CallOptions = {}) => tell({ method: "DELETE", path: pathOf("crowds", crowd), signal })
  },

  lag: ({ signal }: CallOptions = {}) => ask<Lag>({ path: "/lag", signal }),
  overview: ({ signal }: CallOptions = {}) => ask<Overview>({ path: "/overview", signal }),
  /** The overview, every second, until the caller stops. */
  watchOverview: ({ signal }: CallOptions = {}) => watch<Overview>("/overview/events", signal, () => false),
  /** What admins changed, the newest first. */
  audit: ({ signal, ...query }: CallOptions & { readonly limit?: number; readonly before?: number } = {}) =>
    ask<AuditPage>({ path: "/audit", query, signal })
})
