/** Orders as readers see them, from the order view alone. */
import { CustomerId, OrderId, type OrderNotFound, OrderState, OrderView, type Unavailable } from "@sluice/domain"
import { OrderReads } from "@sluice/orders"
import { Effect, Schema } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { Guard, ofInput } from "../Guard.ts"
import { Identity } from "../Identity.ts"
import { Limits } from "../Limits.ts"
import { forbidden, invalidFields, problem } from "../Problems.ts"
import { answers, api, wholeNumber } from "./documents.ts"

const Version = wholeNumber(1, 2_147_483_647, "Waits, for about two seconds, until this version can be read.")
const Limit = wholeNumber(1, 100, "At most this many orders.")
const Cursor = Schema.String.annotate({ description: "`nextCursor` of the page before." }).check(Schema.isMaxLength(200))

const Order = OrderView.annotate({ identifier: "Order", description: "As of its `version`; its customer as of today." })
const Page = Schema.Struct({ orders: Schema.Array(Order), nextCursor: Schema.NullOr(Schema.String) }).annotate({
  identifier: "OrderPage"
})

/** Orders on a page, where nothing else is asked for. */
export const defaultLimit = 20

const security = { security: [{}, { userToken: [] }, { adminKey: [] }] }
const errors = [...ofInput, problem("unauthorized"), problem("forbidden"), problem<Unavailable>("unavailable")] as const

export const OrderReading = HttpApiGroup.make("order-reads")
  .add(
    HttpApiEndpoint.get("find", "/orders/:id", {
      params: { id: OrderId.annotate({ description: "The id of the order." }) },
      query: { version: Schema.optionalKey(Version) },
      success: Order,
      error: [...errors, problem<OrderNotFound>("order_not_found")]
    })
      .annotateMerge(answers({ 200: "The order." }))
      .annotateMerge(
        OpenApi.annotations({
          summary: "Read an order",
          description:
            "Soon after it was placed. To read your own write, send the `version` that it answered: what is answered is that version or a " +
            "later one, or 503 when it has not come in time. Only for the customer and the admin, where users send a token of their own.",
          override: security
        })
      ),
    HttpApiEndpoint.get("page", "/customers/:id/orders", {
      params: { id: CustomerId.annotate({ description: "The id of the customer." }) },
      query: {
        state: Schema.optionalKey(OrderState),
        limit: Limit.pipe(Schema.withDecodingDefaultKey(Effect.succeed(String(defaultLimit)))),
        cursor: Schema.optionalKey(Cursor)
      },
      success: Page,
      error: errors
    })
      .annotateMerge(answers({ 200: "The newest first; `nextCursor` is null on the last page." }))
      .annotateMerge(
        OpenApi.annotations({
          summary: "List a customer's orders",
          description: "Only for the customer and the admin, where users send a token of their own.",
          override: security
        })
      )
  )
  .annotateMerge(OpenApi.annotations({ title: "orders (reading)", description: "Orders as readers see them." }))

export const orderReadsApi = api.add(OrderReading).middleware(Guard)

/** The orders' JSON as it stands in the view. */
export const pageJson = ({ nextCursor, orders }: Effect.Success<ReturnType<OrderReads.OrderReads["Service"]["page"]>>): string =>
  `{"orders":[${orders.map((order) => order.json).join(",")}],"nextCursor":${JSON.stringify(nextCursor)}}`

const json = (body: string) => HttpServerResponse.text(body, { contentType: "application/json" })

export const layerOrderReads = HttpApiBuilder.group(
  orderReadsApi,
  "order-reads",
  Effect.fnUntraced(function* (handlers) {
    const reads = yield* OrderReads.OrderReads
    const identity = yield* Identity
    const limits = yield* Limits

    /** Whose orders the caller may read; undefined where the caller is trusted, and for the admin. */
    const reader = Effect.fnUntraced(function* (authorization: string | undefined, named?: string) {
      if (identity.verifyUser === undefined || identity.isAdmin(authorization)) return undefined
      const user = yield* identity.user(authorization, named)
      yield* limits.user(user)
      return user
    })

    return handlers.handleAll({
      find: Effect.fnUntraced(function* ({ params, query, request }) {
        const user = yield* reader(request.headers.authorization)
        const order = yield* reads.find(params.id, query.version)
        if (user !== undefined && order.customerId !== user) return yield* forbidden("The order is of another customer.")
        return json(order.json)
      }),
      page: Effect.fnUntraced(function* ({ params, query, request }) {
        yield* reader(request.headers.authorization, params.id)
        const page = yield* reads
          .page({ customerId: params.id, ...query })
          .pipe(
            Effect.catchTag("CursorInvalid", () =>
              Effect.fail(invalidFields([{ path: "cursor", message: "Expected the nextCursor of the page before" }]))
            )
          )
        return json(pageJson(page))
      })
    })
  })
)
