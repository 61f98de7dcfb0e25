import { randomUUID } from "node:crypto"
import { mkdtempSync, readdirSync, readFileSync, truncateSync } from "node:fs"
import { tmpdir } from "node:os"
import { join as path } from "node:path"
import type { CampaignView } from "@sluice/domain"
import { join, judge, type Member, waitForAll } from "@sluice/testkit/crowd"
import { clusterEnv, isLive } from "@sluice/testkit/live"
import { call, eventually, type SluiceProcess, startSluice, stopAll } from "@sluice/testkit/processes"
import { dataFolder, type Name, pause, restart, resume, stop } from "@sluice/testkit/stack/index"
import { afterEach, assert, describe, it } from "vitest"

const broken = new Set<Name>()

afterEach(async () => {
  await stopAll()
  for (const name of broken) {
    await resume(name).catch(() => {})
    await restart(name)
  }
  broken.clear()
})

const stock = 150

/** Asks all the time what users ask; whatever happens, the answers are answers: in time, and never a 500. */
const watch = (url: string, id: string) => {
  const statuses = new Map<number, number>()
  let slowestMs = 0
  let isOver = false
  const asking = (async () => {
    for (let i = 0; !isOver; i++) {
      const asked = performance.now()
      const { status } = await call(`${url}/campaigns/${id}/tickets`, "POST", { userId: `watcher${i}` })
      slowestMs = Math.max(slowestMs, performance.now() - asked)
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  })()
  return async () => {
    isOver = true
    await asking
    assert.isTrue(
      [...statuses.keys()].every((status) => [200, 202, 503].includes(status)),
      JSON.stringify([...statuses])
    )
    assert.isBelow(slowestMs, 12_000)
    return statuses
  }
}

interface Drop {
  readonly sluice: SluiceProcess
  readonly id: string
  readonly members: ReadonlyArray<Member>
}

/** A drop that has issued some of its stock when `fault` strikes; in the end every promise holds. */
const through = async (fault: (drop: Drop) => Promise<void>) => {
  const sluice = await startSluice({
    env: { ...clusterEnv(), SLUICE_DATA_DIR: mkdtempSync(path(tmpdir(), "sluice-e2e-")), SLUICE_RECOVERY_HOLD: "3 seconds" }
  })
  const { url } = sluice
  const id = `fault-${randomUUID().slice(0, 8)}`
  await call(`${url}/campaigns`, "POST", { id, name: "Fault", stock, ratePerSecond: 40, paused: true }, true)
  const members = await join([url], id, 300)
  await call(`${url}/campaigns/${id}`, "PATCH", { paused: false }, true)
  await eventually("some are issued", async () => (await call<CampaignView>(`${url}/campaigns/${id}`)).body.issued >= 20)
  const over = watch(url, id)
  await fault({ sluice, id, members })
  await waitForAll([url], id, members, 90_000)
  const statuses = await over()
  assert.deepStrictEqual((await judge(url, id, stock, members)).broken, [])
  await eventually("the counters have settled", async () => {
    const { body } = await call<CampaignView>(`${url}/campaigns/${id}`)
    return body.issued === stock && body.issuing + body.remaining + body.dead === 0
  })
  return { statuses, output: sluice.output() }
}

const seconds = (n: number) => new Promise((resolve) => setTimeout(resolve, n * 1000))

const killed = async (name: Name, away: number) => {
  broken.add(name)
  await stop(name, "SIGKILL")
  await seconds(away)
  await restart(name)
}

/** Takes away what Redis has written since before this user had a place. */
const cutBefore = (id: string, { seq }: Member) => {
  const folder = path(dataFolder("redis"), "appendonlydir")
  const cuts = readdirSync(folder)
    .filter((name) => name.endsWith(".incr.aof"))
    .flatMap((name) => {
      const written = readFileSync(path(folder, name))
      const room = written.indexOf(`sluice:{${id}}:w`)
      const place = room < 0 ? -1 : written.indexOf(`\r\n${seq}\r\n`, room)
      return place < 0 ? [] : [{ name, place }]
    })
  assert.lengthOf(cuts, 1, "the place is written once")
  truncateSync(path(folder, cuts[0]!.name), cuts[0]!.place)
}

describe.runIf(isLive())("faults of the servers in the middle of a drop", () => {
  it("Kafka killed, away for a while, and back", async () => {
    await through(async () => killed("kafka", 8))
  })

  it("MariaDB killed, away for a while, and back", async () => {
    await through(async () => killed("mariadb", 5))
  })

  it("Redis killed and back with what it had written", async () => {
    const { output, statuses } = await through(async () => killed("redis", 2))
    assert.isAbove(statuses.get(503) ?? 0, 0)
    assert.include(output, "lost its state")
  })

  it("Redis killed, and the end of its append-only file lost", async () => {
    const { output } = await through(async ({ id, members }) => {
      broken.add("redis")
      await stop("redis", "SIGKILL")
      // The room comes back, but knows only the first 100 of the crowd, and of nobody who has won.
      cutBefore(id, members[100]!)
      await restart("redis")
    })
    assert.include(output, "lost its state")
  })

  it("Redis silent for a while: callers are told within seconds", async () => {
    const { statuses } = await through(async () => {
      broken.add("redis")
      await pause("redis")
      await seconds(5)
      await resume("redis")
    })
    assert.isAbove(statuses.get(503) ?? 0, 0)
  })
})
