/** Servers that are away when a process starts: all are named at once, and none of their passwords. */
import { spawnSync } from "node:child_process"
import { createServer } from "node:net"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { freePort } from "@sluice/testkit/processes"
import { Effect, Logger, Redacted } from "effect"
import * as Reach from "../src/layers/Reach.ts"

const program = fileURLToPath(new URL("../bin/sluice.mjs", import.meta.url))

describe("servers that are away", () => {
  it("are named in one error, with where they were looked for and an example", async () => {
    const [mariadb, redis] = [await freePort(), await freePort()]
    const { status, stderr } = spawnSync(process.execPath, [program, "serve", "--port", "0"], {
      encoding: "utf8",
      env: {
        PATH: process.env.PATH,
        SLUICE_ENGINES: "cluster",
        SLUICE_MARIADB_URL: `mysql://sluice:MARKED@127.0.0.1:${mariadb}/sluice`,
        SLUICE_REDIS_URL: `redis://:MARKED@127.0.0.1:${redis}`,
        SLUICE_KAFKA_BROKERS: `127.0.0.1:${await freePort()}`,
        SLUICE_MONGODB_URL: `mongodb://u:MARKED@127.0.0.1:${await freePort()}/sluice`
      }
    })
    assert.strictEqual(status, 2)
    assert.include(
      stderr,
      `SLUICE_MARIADB_URL: 127.0.0.1:${mariadb}/sluice can't be reached (ECONNREFUSED); for example SLUICE_MARIADB_URL=mysql://`
    )
    assert.include(
      stderr,
      `SLUICE_REDIS_URL: 127.0.0.1:${redis} can't be reached (ECONNREFUSED); for example SLUICE_REDIS_URL=redis://`
    )
    assert.notInclude(stderr, "MARKED")
  })

  it.live("and can be done without are warned of", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const warnings: Array<string> = []
        const logger = Logger.make(({ logLevel, message }) => {
          warnings.push(`${logLevel} ${message}`)
        })
        const there = yield* Effect.acquireRelease(
          Effect.promise(async () => {
            const server = createServer()
            await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
            return server
          }),
          (server) => Effect.sync(() => server.close())
        )
        const { port } = there.address() as { port: number }
        const away = yield* Effect.promise(freePort)
        yield* Reach.check(
          {
            mariadb: Redacted.make(`mysql://u:p@127.0.0.1:${port}/x`),
            redis: [Redacted.make(`redis://127.0.0.1:${away}`), Redacted.make(`redis://127.0.0.1:${port}`)],
            kafka: { brokers: [`127.0.0.1:${away}`], ssl: false, sasl: undefined, replicationFactor: undefined },
            mongodb: Redacted.make(`mongodb://u:MARKED@127.0.0.1:${away},[::1]:${away}/sluice?replicaSet=rs0`)
          },
          "mongodb"
        ).pipe(Effect.provide(Logger.layer([logger])))
        while (warnings.length < 2) yield* Effect.yieldNow
        warnings.sort()
        assert.match(warnings[0]!, /^Warn SLUICE_KAFKA_BROKERS: 127.0.0.1:\d+ can't be reached \(ECONNREFUSED\)/)
        assert.match(warnings[1]!, /^Warn SLUICE_MONGODB_URL: 127.0.0.1:\d+,\[::1\]:\d+\/sluice can't be reached/)
      })
    )
  )
})
