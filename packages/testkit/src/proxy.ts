/** A server's address of one's own, behind which the server can fall silent, or an answer be lost, without its being touched. */
import { once } from "node:events"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"

export interface Proxy {
  /** As the server's, by way of the proxy. */
  readonly url: string
  /** Takes connections and bytes, and gives nothing back: a black hole. */
  readonly silence: () => void
  /** Hangs up on all who were kept in silence, and works again. */
  readonly heal: () => void
  /** Hangs up in place of the answer to the next request that says so: the server has done it, and nobody is told. */
  readonly loseAnswer: (request: RegExp) => void
  readonly close: () => Promise<void>
}

export const proxyOf = async (server: string): Promise<Proxy> => {
  const url = new URL(server)
  const [host, port] = [url.hostname, Number(url.port)]
  const sockets = new Set<Socket>()
  let isSilent = false
  let losing: RegExp | undefined
  const proxy = createServer((near) => {
    const far = connect(port, host)
    near.on("data", (bytes) => {
      if (!losing?.test(bytes.toString("latin1"))) return
      losing = undefined
      far.removeAllListeners("data").once("data", () => near.destroy())
    })
    for (const [from, to] of [
      [near, far],
      [far, near]
    ] as const) {
      sockets.add(from)
      from.on("data", (bytes) => isSilent || to.write(bytes))
      from.on("error", () => {})
      from.on("close", () => {
        sockets.delete(from)
        if (!isSilent) to.destroy()
      })
    }
  }).listen(0, "127.0.0.1")
  await once(proxy, "listening")
  url.hostname = "127.0.0.1"
  url.port = String((proxy.address() as AddressInfo).port)
  const hangUp = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    url: url.href,
    silence: () => {
      isSilent = true
    },
    heal: () => {
      isSilent = false
      hangUp()
    },
    loseAnswer: (request) => {
      losing = request
    },
    close: async () => {
      proxy.close()
      hangUp()
      await once(proxy, "close")
    }
  }
}
