/** A drop in a few lines: places in order of joining, one more admitted every `1 / perSecond`; with faults to be found out. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { Effect } from "effect"

export interface DropOptions {
  readonly stock: number
  readonly perSecond: number
  /** Told to a user in place of the truth. */
  readonly lie?: (view: View, userId: string) => View
  /** Of the nth who joins; n by default. */
  readonly placeOf?: (nth: number) => number
  /** Handled before the drop sees it; true: answered. */
  readonly before?: (req: IncomingMessage, res: ServerResponse) => boolean
  readonly adminKey?: string
  readonly closedAt?: string
  /** Without it a campaign has to be created first. */
  readonly campaignId?: string
}

export interface View {
  readonly ticket: string | null
  readonly state: string
  readonly position: number | null
  readonly etaSeconds: null
  readonly pollAfterMs: number | null
  readonly serial?: number | undefined
  readonly code?: string | undefined
}

const ticketOf = (userId: string, seq: number) =>
  `h.${Buffer.from(JSON.stringify({ aud: "c", sub: userId, seq })).toString("base64url")}.s`

const userOf = (ticket: string): string => JSON.parse(Buffer.from(ticket.split(".")[1]!, "base64url").toString()).sub

export const drop = (options: DropOptions) => {
  const { lie = (view: View) => view, perSecond, placeOf = (nth: number) => nth } = options
  let stock = options.stock
  let campaignId = options.campaignId
  const places = new Map<string, number>()
  let openedAt: number | undefined
  const requests: Array<string> = []

  const admitted = () =>
    openedAt === undefined ? 0 : Math.min(stock, places.size, Math.floor(((performance.now() - openedAt) * perSecond) / 1000))

  const look = (userId: string): View => {
    const place = places.get(userId)!
    const ticket = ticketOf(userId, place)
    const base = { ticket, etaSeconds: null, position: null, pollAfterMs: null }
    if (place <= admitted()) return lie({ ...base, state: "issued", serial: place, code: `C${place}` }, userId)
    if (admitted() === stock) return lie({ ...base, state: "sold_out" }, userId)
    return lie({ ...base, state: "waiting", position: place - admitted(), pollAfterMs: 50 }, userId)
  }

  let closesAt: string | null = options.closedAt ?? null
  const campaign = () => {
    const issued = admitted()
    return {
      id: campaignId,
      name: "Test",
      state: closesAt !== null ? "closed" : issued === stock ? "sold_out" : "open",
      stock,
      remaining: stock - issued,
      waiting: places.size - issued,
      issuing: 0,
      issued,
      dead: 0,
      ratePerSecond: perSecond,
      opensAt: null,
      closesAt,
      maxWaiting: null
    }
  }

  const send = (res: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}) => {
    res.writeHead(status, { "content-type": status < 400 ? "application/json" : "application/problem+json", ...headers })
    res.end(JSON.stringify(body))
  }
  const problem = (res: ServerResponse, status: number, title: string, more: object = {}) =>
    send(res, status, {
      type: "urn:x",
      title,
      status,
      detail: "Because.",
      code: title.toLowerCase().replaceAll(" ", "_"),
      ...more
    })

  const route = (req: IncomingMessage, res: ServerResponse, body: string) => {
    const [, first, id, third, ticket, events] = req.url!.split("/")
    const isAdmin = req.headers.authorization === `Bearer ${options.adminKey}`
    requests.push(`${req.method} ${req.url} ${body}`.trim())
    if (req.method === "POST" && req.url === "/campaigns") {
      if (!isAdmin) return problem(res, 401, "Unauthorized")
      const asked = JSON.parse(body)
      campaignId = asked.id
      stock = asked.stock
      return send(res, 201, campaign())
    }
    if (first === "users") {
      const serial = places.get(id!) ?? 0
      const mine = { campaignId, serial, code: `C${serial}`, issuedAt: "2026-11-24T12:00:00.000Z" }
      return send(res, 200, serial >= 1 && serial <= admitted() ? [mine] : [])
    }
    if (id !== campaignId || campaignId === undefined) return problem(res, 404, "Not found")
    if (req.method === "PATCH") {
      if (!isAdmin) return problem(res, 401, "Unauthorized")
      const { closesAt: end, stock: wanted } = JSON.parse(body)
      closesAt = end ?? closesAt
      if (wanted < stock) return problem(res, 409, "Refused", { errors: [{ path: "stock", message: "only up" }] })
      return send(res, 200, campaign())
    }
    if (third === undefined) return send(res, 200, campaign())
    if (req.method === "POST") {
      const { userId } = JSON.parse(body)
      openedAt ??= performance.now()
      if (!places.has(userId)) places.set(userId, placeOf(places.size + 1))
      return send(res, 202, look(userId))
    }
    if (events !== undefined) return stream(res, userOf(ticket!))
    return send(res, 200, look(userOf(ticket!)))
  }

  const stream = (res: ServerResponse, userId: string) => {
    res.writeHead(200, { "content-type": "text/event-stream" })
    const tick = setInterval(() => {
      const view = look(userId)
      res.write(`: still here\n\nevent: ticket\ndata: ${JSON.stringify(view)}\n\n`)
      if (view.state !== "waiting") res.end()
    }, 20)
    res.on("close", () => clearInterval(tick))
  }

  return Effect.acquireRelease(
    Effect.promise(async () => {
      const server = createServer((req, res) => {
        let body = ""
        req.on("data", (chunk) => {
          body += chunk
        })
        req.on("end", () => {
          if (options.before?.(req, res) !== true) route(req, res, body)
        })
      })
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      const { port } = server.address() as AddressInfo
      return { server, url: `http://127.0.0.1:${port}`, requests, places }
    }),
    ({ server }) =>
      Effect.promise(
        () =>
          new Promise<void>((resolve) => {
            server.close(() => resolve())
            server.closeAllConnections()
          })
      )
  )
}
