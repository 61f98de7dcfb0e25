/**
 * Answers written straight to a node response, and the headers that every answer carries, whoever writes it.
 */
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http"
import type { Socket } from "node:net"
import type { TicketView } from "@sluice/domain"
import { isUnhurried } from "../load/Upload.ts"
import { bodyLimit } from "./Input.ts"
import { contentType, type ProblemFields, problemJson, statusOf } from "./Problems.ts"

/** No script, style or frame but our own files, and no inline ones. */
const cspOfPage = (ancestors: string) =>
  `default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors ${ancestors}; object-src 'none'`

const csp = cspOfPage("'none'")

/** For a page that the sites of these origins may show in a frame. */
export const cspFramedBy = (origins: ReadonlyArray<string>): string =>
  origins.length === 0 ? csp : cspOfPage(["'self'", ...origins].join(" "))

export const commonHeaders: ReadonlyArray<readonly [name: string, value: string]> = [
  ["content-security-policy", csp],
  ["x-content-type-options", "nosniff"],
  ["referrer-policy", "no-referrer"],
  ["cache-control", "no-store"]
]

const flat = (type: string) => ["content-type", type, "content-length", "0", ...commonHeaders.flat()]

/** Reused for every answer: node reads it before `writeHead` returns. */
const jsonHeaders = flat("application/json")
const problemHeaders = flat(contentType)
const lengthAt = jsonHeaders.indexOf("content-length") + 1

/** As `JSON.stringify` does it; who waits is told by hand, since so many are. A ticket has no character that JSON escapes. */
export const ticketJson = (view: TicketView): string =>
  view.state === "waiting"
    ? `{"ticket":"${view.ticket}","state":"waiting","position":${view.position},"etaSeconds":${view.etaSeconds},"pollAfterMs":${view.pollAfterMs}}`
    : JSON.stringify(view)

export const sendJson = (res: ServerResponse, status: number, body: string): void => {
  jsonHeaders[lengthAt] = String(Buffer.byteLength(body))
  res.writeHead(status, jsonHeaders)
  res.end(body)
}

export const sendProblem = (req: IncomingMessage, res: ServerResponse, problem: ProblemFields): void => {
  if (res.destroyed || res.headersSent) return
  const body = problemJson(problem)
  const headers = problemHeaders.slice()
  headers[lengthAt] = String(Buffer.byteLength(body))
  for (const name in problem.headers) headers.push(name, problem.headers[name]!)
  if (!req.complete && mayBeLong(req) && problem.headers?.connection === undefined) headers.push("connection", "close")
  res.writeHead(statusOf(problem), headers)
  res.end(body)
}

/** A body that nobody is going to read is only worth reading to its end when it is short. */
const mayBeLong = (req: IncomingMessage): boolean =>
  req.headers["transfer-encoding"] !== undefined || Number(req.headers["content-length"] ?? 0) > bodyLimit

/** For a request that never became one. */
export const sendRawProblem = (socket: Socket, problem: ProblemFields, reason: string): void => {
  const body = problemJson(problem)
  const headers = [
    ["content-type", contentType],
    ["content-length", String(Buffer.byteLength(body))],
    ...commonHeaders,
    ...Object.entries(problem.headers ?? {}),
    ["connection", "close"]
  ]
  socket.end(
    `HTTP/1.1 ${statusOf(problem)} ${reason}\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n${body}`
  )
}

/** Bytes of all headers of a request together. */
export const maxHeaderSize = 16 * 1024

const broken: Record<string, readonly [ProblemFields, string]> = {
  HPE_HEADER_OVERFLOW: [
    { code: "headers_too_large", detail: `All headers together hold at most ${maxHeaderSize} bytes.` },
    "Request Header Fields Too Large"
  ],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [{ code: "body_too_large", detail: "The chunk extensions are too large." }, "Payload Too Large"],
  ERR_HTTP_REQUEST_TIMEOUT: [{ code: "request_timeout", detail: "The request took too long to arrive." }, "Request Timeout"]
}

const malformed: readonly [ProblemFields, string] = [{ code: "bad_request", detail: "This is not HTTP/1.1." }, "Bad Request"]

/** Whether what is wrong is not the body of the request that is being answered, or the answer has begun. */
const isAnother = ({ headersSent, req }: ServerResponse): boolean => headersSent || req.complete

/** The request line of what node does not read since it does not know the method. */
const otherMethod = /^([A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}) (\S{1,8192}) HTTP\/1\.[01]\r?\n/

const reasonOf = (status: number) => STATUS_CODES[status] ?? ""

/**
 * What node could not read as a request, or as the rest of one. Where the answer is to another there is nothing to say. `refuse` answers
 * for a method that nothing takes.
 */
export const makeOnClientError =
  (refuse: (method: string, target: string) => ProblemFields) =>
  (
    error: Error & { readonly code?: string; readonly rawPacket?: Buffer },
    socket: Socket & { readonly _httpMessage?: ServerResponse | null }
  ): void => {
    if (error.code === "ERR_HTTP_REQUEST_TIMEOUT" && isUnhurried(socket)) return
    const answering = socket._httpMessage
    if (!socket.writable || error.code === "ECONNRESET" || (answering && isAnother(answering))) {
      socket.destroy()
      return
    }
    const [, method, target] =
      error.code === "HPE_INVALID_METHOD" ? (otherMethod.exec(error.rawPacket?.toString("latin1") ?? "") ?? []) : []
    if (method !== undefined) {
      const problem = refuse(method, target!)
      sendRawProblem(socket, problem, reasonOf(statusOf(problem)))
      return
    }
    const [problem, reason] = broken[error.code ?? ""] ?? malformed
    sendRawProblem(socket, problem, reason)
  }
