/** Events that were set aside as dead letters, over HTTP. */
import { DeadLetterList, DeadLetterTopic, ReplayReport } from "@sluice/coupons"
import { winsTopic } from "@sluice/domain"
import { Console, Effect, Option, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { count, plain, json as printJson, table } from "./Output.ts"
import * as Remote from "./Remote.ts"

const limit = (maximum: number, description: string) =>
  Flag.Int("limit").pipe(
    Flag.withAlias("n"),
    Flag.withDescription(description),
    Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum })))
  )

const common = {
  url: Remote.url,
  json: Remote.json,
  topic: Flag.Literals("topic", DeadLetterTopic.literals).pipe(
    Flag.withDescription("Where the events came from"),
    Flag.withDefault(winsTopic)
  )
}

const query = (topic: string, limit?: number) => new URLSearchParams({ topic, ...(limit && { limit: String(limit) }) })

const list = Command.make(
  "list",
  { ...common, limit: limit(1000, "How many at most, the oldest first").pipe(Flag.withDefault(100)) },
  Effect.fnUntraced(function* ({ json, limit, topic, url }) {
    const path = `/admin/dead-letters?${query(topic, limit)}`
    const { deadLetters, total } = yield* Remote.callAsAdmin(url, { method: "GET", path }, DeadLetterList)
    if (json) return yield* printJson({ topic, total, deadLetters })
    if (total === 0) return yield* Console.log(`no dead letters of ${topic}`)
    yield* Console.log(
      table(
        ["FAILED AT", "KEY", "ATTEMPTS", "ORIGIN", "REASON"],
        deadLetters.map((letter) => [letter.failedAt, letter.key, letter.attempts, letter.origin, letter.reason])
      )
    )
    if (total > deadLetters.length) yield* Console.error(`${count(deadLetters.length)} of ${count(total)} shown; see --limit`)
  })
).pipe(
  Command.withDescription("List events that could not be applied, each with its reason"),
  Command.withExamples([
    { command: "sluice dlq list", description: "The oldest 100" },
    { command: "sluice dlq list --json | jq '.deadLetters[].value'", description: "Their values" }
  ])
)

const replay = Command.make(
  "replay",
  { ...common, limit: limit(1_000_000, "How many at most; without it all that are there now").pipe(Flag.optional) },
  Effect.fnUntraced(function* ({ json, limit, topic, url }) {
    const path = `/admin/dead-letters/replay?${query(topic, Option.getOrUndefined(limit))}`
    const report = yield* Remote.callAsAdmin(url, { method: "POST", path }, ReplayReport)
    if (json) yield* printJson(report)
    else yield* Console.log(`${count(report.replayed)} brought back to ${topic}, ${count(report.remaining)} dead letters remain`)
    if (report.refused.length === 0) return
    const each = report.refused.map(({ key, origin, reason }) => `  ${plain(key)}, from ${origin}: ${reason}`)
    return yield* new Remote.RemoteError({
      message: [`${count(each.length)} can't be brought back, and stay dead letters:`, ...each].join("\n")
    })
  })
).pipe(
  Command.withDescription(
    "Bring dead letters back to their topic, at least once each; what fails again is set aside again. Exits with 1 when one can't be brought back; the others are"
  ),
  Command.withExamples([
    { command: "sluice dlq replay --limit 1", description: "Try one" },
    { command: "sluice dlq replay", description: "All" }
  ])
)

export const dlq = Command.make("dlq").pipe(
  Command.withDescription("Dead letters of a running Sluice: events set aside after bounded retries"),
  Command.withExamples([
    { command: "sluice dlq list", description: "What could not be applied, and why" },
    { command: "sluice dlq replay", description: "Once the reason is mended" }
  ]),
  Command.withSubcommands([list, replay])
)
