/** Scenario 2: a crowd for too few coupons, and the server killed in the middle of it. */
import { count } from "../commands/Output.ts"
import type { Report } from "../rush/Report.ts"
import type { Seen } from "./Demo.ts"
import { progress } from "./Screen.ts"
import { DemoFailure, type Running, type Stage } from "./Stage.ts"

export const campaignId = "demo"

interface Counters {
  readonly issued: number
  readonly remaining: number
  readonly waiting: number
}

export interface Drop {
  readonly seen: ReadonlyArray<Seen>
  /** Of the server that runs now. */
  readonly server: Running
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

export const drop = async (stage: Stage, { stock, users }: { readonly stock: number; readonly users: number }): Promise<Drop> => {
  const { json, query, screen, serve, sluice, url } = stage
  screen.title(`Drop: ${count(users)} users for ${count(stock)} coupons, the server killed in the middle`)
  let server = await serve()
  const rate = Math.max(1, Math.round(stock / 5))
  await json(["campaign", "create", campaignId, "--stock", String(stock), "--rate", String(rate)])
  screen.step(`a server at ${url}, a campaign that admits ${count(rate)} a second`)

  const counters = (): Promise<Counters | undefined> =>
    fetch(`${url}/campaigns/${campaignId}`).then(
      (answer) => (answer.ok ? (answer.json() as Promise<Counters>) : undefined),
      () => undefined
    )
  const crowd = sluice(
    `rush --campaign ${campaignId} --no-create --users ${users} --rate ${Math.ceil(users / 3)} --seed 1 --json`.split(" ")
  )
  let isOver = false
  void crowd.ended.then(() => (isOver = true))
  let atKill: number | undefined
  let away = 0
  while (!isOver) {
    const now = await counters()
    if (now !== undefined) {
      screen.live(progress(now.issued / stock, `${count(now.issued)} of ${count(stock)} issued, ${count(now.waiting)} waiting`))
      if (atKill === undefined && now.issued >= stock / 3 && now.issued < stock) {
        await server.kill("SIGKILL")
        const diedAt = Date.now()
        atKill = query<{ n: number }>("SELECT COUNT(*) AS n FROM issuances")[0]!.n
        screen.step(`the server is killed by SIGKILL: ${count(atKill)} coupons are issued, the crowd goes on asking`)
        server = await serve()
        away = Date.now() - diedAt
        screen.step(`the server is back after ${(away / 1000).toFixed(1)} s`)
      }
    }
    await pause(100)
  }
  if (atKill === undefined) throw new DemoFailure("the coupons were gone before the server could be killed")
  const end = await crowd.ended
  if (end !== 0 && end !== 1) throw new DemoFailure(`sluice rush ended with ${end}: ${crowd.errors().trim()}`)
  const report = JSON.parse(crowd.output()) as Report
  const [found] = query<{ n: number; serials: number; first: number; last: number; holders: number }>(
    `SELECT COUNT(*) AS n, COUNT(DISTINCT serial) AS serials, MIN(serial) AS first, MAX(serial) AS last,
      COUNT(DISTINCT user_id) AS holders FROM issuances WHERE campaign_id = '${campaignId}'`
  )
  const { first, holders, last, n, serials } = found!
  screen.step(`${count(report.progress.joined)} joined, ${count(n)} coupons are issued`)
  return {
    server,
    seen: [
      {
        scenario: "drop",
        promise: `exactly ${count(stock)} coupons, no serial twice, one a user`,
        seen: `${count(n)} rows, serials ${first} to ${last} (${count(serials)} different), ${count(holders)} holders`,
        kept: n === stock && serials === stock && first === 1 && last === stock && holders === stock
      },
      {
        scenario: "drop",
        promise: "everybody has a place, though the server was killed",
        seen: `${count(report.progress.joined)} of ${count(users)} joined, killed at ${count(atKill)} issued, away ${(away / 1000).toFixed(1)} s`,
        kept: report.progress.joined === users && report.complete
      },
      ...report.verdicts
        .filter(({ promise }) => promise !== 1)
        .map(({ detail, outcome, title }) => ({ scenario: "drop", promise: title, seen: detail, kept: outcome === "pass" }))
    ]
  }
}
