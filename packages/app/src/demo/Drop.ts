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

interface Issued {
  readonly serial: number
  readonly user_id: string
  readonly code: string
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
  const issued = () =>
    query<Issued>(`SELECT serial, user_id, code FROM issuances WHERE campaign_id = '${campaignId}' ORDER BY serial`)
  let before: ReadonlyArray<Issued> | undefined
  let away = 0
  while (!isOver) {
    const now = await counters()
    if (now !== undefined) {
      screen.live(progress(now.issued / stock, `${count(now.issued)} of ${count(stock)} issued, ${count(now.waiting)} waiting`))
      if (before === undefined && now.issued >= stock / 3 && now.issued < stock) {
        await server.kill("SIGKILL")
        const diedAt = Date.now()
        before = issued()
        screen.step(`the server is killed by SIGKILL: ${count(before.length)} coupons are issued, the crowd goes on asking`)
        server = await serve()
        away = Date.now() - diedAt
        screen.step(`the server is back after ${(away / 1000).toFixed(1)} s`)
      }
    }
    await pause(100)
  }
  if (before === undefined) throw new DemoFailure("the coupons were gone before the server could be killed")
  const end = await crowd.ended
  if (end !== 0 && end !== 1) throw new DemoFailure(`sluice rush ended with ${end}: ${crowd.errors().trim()}`)
  const report = JSON.parse(crowd.output()) as Report
  const after = issued()
  const serials = new Set(after.map(({ serial }) => serial))
  const holders = new Set(after.map(({ user_id }) => user_id))
  const bySerial = new Map(after.map((coupon) => [coupon.serial, coupon]))
  const same = before.filter(({ code, serial, user_id }) => {
    const now = bySerial.get(serial)
    return now?.user_id === user_id && now.code === code
  }).length
  const [first, last] = [after[0]?.serial, after.at(-1)?.serial]
  screen.step(`${count(report.progress.joined)} joined, ${count(after.length)} coupons are issued`)
  return {
    server,
    seen: [
      {
        scenario: "drop",
        promise: `exactly ${count(stock)} coupons, no serial twice, one a user`,
        seen: `${count(after.length)} rows, serials ${first} to ${last}, ${count(serials.size)} different, ${count(holders.size)} holders`,
        kept: [after.length, serials.size, last, holders.size].every((n) => n === stock) && first === 1
      },
      {
        scenario: "drop",
        promise: "everybody has a place, though the server was killed",
        seen: `${count(report.progress.joined)} of ${count(users)} joined, server away for ${(away / 1000).toFixed(1)} s`,
        kept: report.progress.joined === users && report.complete
      },
      {
        scenario: "drop",
        promise: "nothing that was issued is taken back",
        seen: `${count(same)} of ${count(before.length)} issued before the SIGKILL are unchanged`,
        kept: same === before.length && before.length > 0
      },
      ...report.verdicts
        .filter(({ promise }) => promise !== 1)
        .map(({ detail, outcome, title }) => ({ scenario: "drop", promise: title, seen: detail, kept: outcome === "pass" }))
    ]
  }
}
