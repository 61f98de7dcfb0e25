/**
 * Looks at everything a Sluice of these settings would stand on, and says of each what it means and how to mend it.
 *
 * Whatever is tried at an engine has a name of its own and is taken away again. Each engine is asked for a bounded time, all at once. No
 * finding carries a password or another secret.
 */
import { Clock, Effect, Redacted } from "effect"
import { readSettings, type Settings, type SettingsError } from "../Settings.ts"
import { dataFolder } from "./DataFolderChecks.ts"
import { type Finding, findings } from "./Finding.ts"
import { examineHost } from "./HostChecks.ts"
import { kafkaEngine } from "./KafkaChecks.ts"
import { mariaDbEngine } from "./MariaDbChecks.ts"
import { mongoDbEngine } from "./MongoDbChecks.ts"
import { redisEngines } from "./RedisChecks.ts"
import { examineSecrets } from "./SecretChecks.ts"
import { type Engine, reasonOf } from "./Trying.ts"

type Env = Readonly<Record<string, string | undefined>>

const patience = "15 seconds"

const enginesOf = ({ dataDir, engines, orderView }: Settings): ReadonlyArray<Engine> =>
  engines.kind === "embedded"
    ? [dataFolder(dataDir)]
    : [
        ...redisEngines(engines.redis),
        kafkaEngine(engines.kafka),
        mariaDbEngine(engines.mariadb),
        ...(orderView === "mongodb" ? [mongoDbEngine(engines.mongodb)] : [])
      ]

/** What keeps one from an engine, by what it says of it. */
export const judgeUnreachable = ({ about, address, setting, userSetting = setting }: Engine, reason: string): Finding => {
  const { problem } = findings(about)
  if (/unknown database/i.test(reason)) {
    return problem(
      "reachable",
      `${address} answers, and the database is not there: ${reason}`,
      "CREATE DATABASE <name> CHARACTER SET utf8mb4;"
    )
  }
  if (/access denied.*to database/i.test(reason)) {
    return problem(
      "reachable",
      `${address} lets the user in, but not into the database: ${reason}`,
      "GRANT ALL ON <database>.* TO <user>;"
    )
  }
  if (/access denied|auth|noperm|wrongpass|not authorized|password/i.test(reason)) {
    return problem(
      "reachable",
      `${address} refuses the user: ${reason}`,
      `set user and password in ${userSetting}, or in the file that ${userSetting}_FILE names`
    )
  }
  return problem("reachable", `${address} does not answer: ${reason}`, `start it, or name a running one in ${setting}`)
}

const examine = (engine: Engine): Effect.Effect<ReadonlyArray<Finding>> =>
  Effect.gen(function* () {
    const startedAt = yield* Clock.currentTimeMillis
    const found = yield* engine.examine
    const ms = (yield* Clock.currentTimeMillis) - startedAt
    return [findings(engine.about).ok("reachable", `${engine.address} answered everything within ${ms} ms`), ...found]
  }).pipe(
    Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.fail(`no answer within ${patience}`) }),
    Effect.catch((error) => Effect.succeed([judgeUnreachable(engine, reasonOf(error))]))
  )

const engineNames = /^SLUICE_(ENGINES|DATA_DIR|ORDER_VIEW|MARIADB_URL|REDIS_URL|MONGODB_URL|KAFKA_[A-Z_]+?)(_FILE)?$/

/** The settings, or of wrong ones what they say about engines: the engines can be looked at all the same. */
const settingsOf = (env: Env) =>
  readSettings(env).pipe(
    Effect.map((settings) => ({ settings, problems: [] as ReadonlyArray<string> })),
    Effect.catch((error: SettingsError) =>
      readSettings(Object.fromEntries(Object.entries(env).filter(([name]) => engineNames.test(name)))).pipe(
        Effect.catch(() => Effect.succeed(undefined)),
        Effect.map((settings) => ({ settings, problems: error.problems }))
      )
    )
  )

/** What the complaint of a setting itself proposes. */
export const mendOf = (complaint: string): string => {
  const name = /^SLUICE_[A-Z_]+/.exec(complaint)?.[0]
  const [, command] = /for example from `([^`]+)`/.exec(complaint) ?? []
  if (name !== undefined && command !== undefined) return `${name}="$(${command})"`
  const [, meant] = /is (SLUICE_[A-Z_]+) meant\?/.exec(complaint) ?? []
  if (name !== undefined && meant !== undefined) return `unset ${name}, and set ${meant}`
  const [, example] = /for example (SLUICE_\S.*)$/.exec(complaint) ?? []
  return example ?? "set it as README.md says (Settings)"
}

/** Every text that must not be shown: passwords in addresses as they stand and as they are meant, and keys. */
const secretTexts = (env: Env, settings: Settings | undefined): ReadonlyArray<string> => {
  const urls =
    settings?.engines.kind === "cluster" ? [settings.engines.mariadb, settings.engines.mongodb, ...settings.engines.redis] : []
  const passwords = urls.flatMap((url) => {
    const raw = /^[^:]+:\/\/[^/@]*?:([^@/]*)@/.exec(Redacted.value(url))?.[1] ?? ""
    return [raw, decodeURIComponent(raw)]
  })
  const sasl = settings?.engines.kind === "cluster" ? settings.engines.kafka.sasl : undefined
  if (sasl !== undefined) passwords.push(Redacted.value(sasl.password))
  const keys = ["SLUICE_ADMIN_KEY", "SLUICE_TICKET_KEYS", "SLUICE_USER_SECRET"].flatMap((name) => env[name]?.trim() ?? [])
  return [...passwords, ...keys].filter((text) => text.length >= 4).sort((a, b) => b.length - a.length)
}

export const diagnose = (env: Env): Effect.Effect<ReadonlyArray<Finding>> =>
  Effect.gen(function* () {
    const { problems, settings } = yield* settingsOf(env)
    const { ok, problem } = findings("settings")
    const ofSettings =
      problems.length === 0
        ? [ok("understood", `engines: ${settings?.engines.kind}; roles: ${settings?.roles.join(", ")}`)]
        : problems.map((text) => problem("understood", text, mendOf(text)))
    const found =
      settings === undefined
        ? []
        : yield* Effect.all(
            [Effect.succeed(examineSecrets(settings, env)), examineHost(settings), ...enginesOf(settings).map(examine)],
            { concurrency: "unbounded" }
          )
    const secrets = secretTexts(env, settings)
    const clean = (text: string) => secrets.reduce((cleaned, secret) => cleaned.replaceAll(secret, "***"), text)
    return [...ofSettings, ...found.flat()].map((finding) => ({
      ...finding,
      means: clean(finding.means),
      ...(finding.mend === undefined ? {} : { mend: clean(finding.mend) })
    }))
  })
