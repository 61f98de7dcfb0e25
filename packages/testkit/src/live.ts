/**
 * The real servers that the environment names, for tests that need them.
 *
 * `npm test` sets the names. Without them such a test is skipped where a person runs it by hand, and fails where CI does.
 */
import { describe, it } from "vitest"
import { isCi } from "./ci.ts"
import { type Name as Server, servers, status } from "./stack/index.ts"

const names = ["SLUICE_MARIADB_URL", "SLUICE_REDIS_URL", "SLUICE_KAFKA_BROKERS", "SLUICE_MONGODB_URL"] as const
type Name = (typeof names)[number]

/** Whether the servers are there; with CI=true a missing one is an error. */
export const isLive = (): boolean => {
  const missing = names.filter((name) => !process.env[name])
  if (missing.length > 0 && isCi()) throw new Error(`CI needs real servers: ${missing.join(", ")} not set`)
  return missing.length === 0
}

/**
 * Whether the servers are this checkout's own, which a test may stop, kill and freeze. Those that a variable names are somebody else's and
 * left alone; with CI=true that is an error.
 */
export const areOurs = async (only?: ReadonlyArray<Server>): Promise<boolean> => {
  if (!isLive()) return false
  const others = (await status(only)).filter(({ source }) => source !== "native" && source !== "compose")
  if (others.length > 0 && isCi()) {
    const variables = others.map(({ name }) => servers[name].variable).join(", ")
    throw new Error(`CI needs servers of this checkout, which tests may stop: unset ${variables} and run \`npm test\``)
  }
  return others.length === 0
}

/** Declares a suite that needs the servers; without them, one skipped test that says so. */
export const whenLive = async (suite: () => void | Promise<void>): Promise<void> => {
  if (isLive()) await suite()
  else describe.skip("needs real servers: run it by `npm test`", () => it("was not run", () => {}))
}

export const liveUrl = (name: Name): string => {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: run by \`npm test\`, or with the lines of \`npm run stack -- env\``)
  return value
}

/** What a Sluice process needs to stand on them. */
export const clusterEnv = (): Record<string, string> => ({
  SLUICE_ENGINES: "cluster",
  ...Object.fromEntries(names.map((name) => [name, liveUrl(name)]))
})
