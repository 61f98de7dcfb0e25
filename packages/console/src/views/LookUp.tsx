/** Single orders, the orders of a customer, the coupons of a user. */
import { useState } from "preact/hooks"
import { useWords } from "../i18n/useWords.ts"
import { get, segment } from "../lib/api.ts"
import type { Coupon, Order, OrderPage } from "../lib/types.ts"
import { useAction } from "../lib/useAsync.ts"
import { Field, textOf } from "../parts/Field.tsx"
import { ProblemText } from "../parts/ProblemText.tsx"
import { State } from "../parts/State.tsx"
import { Table } from "../parts/Table.tsx"

const OrderCard = ({ order }: { readonly order: Order }) => {
  const { exact, n, t } = useWords()
  const words = t.orders
  return (
    <article class="order">
      <h3>
        <code>{order.orderId}</code> <State state={order.state} />
      </h3>
      <p class="facts">
        <span>
          {words.customer} {order.customer.name} (<code>{order.customer.id}</code>, {order.customer.level})
        </span>
        <span>
          {words.total} <b>{n(order.total)}</b>
        </span>
        <span>
          {words.version} {n(order.version)}
        </span>
      </p>
      <Table
        caption={words.order}
        rows={order.lines}
        keyOf={({ productId }) => productId}
        columns={[
          { name: words.product, isHead: true, cell: ({ name }) => name },
          { name: words.category, cell: ({ category }) => category },
          { name: words.price, isNumber: true, cell: ({ price }) => n(price) },
          { name: words.quantity, isNumber: true, cell: ({ quantity }) => n(quantity) }
        ]}
      />
      <h4 class="hidden">{words.history}</h4>
      <ol class="history">
        {order.history.map(({ at, state, version }) => (
          <li key={version}>
            <State state={state} /> <time dateTime={at}>{exact(at)}</time>
          </li>
        ))}
      </ol>
    </article>
  )
}

type By = "order" | "customer" | "user"
type Found =
  | { readonly by: "order"; readonly order: Order }
  | { readonly by: "customer"; readonly id: string; readonly page: OrderPage }
  | { readonly by: "user"; readonly coupons: ReadonlyArray<Coupon> }

const pageOf = (id: string, cursor?: string) => {
  const query = new URLSearchParams({ limit: "6", ...(cursor !== undefined && { cursor }) })
  return get<OrderPage>(`/customers/${segment(id)}/orders?${query}`)
}

const find = async (by: By, id: string): Promise<Found> => {
  if (by === "order") return { by, order: await get<Order>(`/orders/${segment(id)}`) }
  if (by === "customer") return { by, id, page: await pageOf(id) }
  return { by, coupons: await get<ReadonlyArray<Coupon>>(`/users/${segment(id)}/coupons`) }
}

const Coupons = ({ coupons }: { readonly coupons: ReadonlyArray<Coupon> }) => {
  const { exact, n, t } = useWords()
  const words = t.orders
  if (coupons.length === 0) return <p class="muted">{words.noCoupons}</p>
  return (
    <Table
      caption={words.byUser}
      rows={coupons}
      keyOf={({ campaignId }) => campaignId}
      columns={[
        { name: words.campaign, isHead: true, cell: ({ campaignId }) => <code>{campaignId}</code> },
        { name: words.serial, isNumber: true, cell: ({ serial }) => n(serial) },
        { name: words.code, cell: ({ code }) => <code>{code}</code> },
        { name: words.issuedAt, cell: ({ issuedAt }) => exact(issuedAt) }
      ]}
    />
  )
}

export const LookUp = () => {
  const { t } = useWords()
  const words = t.orders
  const [by, setBy] = useState<By>("order")
  const [found, setFound] = useState<Found>()
  const { isBusy, problem, start } = useAction(async (form: HTMLFormElement) => {
    setFound(undefined)
    const id = textOf(form, "id")
    if (id !== "") setFound(await find(by, id))
  })
  const more = useAction(async () => {
    if (found?.by !== "customer" || found.page.nextCursor === null) return
    const { nextCursor, orders } = await pageOf(found.id, found.page.nextCursor)
    setFound({ ...found, page: { orders: [...found.page.orders, ...orders], nextCursor } })
  })
  const names = { order: words.byOrder, customer: words.byCustomer, user: words.byUser }
  return (
    <section class="card" aria-labelledby="lookup">
      <div class="card-head">
        <h2 id="lookup">{words.lookUp}</h2>
      </div>
      <form
        class="inline"
        onSubmit={(event) => {
          event.preventDefault()
          start(event.currentTarget)
        }}
      >
        <Field name="by" label={words.lookUpBy}>
          {(input) => (
            <select {...input} value={by} onChange={(event) => setBy(event.currentTarget.value as By)}>
              {(["order", "customer", "user"] as const).map((one) => (
                <option key={one} value={one}>
                  {names[one]}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Field name="id" label={names[by]}>
          {(input) => <input {...input} type="text" autocomplete="off" spellcheck={false} required />}
        </Field>
        <button type="submit" aria-disabled={isBusy}>
          {words.find}
        </button>
      </form>
      <ProblemText problem={problem ?? more.problem} />
      <div aria-live="polite">
        {found?.by === "order" && <OrderCard order={found.order} />}
        {found?.by === "customer" && found.page.orders.length === 0 && <p class="muted">{words.noOrders}</p>}
        {found?.by === "customer" && (
          <div class="orders">
            {found.page.orders.map((order) => (
              <OrderCard key={order.orderId} order={order} />
            ))}
          </div>
        )}
        {found?.by === "user" && <Coupons coupons={found.coupons} />}
      </div>
      {found?.by === "customer" && found.page.nextCursor !== null && (
        <div class="buttons start">
          <button type="button" onClick={() => more.start()}>
            {t.common.more}
          </button>
        </div>
      )}
    </section>
  )
}
