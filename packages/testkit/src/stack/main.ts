/** `npm run stack -- up|down|status|env`: the four real servers for this checkout. */

import { parseArgs } from "node:util"
import { down, env, type Name, names, type Outcome, servers, status, up } from "./index.ts"

const usage = `usage: npm run stack -- <command>

  up      brings MariaDB, Redis, Kafka and MongoDB up for this checkout: those that the variables name, else containers where
          Docker answers, else native programs
            --only <names>       some of them: ${names.join(",")}
            --source <source>    native or compose, instead of what was found
  down    ends them and keeps their data
            --only <names>
            --purge              deletes the data too
  status  where each of them is; exit code 1 unless all are up (--json)
  env     the export lines: eval "$(npm run -s stack -- env)"
`

class UsageError extends Error {}

const tell = (line: string) => console.error(line)

const parse = () => {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        only: { type: "string" },
        source: { type: "string" },
        purge: { type: "boolean" },
        json: { type: "boolean" },
        help: { type: "boolean", short: "h" }
      }
    })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

const namesOf = (list: string | undefined): ReadonlyArray<Name> =>
  list === undefined
    ? names
    : list.split(",").map((part) => {
        const name = names.find((candidate) => candidate === part.trim())
        if (name === undefined) throw new UsageError(`--only: ${JSON.stringify(part)} is none of ${names.join(", ")}`)
        return name
      })

const sourceOf = (source: string | undefined): "compose" | "native" | undefined => {
  if (source === undefined || source === "compose" || source === "native") return source
  throw new UsageError(`--source: ${JSON.stringify(source)} is neither native nor compose`)
}

const line = (...cells: ReadonlyArray<string>) => {
  const widths = [8, 8, 10, 22]
  return cells
    .map((cell, i) => cell.padEnd(widths[i] ?? 0))
    .join(" ")
    .trimEnd()
}

const report = ({ address = "", error, ms, name, source, started, version = "" }: Outcome) => {
  if (error !== undefined) console.error(`${name.padEnd(8)} failed: ${error.message}`)
  else
    console.log(
      line(name, source ?? "", version, address, started ? `ready after ${(ms / 1000).toFixed(1)} s` : "was up already")
    )
}

const showStatus = async (json: boolean) => {
  const all = await status()
  if (json) console.log(JSON.stringify(all, null, 2))
  else
    for (const it of all) {
      const state = it.up ? (it.pid === null ? "up" : `up, process ${it.pid}`) : "down"
      console.log(line(it.name, it.source ?? "", it.version ?? "", it.address ?? "", state))
    }
  return all.every((it) => it.up) ? 0 : 1
}

const quoted = (value: string) => `'${value.replaceAll("'", `'\\''`)}'`

const showEnv = () => {
  const variables = env()
  for (const [variable, value] of Object.entries(variables)) console.log(`export ${variable}=${quoted(value)}`)
  const missing = names.filter((name) => !(servers[name].variable in variables))
  if (missing.length > 0) console.error(`Not brought up yet: ${missing.join(", ")}\n  fix: npm run stack -- up`)
  return missing.length === 0 ? 0 : 1
}

const main = async (): Promise<number> => {
  const { positionals, values } = parse()
  const [command, ...rest] = positionals
  if (values.help) {
    console.log(usage)
    return 0
  }
  if (rest.length > 0) throw new UsageError(`${rest.join(" ")} is too much`)
  const only = namesOf(values.only)
  switch (command) {
    case "up": {
      const outcomes = await up({ only, source: sourceOf(values.source), tell, onSettled: report })
      return outcomes.every(({ error }) => error === undefined) ? 0 : 1
    }
    case "down": {
      if (values.purge && values.only !== undefined) throw new UsageError("--purge deletes all of the stack; leave --only away")
      const ended = await down({ only, purge: values.purge ?? false, tell })
      console.log(ended.length === 0 ? "nothing was up" : `ended: ${ended.join(", ")}`)
      return 0
    }
    case "status":
      return showStatus(values.json ?? false)
    case "env":
      return showEnv()
    default:
      throw new UsageError(command === undefined ? "a command is missing" : `there is no command ${JSON.stringify(command)}`)
  }
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof Error)) throw error
  console.error(error instanceof UsageError ? `${error.message}\n\n${usage}` : error.message)
  process.exitCode = error instanceof UsageError ? 2 : 1
}
