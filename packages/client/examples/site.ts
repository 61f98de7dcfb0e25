/**
 * A site with Sluice behind it: its own pages, and everything under `/campaigns/` handed on, so that browsers see one origin.
 *
 *     node packages/client/examples/site.ts http://127.0.0.1:8080 8090      then http://127.0.0.1:8090/?campaign=demo
 */
import { once } from "node:events"
import { readFile } from "node:fs/promises"
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http"
import { stripTypeScriptTypes } from "node:module"
import type { AddressInfo } from "node:net"
import { pipeline } from "node:stream"

const [sluice = "http://127.0.0.1:8080", port = "8090"] = process.argv.slice(2)
const folder = new URL("../", import.meta.url)

const handOn = (req: IncomingMessage, res: ServerResponse) => {
  const onward = request(new URL(req.url!, sluice), { method: req.method, headers: req.headers }, (answer) => {
    res.writeHead(answer.statusCode!, answer.headers)
    pipeline(answer, res, () => {})
  })
  onward.on("error", () => (res.headersSent ? res.destroy() : res.writeHead(502).end()))
  res.on("close", () => onward.destroy())
  req.pipe(onward)
}

/** The page, and the modules it imports: TypeScript, with the types taken out. A site of yours has a bundler for that. */
const page = async (path: string, res: ServerResponse) => {
  const isModule = /^\/(src|examples)\/\w+\.ts$/.test(path)
  const text = await readFile(new URL(isModule ? `.${path}` : "examples/page.html", folder), "utf8")
  res.writeHead(200, { "content-type": isModule ? "text/javascript" : "text/html; charset=utf-8" })
  res.end(isModule ? stripTypeScriptTypes(text) : text)
}

const server = createServer((req, res) => {
  const { pathname } = new URL(req.url!, "http://site")
  if (pathname.startsWith("/campaigns/")) handOn(req, res)
  else if (pathname === "/favicon.ico") res.writeHead(204).end()
  else page(pathname, res).catch(() => res.writeHead(404).end())
}).listen(Number(port), "127.0.0.1")

await once(server, "listening")
console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}/?campaign=demo`)
