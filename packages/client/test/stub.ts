/** A server that answers what a test says, and remembers what it was asked. */
import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import type { Ticket } from "@sluice/client"

export interface Asked {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage["headers"]
  readonly body: string
  readonly at: number
}

export type Answer = (res: ServerResponse, asked: Asked) => void

export const json =
  (status: number, body: unknown, headers: Record<string, string> = {}): Answer =>
  (res) =>
    res.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body))

export const problem = (status: number, code: string, headers: Record<string, string> = {}): Answer =>
  json(status, { type: `urn:sluice:problem:${code}`, title: code, status, detail: code, code }, headers)

/** A connection that is cut without a word. */
export const cut: Answer = (res) => void res.destroy()

/** Events, and then the end, or no more to come. */
export const events =
  (tickets: ReadonlyArray<Ticket>, end = true): Answer =>
  (res) => {
    res.writeHead(200, { "content-type": "text/event-stream" })
    res.write(`retry: 2000\n\n${tickets.map((ticket) => `data: ${JSON.stringify(ticket)}\n\n`).join("")}`)
    if (end) res.end()
  }

export const waiting = (position: number, pollAfterMs = 20): Ticket => ({
  ticket: "t.t.t",
  state: "waiting",
  position,
  etaSeconds: null,
  pollAfterMs
})
export const issued: Ticket = {
  ticket: "t.t.t",
  state: "issued",
  position: null,
  etaSeconds: null,
  pollAfterMs: null,
  serial: 1,
  code: "CODE"
}

/** `answers` are used up in turn by the requests of a route; the last one stays. */
export const stub = async (routes: Readonly<Record<string, ReadonlyArray<Answer>>>) => {
  const asked: Array<Asked> = []
  const used = new Map<string, number>()
  const server = createServer(async (req, res) => {
    const chunks: Array<Buffer> = []
    for await (const chunk of req) chunks.push(chunk as Buffer)
    const one = {
      method: req.method!,
      path: req.url!,
      headers: req.headers,
      body: Buffer.concat(chunks).toString(),
      at: Date.now()
    }
    asked.push(one)
    const route = `${one.method} ${one.path}`
    const answers = routes[route] ?? [problem(404, "not_found")]
    const turn = used.get(route) ?? 0
    used.set(route, turn + 1)
    answers[Math.min(turn, answers.length - 1)]!(res, one)
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    of: (route: string) => asked.filter(({ method, path }) => `${method} ${path}` === route),
    close: () => {
      server.closeAllConnections()
      server.close()
    }
  }
}
