import { spawnSync } from "node:child_process"
import { randomUUID } from "node:crypto"
import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Redis, type RedisError } from "@sluice/engines"
import { areOurs, isLive, liveUrl } from "@sluice/testkit/live"
import { root } from "@sluice/testkit/stack/checkout"
import { env, names, restart, servers, status, stop } from "@sluice/testkit/stack/index"
import { Effect, Redacted } from "effect"
import { assert, describe, it } from "vitest"

const onRedis = <A>(use: (redis: Redis["Service"]) => Effect.Effect<A, RedisError>): Promise<A> =>
  Effect.runPromise(
    Redis.use(use).pipe(Effect.provide(Redis.layer({ urls: [Redacted.make(liveUrl("SLUICE_REDIS_URL"))] })), Effect.scoped)
  )

describe.runIf(isLive())("the stack", async () => {
  it("has all four servers up, where the variables say", async () => {
    const all = await status()
    assert.deepStrictEqual(
      all.map(({ name, up }) => ({ name, up })),
      names.map((name) => ({ name, up: true }))
    )
    for (const [variable, value] of Object.entries(env())) assert.strictEqual(process.env[variable], value)
    for (const { address, name } of all) {
      const named = servers[name].addressesOf(process.env[servers[name].variable]!).map(({ host, port }) => `${host}:${port}`)
      assert.strictEqual(address, named.join(","))
    }
  })

  it.runIf(await areOurs(["redis"]))("brings a killed Redis back on the same port, with its data", async () => {
    const [before] = await status(["redis"])
    const key = `stack:${randomUUID()}`
    await onRedis((redis) => redis.call("SET", key, "kept"))

    await stop("redis", "SIGKILL")
    try {
      assert.isFalse((await status(["redis"]))[0]?.up)
      assert.instanceOf(await onRedis((redis) => redis.ping).catch((error) => error), Error)
    } finally {
      await restart("redis")
    }

    const [after] = await status(["redis"])
    assert.deepStrictEqual({ ...after, pid: 0 }, { ...before!, pid: 0 })
    assert.strictEqual(await onRedis((redis) => redis.call("GET", key)), "kept")
    await onRedis((redis) => redis.call("DEL", key))
  })
  it.runIf((await status()).every(({ source }) => source === "native"))(
    "comes up in a checkout whose path holds spaces and more than ASCII, whatever the locale",
    () => {
      const folder = mkdtempSync(join(tmpdir(), "sluice-sp ace ümlaut-"))
      const stack = (...args: ReadonlyArray<string>) =>
        spawnSync(process.execPath, [join(folder, "packages/testkit/src/stack/main.ts"), ...args], {
          encoding: "utf8",
          env: { PATH: process.env.PATH, HOME: process.env.HOME, XDG_CACHE_HOME: process.env.XDG_CACHE_HOME ?? "" }
        })
      try {
        for (const file of ["packages/testkit/package.json", "packages/testkit/src/stack", "package.json"]) {
          cpSync(join(root, file), join(folder, file), { recursive: true })
        }
        symlinkSync(join(root, "node_modules"), join(folder, "node_modules"))
        const { status, stderr } = stack("up", "--source", "native")
        assert.deepStrictEqual([status, stderr], [0, ""])
      } finally {
        stack("down", "--purge")
        rmSync(folder, { recursive: true })
      }
    }
  )
})
