/** Redis from Debian's packages: the append-only file is its only persistence, and it never evicts. */

import { mkdir } from "node:fs/promises"
import { connect } from "node:net"
import { dataOf } from "./checkout.ts"
import { systemProgram } from "./packages.ts"
import { type Address, addressesOfUrl, type Server } from "./server.ts"

/** One command and the first bytes of its reply: enough to know a Redis, without a client. */
const askRedis = (port: number, command: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, timeout: 3000 }, () => socket.write(`${command}\r\n`))
    const give = (settle: () => void) => {
      socket.destroy()
      settle()
    }
    socket.setEncoding("utf8").once("data", (reply) => give(() => resolve(String(reply))))
    socket.once("error", (error) => give(() => reject(error)))
    socket.once("timeout", () => give(() => reject(new Error("Redis accepts connections, but does not answer"))))
    socket.once("close", () => reject(new Error("Redis closed the connection")))
  })

export const redis: Server = {
  name: "redis",
  title: "Redis",
  variable: "SLUICE_REDIS_URL",
  valueOf: ({ port }) => `redis://127.0.0.1:${port}`,
  addressesOf: (value): ReadonlyArray<Address> => value.split(",").flatMap(addressesOfUrl(6379)),
  ask: async ({ port }) => {
    const pong = await askRedis(port, "PING")
    if (!pong.startsWith("+PONG")) throw new Error(`Redis answers PING with ${pong.trim()}`)
    return /redis_version:(\S+)/.exec(await askRedis(port, "INFO server"))?.[1] ?? "unknown"
  },
  prepare: async ({ port }, tell) => {
    const program = await systemProgram("redis-server", "Redis", ["redis-server"], tell)
    await mkdir(dataOf("redis"), { recursive: true })
    return { program, args: [...settings, "--port", String(port), "--dir", dataOf("redis")], cwd: dataOf("redis") }
  }
}

const settings = "--bind 127.0.0.1 --appendonly yes --appendfsync everysec --save --maxmemory-policy noeviction"
  .split(" ")
  .flatMap((word) => (word === "--save" ? [word, ""] : [word]))
