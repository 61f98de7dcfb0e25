/**
 * The waiting room on Redis 7: each call one script for many users, atomic, in the campaign's own hash slot, by Redis' own clock.
 *
 * Nothing expires and nothing is kept in the process. A room remembers which server process wrote it (`run_id`): after a restart or a
 * failover it answers `NotLoaded`, because the end of its state may be lost even where most of it came back.
 */

import { readFileSync } from "node:fs"
import type { Campaign, CampaignId } from "@sluice/domain"
import { Redis } from "@sluice/engines"
import { Effect, Layer } from "effect"
import {
  NotLoaded,
  type Place,
  publishLeaseMs,
  type Standing,
  type Standings,
  settleLeaseMs,
  WaitingRoom,
  WaitingRoomError,
  type Win
} from "./WaitingRoom.ts"

const source = (name: string) => readFileSync(new URL(`./redis/${name}.lua`, import.meta.url), "utf8")

/** All keys of a campaign, in the order in which the scripts name them. */
const keysOf = (id: CampaignId): ReadonlyArray<string> =>
  ["c", "w", "s", "u", "d", "f", "lock", "ls", "lf", "ln"].map((part) => `sluice:{${id}}:${part}`)

const textOf = (win: Win) => `${win.serial}:${win.seq}:${win.userId}`

const winOf = (text: string): Win => {
  const first = text.indexOf(":")
  const second = text.indexOf(":", first + 1)
  return { serial: Number(text.slice(0, first)), seq: Number(text.slice(first + 1, second)), userId: text.slice(second + 1) }
}

const flat = (places: ReadonlyArray<Place>): Array<string | number> => places.flatMap(({ userId, seq }) => [userId, seq])

const standingOf = (code: number, a: number, b: number): Standing => {
  switch (code) {
    case 0:
    case 1:
      return { state: "waiting", seq: a, position: b, isNew: code === 0 }
    case 2:
      return { state: "won", seq: a, serial: b }
    case 3:
      return { state: "sold_out" }
    case 4:
      return { state: "not_open" }
    case 5:
      return { state: "closed" }
    case 6:
      return { state: "full" }
    default:
      return { state: "left" }
  }
}

type Reply = ReadonlyArray<number | string>

const standingsOf = (reply: Reply): Standings => {
  const standings: Array<Standing> = []
  for (let i = 3; i < reply.length; i += 3) {
    standings.push(standingOf(Number(reply[i]), Number(reply[i + 1]), Number(reply[i + 2])))
  }
  const rate = Number(reply[2])
  return { pace: { nowMs: Number(reply[0]), remaining: Number(reply[1]), ratePerSecond: rate < 0 ? null : rate }, standings }
}

const definition = (campaign: Campaign) => [
  campaign.generation,
  campaign.revision,
  campaign.stock,
  campaign.ratePerSecond,
  campaign.opensAtMs ?? 0,
  campaign.closesAtMs ?? 0,
  campaign.paused ? 1 : 0,
  campaign.maxWaiting ?? 0
]

const make = Effect.gen(function* () {
  const redis = yield* Redis
  const room = source("room")
  const define = (name: string) => {
    const script = redis.script(`sluice_${name}`, `${room}\n${source(name)}`)
    return (id: CampaignId, args: ReadonlyArray<string | number>): Effect.Effect<Reply | null, WaitingRoomError> =>
      redis.runId.pipe(
        Effect.flatMap((runId) => script(keysOf(id), [runId, ...args])),
        Effect.mapBoth({ onSuccess: (reply) => reply as Reply | null, onFailure: ({ cause }) => new WaitingRoomError({ cause }) })
      )
  }
  /** A script that answers nothing has found no room that it can trust. */
  const ask = (name: string) => {
    const script = define(name)
    return (id: CampaignId, args: ReadonlyArray<string | number>): Effect.Effect<Reply, NotLoaded | WaitingRoomError> =>
      Effect.flatMap(script(id, args), (reply) =>
        reply === null ? Effect.fail(new NotLoaded({ campaignId: id })) : Effect.succeed(reply)
      )
  }

  const join = ask("join")
  const look = ask("look")
  const leave = ask("leave")
  const admit = ask("admit")
  const acknowledge = ask("acknowledge")
  const overdue = ask("overdue")
  const settle = ask("settle")
  const restore = ask("restore")
  const counters = ask("counters")
  const unsettled = ask("unsettled")
  const configure = ask("configure")
  const begin = define("begin")
  const load = define("load")
  const finish = define("finish")

  return WaitingRoom.of({
    join: (id, users) => Effect.map(join(id, users), standingsOf),
    look: (id, places) => Effect.map(look(id, flat(places)), standingsOf),
    leave: (id, places) => Effect.asVoid(leave(id, flat(places))),
    admit: (id, limit) =>
      Effect.map(admit(id, [Math.min(limit, 1000), publishLeaseMs]), (reply) => {
        const wins: Array<Win> = []
        for (let i = 5; i < reply.length; i += 3) {
          wins.push({ serial: Number(reply[i]), seq: Number(reply[i + 1]), userId: String(reply[i + 2]) })
        }
        const [generation, nowMs, waiting, remaining, active] = reply.slice(0, 5).map(Number) as [
          number,
          number,
          number,
          number,
          number
        ]
        return { wins, generation, nowMs, waiting, remaining, active: active === 1 }
      }),
    acknowledge: (id, wins) =>
      wins.length === 0 ? Effect.void : Effect.asVoid(acknowledge(id, [settleLeaseMs, ...wins.map(textOf)])),
    overdue: (id, limit) =>
      Effect.map(overdue(id, [limit, publishLeaseMs]), ([generation, nowMs, unsettled, ...wins]) => ({
        generation: Number(generation),
        nowMs: Number(nowMs),
        unsettled: Number(unsettled),
        wins: wins.map((text) => winOf(String(text))).sort((a, b) => a.serial - b.serial)
      })),
    settle: (id, { issued = [], dead = [] }) =>
      issued.length + dead.length === 0
        ? Effect.succeed(0)
        : Effect.map(settle(id, [issued.length, ...issued.map(textOf), ...dead.map(textOf)]), Number),
    restore: (id, places) => (places.length === 0 ? Effect.void : Effect.asVoid(restore(id, flat(places)))),
    counters: (id) =>
      Effect.map(counters(id, []), (reply) => {
        const [nowMs, revision, stock, remaining, waiting, issuing, issued, dead] = reply.map(Number) as [
          number,
          number,
          number,
          number,
          number,
          number,
          number,
          number
        ]
        return { nowMs, revision, stock, remaining, waiting, issuing, issued, dead }
      }),
    unsettled: (id, limit) => Effect.map(unsettled(id, [limit]), (reply) => reply.map((text) => winOf(String(text)))),
    configure: (campaign) => Effect.asVoid(configure(campaign.id, definition(campaign))),
    begin: (id, owner, leaseMs) => Effect.map(begin(id, [owner, leaseMs]), (reply) => Number(reply) === 1),
    load: (id, owner, { issued, free }) => Effect.asVoid(load(id, [owner, issued.length, ...issued.map(textOf), ...free])),
    finish: (campaign, owner, holdMs) => Effect.asVoid(finish(campaign.id, [owner, holdMs, ...definition(campaign)])),
    ping: Effect.mapError(redis.ping, ({ cause }) => new WaitingRoomError({ cause }))
  })
})

export const layer: Layer.Layer<WaitingRoom, never, Redis> = Layer.effect(WaitingRoom, make)
