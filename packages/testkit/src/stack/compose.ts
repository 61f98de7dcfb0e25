/** The servers of `docker-compose.yml`, as a project of this checkout: no other one shares its containers, volumes or ports. */

import { join } from "node:path"
import { id, type Name, names, type Record, readRecord, root } from "./checkout.ts"
import { findProgram, run } from "./processes.ts"

const answers = async (program: string, ...args: Array<string>): Promise<boolean> => {
  try {
    await run({ program, args }, { timeoutMs: 5000 })
    return true
  } catch {
    return false
  }
}

const findEngine = async (): Promise<ReadonlyArray<string> | undefined> => {
  const docker = findProgram("docker")
  if (docker === undefined || !(await answers(docker, "info"))) return undefined
  if (await answers(docker, "compose", "version")) return [docker, "compose"]
  const standalone = findProgram("docker-compose")
  return standalone !== undefined && (await answers(standalone, "version")) ? [standalone] : undefined
}

let found: ReturnType<typeof findEngine> | undefined

/** How compose is called here; undefined where no container engine answers. */
export const engine = () => (found ??= findEngine())

const environment = (records: Partial<{ readonly [name in Name]: Record }>) =>
  Object.fromEntries(
    names.flatMap((name) => {
      const record = records[name] ?? readRecord(name)
      if (record?.source !== "compose") return []
      const port: Array<[string, string]> = [[`STACK_${name.toUpperCase()}_PORT`, String(record.port)]]
      return name === "mariadb" ? [...port, ["STACK_MARIADB_PASSWORD", record.password]] : port
    })
  )

let turn: Promise<unknown> = Promise.resolve()

/** One call at a time: two at once would both make the project's network. */
const compose = (args: ReadonlyArray<string>, records: Partial<{ readonly [name in Name]: Record }> = {}): Promise<string> => {
  const call = async () => {
    const [program = "docker", ...first] = (await engine()) ?? ["docker", "compose"]
    const project = ["-p", `sluice-${id}`, "-f", join(root, "docker-compose.yml")]
    return run({ program, args: [...first, ...project, ...args], env: environment(records) })
  }
  const called = turn.then(call)
  turn = called.catch(() => {})
  return called
}

export const start = (name: Name, record: Record) => compose(["up", "-d", "--no-deps", name], { [name]: record })
export const stop = (services: ReadonlyArray<Name>) => compose(["stop", "-t", "20", ...services])
export const kill = (name: Name, signal: NodeJS.Signals) => compose(["kill", "-s", signal, name])
export const remove = (name: Name) => compose(["rm", "-sf", name])
export const purge = () => compose(["down", "-v", "--remove-orphans"])
export const hasContainer = async (name: Name) => (await compose(["ps", "-q", name])).trim() !== ""
