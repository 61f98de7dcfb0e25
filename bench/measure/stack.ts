/**
 * Where the real servers are: those that the environment names, else those of `npm run stack`, brought up if they are not.
 */
import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"

const names = ["SLUICE_MARIADB_URL", "SLUICE_KAFKA_BROKERS", "SLUICE_MONGODB_URL"] as const

export type StackEnv = Readonly<Record<(typeof names)[number], string>>

const complete = (env: Readonly<Record<string, string | undefined>>): StackEnv | undefined => {
  const found = Object.fromEntries(names.flatMap((name) => (env[name] ? [[name, env[name]]] : [])))
  return names.every((name) => name in found) ? (found as StackEnv) : undefined
}

const main = fileURLToPath(new URL("../../packages/testkit/src/stack/main.ts", import.meta.url))

const stack = (command: string) =>
  execFileSync(process.execPath, [main, command], { stdio: ["ignore", "pipe", "inherit"] }).toString()

const unquoted = (value: string) => value.replace(/^(['"])(.*)\1$/, "$2")

export const stackEnv = (): StackEnv => {
  const named = complete(process.env)
  if (named !== undefined) return named
  stack("up")
  const lines = stack("env").matchAll(/^export (\w+)=(.*)$/gm)
  const env = complete(Object.fromEntries([...lines].map(([, name, value]) => [name!, unquoted(value!)])))
  if (env === undefined) throw new Error(`npm run stack -- env does not name all of ${names.join(", ")}`)
  return env
}
