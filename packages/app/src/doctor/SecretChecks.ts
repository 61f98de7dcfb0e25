/** Secrets that can be guessed, read by others, or serve for two things. Never says what one is. */
import { statSync } from "node:fs"
import { Redacted } from "effect"
import { adminKeyFile } from "../DataDir.ts"
import type { Settings } from "../Settings.ts"
import { type Finding, findings } from "./Finding.ts"

export interface Secret {
  readonly setting: string
  readonly value: string
}

export interface SecretFacts {
  readonly secrets: ReadonlyArray<Secret>
  /** Files with secrets, with their mode. */
  readonly files: ReadonlyArray<{ readonly path: string; readonly mode: number }>
  readonly isLoopback: boolean
  readonly provesUsers: boolean
}

const { ok, problem, warning } = findings("settings")

/** By how often each character occurs in it: a word again and again, or one of few letters, comes out low. */
const bitsOf = (secret: string): number => {
  const counts = new Map<string, number>()
  for (const character of secret) counts.set(character, (counts.get(character) ?? 0) + 1)
  return [...counts.values()].reduce((bits, n) => bits - n * Math.log2(n / secret.length), 0)
}

const known = /change.?me|password|passw0rd|secret.?key|example|your.?(admin|secret|key)|0123456789|abcdefgh|qwerty/i

/** A random key of 24 bytes in hexadecimal has about 180. */
const isWeak = (secret: string) => bitsOf(secret) < 90 || known.test(secret)

export const judgeSecrets = ({ files, isLoopback, provesUsers, secrets }: SecretFacts): ReadonlyArray<Finding> => {
  const found: Array<Finding> = []
  const random = (setting: string) => `${setting}=${setting === "SLUICE_TICKET_KEYS" ? "<kid>:" : ""}"$(openssl rand -hex 24)"`
  for (const { setting, value } of secrets) {
    found.push(
      isWeak(value)
        ? problem(setting, "it can be guessed: who guesses it may do what its holder may", random(setting))
        : ok(setting, "it is long and looks random")
    )
  }
  const twice = secrets.find(({ value }, i) => secrets.slice(0, i).some((other) => other.value === value))
  if (twice !== undefined) {
    found.push(warning(twice.setting, "the same secret is set for two things: who learns one has both", random(twice.setting)))
  }
  for (const { mode, path } of files) {
    if ((mode & 0o077) !== 0) {
      found.push(warning("secret file", `${path} can be read by other users of this host`, `chmod 600 ${path}`))
    }
  }
  if (!secrets.some(({ setting }) => setting === "SLUICE_ADMIN_KEY")) {
    found.push(ok("SLUICE_ADMIN_KEY", "not set: one is made for the data folder, for callers of this host"))
  }
  if (!isLoopback && !provesUsers) {
    found.push(
      warning(
        "users",
        "others can reach this address and say that they are any user",
        "set SLUICE_USER_SECRET or SLUICE_USER_JWKS, or let only a backend that you trust reach it"
      )
    )
  }
  return found
}

const secretsOf = ({ adminKey, ticketKeys, userSecret }: Settings): ReadonlyArray<Secret> => [
  ...(adminKey === undefined ? [] : [{ setting: "SLUICE_ADMIN_KEY", value: Redacted.value(adminKey) }]),
  ...ticketKeys.map(({ secret }) => ({ setting: "SLUICE_TICKET_KEYS", value: Redacted.value(secret) })),
  ...(userSecret === undefined ? [] : [{ setting: "SLUICE_USER_SECRET", value: Redacted.value(userSecret) }])
]

const modeOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.mode

export const examineSecrets = (settings: Settings, env: Readonly<Record<string, string | undefined>>): ReadonlyArray<Finding> => {
  const paths = Object.entries(env).flatMap(([name, path]) => (/^SLUICE_\w+_FILE$/.test(name) && path ? [path.trim()] : []))
  const files = [...paths, adminKeyFile(settings.dataDir)].flatMap((path) => {
    const mode = modeOf(path)
    return mode === undefined ? [] : [{ path, mode }]
  })
  return judgeSecrets({
    secrets: secretsOf(settings),
    files,
    isLoopback: ["localhost", "::1", "[::1]"].includes(settings.host) || settings.host.startsWith("127."),
    provesUsers: settings.userSecret !== undefined || settings.userJwks !== undefined
  })
}
