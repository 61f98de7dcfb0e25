/**
 * The four real servers for this checkout: those that the variables name, else containers, else native programs.
 *
 * `up` keeps what runs and brings back what does not, on the same data and, while they are free, the same ports. Only what was started
 * here is ever ended. A server that a variable names is taken as it is: looked at, never started, paused or ended.
 */

import { readFileSync } from "node:fs"
import { rm } from "node:fs/promises"
import {
  dataOf,
  folder,
  logOf,
  type Name,
  names,
  newPassword,
  type Record,
  readRecord,
  withLock,
  writeRecord
} from "./checkout.ts"
import * as compose from "./compose.ts"
import { kafka } from "./kafka.ts"
import { mariadb } from "./mariadb.ts"
import { mongodb } from "./mongodb.ts"
import type { Tell } from "./packages.ts"
import {
  canConnect,
  end,
  freePort,
  isRunning,
  lastLines,
  launch,
  StackError,
  signal,
  untilAnswered,
  within
} from "./processes.ts"
import { redis } from "./redis.ts"
import type { Server } from "./server.ts"

export { type Name, names } from "./checkout.ts"
export { StackError } from "./processes.ts"

export const servers: { readonly [name in Name]: Server } = { mariadb, redis, kafka, mongodb }

export type Source = "given" | Record["source"]

export interface UpOptions {
  readonly only?: ReadonlyArray<Name>
  /** Instead of containers where an engine answers, else native programs. */
  readonly source?: Record["source"] | undefined
  readonly tell?: Tell
  readonly onSettled?: (outcome: Outcome) => void
}

export interface Outcome {
  readonly name: Name
  /** Whether this call started it. */
  readonly started: boolean
  readonly ms: number
  readonly source?: Source
  readonly address?: string
  readonly version?: string
  readonly error?: Error
}

const startLimitMs = 120_000
const silent: Tell = () => {}

/** What the server's variable says, unless that is only what `env` gave out for a server of ours. */
const given = ({ name, valueOf, variable }: Server): string | undefined => {
  const value = process.env[variable]?.trim()
  if (!value) return undefined
  const record = readRecord(name)
  return record !== undefined && valueOf(record) === value ? undefined : value
}

const addressOfGiven = (server: Server, value: string) =>
  server
    .addressesOf(value)
    .map(({ host, port }) => `${host}:${port}`)
    .join(",")

const checkGiven = async (server: Server, value: string): Promise<void> => {
  for (const { host, port } of server.addressesOf(value)) {
    if (!(await canConnect(host, port))) {
      throw new StackError(
        `${server.variable} names ${host}:${port}, where nothing accepts connections`,
        `start that server, or unset ${server.variable} to have one made for this checkout`
      )
    }
  }
}

/** Waits until the server serves, or has ended. */
const serving = (server: Server, record: Record): Promise<string> =>
  untilAnswered(
    () => server.ask(record),
    startLimitMs,
    () => {
      if (record.process === undefined || isRunning(record.process)) return
      const log = logOf(server.name)
      throw new StackError(
        `${server.title} ended while starting; the end of ${log}:\n${lastLines(readFileSync(log, "utf8"), 15)}`
      )
    }
  )

const startNative = async (server: Server, record: Record, tell: Tell): Promise<string> => {
  writeRecord(server.name, record)
  const command = await server.prepare(record, tell)
  const running = { ...record, process: await launch(command, logOf(server.name)) }
  writeRecord(server.name, running)
  try {
    return await serving(server, running)
  } catch (error) {
    await end(running.process)
    throw error
  }
}

const startCompose = async (server: Server, record: Record): Promise<string> => {
  writeRecord(server.name, record)
  await compose.start(server.name, record)
  return serving(server, record)
}

const portsFor = async (name: Name, before: Record | undefined) => ({
  port: await freePort(before?.port),
  ...(name === "kafka" ? { controllerPort: await freePort(before?.controllerPort) } : {})
})

const start = async (server: Server, source: UpOptions["source"], tell: Tell): Promise<{ record: Record; version: string }> => {
  const { name } = server
  const before = readRecord(name)
  const password = before?.password ?? newPassword()
  const wanted = source ?? before?.source ?? "compose"
  if (wanted === "compose" && (await compose.engine()) !== undefined) {
    const keepsPort = before?.source === "compose" && (await compose.hasContainer(name))
    const record: Record = { source: "compose", password, ...(keepsPort ? { port: before.port } : await portsFor(name, before)) }
    try {
      return { record, version: await startCompose(server, record) }
    } catch (error) {
      if (source === "compose") throw error
      await compose.remove(name).catch(() => {})
      tell(`${name}: the container does not start, so a native one is tried: ${(error as Error).message}`)
    }
  } else if (source === "compose") throw new StackError("No container engine answers", "start Docker, or leave --source away")
  const record: Record = { source: "native", password, ...(await portsFor(name, before)) }
  return { record, version: await startNative(server, record, tell) }
}

/** The version of a server of ours that runs already. */
const runningVersion = async (server: Server, record: Record): Promise<string | undefined> => {
  if (record.source === "compose") return within(3000, server.ask(record)).catch(() => undefined)
  if (record.process === undefined || !isRunning(record.process)) return undefined
  signal(record.process, "SIGCONT")
  return serving(server, record)
}

const bring = async (server: Server, source: UpOptions["source"], tell: Tell): Promise<Omit<Outcome, "ms" | "name">> => {
  const value = given(server)
  if (value !== undefined) {
    await checkGiven(server, value)
    return { started: false, source: "given", address: addressOfGiven(server, value) }
  }
  const before = readRecord(server.name)
  const version = before && (await runningVersion(server, before))
  if (before !== undefined && version !== undefined) {
    return { started: false, source: before.source, address: `127.0.0.1:${before.port}`, version }
  }
  const made = await start(server, source, tell)
  return { started: true, source: made.record.source, address: `127.0.0.1:${made.record.port}`, version: made.version }
}

/** Brings the servers up side by side; each has an outcome of its own, and the failure of one does not touch the others. */
export const up = ({ onSettled, only = names, source, tell = silent }: UpOptions = {}): Promise<ReadonlyArray<Outcome>> =>
  withLock(tell, () =>
    Promise.all(
      only.map(async (name) => {
        const began = performance.now()
        const result = await bring(servers[name], source, tell).catch((error: Error) => ({ started: false, error }))
        const outcome: Outcome = { name, ms: performance.now() - began, ...result }
        onSettled?.(outcome)
        return outcome
      })
    )
  )

export interface DownOptions {
  readonly only?: ReadonlyArray<Name>
  /** Deletes the data, the logs and the records too. */
  readonly purge?: boolean
  readonly tell?: Tell
}

/** Ends what was started here and keeps its data; gives the names of those that ran. */
export const down = ({ only = names, purge = false, tell = silent }: DownOptions = {}): Promise<ReadonlyArray<Name>> =>
  withLock(tell, async () => {
    const records = only.flatMap((name) => readRecord(name) ?? [])
    const inContainers = only.filter((name) => readRecord(name)?.source === "compose")
    const running = only.filter((name) => {
      const record = readRecord(name)
      return record?.process !== undefined && isRunning(record.process)
    })
    await Promise.all(records.flatMap((record) => (record.process === undefined ? [] : end(record.process))))
    if (inContainers.length > 0 && !purge) await compose.stop(inContainers)
    if (purge) {
      if (await compose.engine()) await compose.purge()
      await rm(folder, { recursive: true, force: true })
    }
    return [...running, ...inContainers]
  })

export interface Status {
  readonly name: Name
  readonly source: Source | null
  readonly version: string | null
  readonly address: string | null
  readonly pid: number | null
  readonly up: boolean
}

export const status = (only: ReadonlyArray<Name> = names): Promise<ReadonlyArray<Status>> =>
  Promise.all(
    only.map(async (name): Promise<Status> => {
      const server = servers[name]
      const value = given(server)
      if (value !== undefined) {
        const isUp = await checkGiven(server, value).then(
          () => true,
          () => false
        )
        return { name, source: "given", version: null, address: addressOfGiven(server, value), pid: null, up: isUp }
      }
      const record = readRecord(name)
      if (record === undefined) return { name, source: null, version: null, address: null, pid: null, up: false }
      const pid = record.process !== undefined && isRunning(record.process) ? record.process.pid : null
      const asks = record.source === "compose" || pid !== null
      const version = asks ? await within(5000, server.ask(record)).catch(() => null) : null
      return { name, source: record.source, version, address: `127.0.0.1:${record.port}`, pid, up: version !== null }
    })
  )

/** The variables that lead an application, or a test, to the servers; a server that was never brought up has none. */
export const env = (only: ReadonlyArray<Name> = names): Readonly<{ [variable: string]: string }> =>
  Object.fromEntries(
    only.flatMap((name) => {
      const server = servers[name]
      const record = readRecord(name)
      const value = given(server) ?? (record && server.valueOf(record))
      return value === undefined ? [] : [[server.variable, value]]
    })
  )

const ours = (name: Name): Record => {
  const record = readRecord(name)
  if (given(servers[name]) !== undefined || record === undefined) {
    throw new StackError(`${servers[name].title} is not a server of this checkout`, "npm run stack -- up")
  }
  return record
}

/** For failure tests: ends one server by a signal of choice, and waits until it is gone. */
export const stop = (name: Name, by: NodeJS.Signals = "SIGTERM"): Promise<void> =>
  withLock(silent, async () => {
    const record = ours(name)
    if (record.source === "compose") {
      await (by === "SIGTERM" ? compose.stop([name]) : compose.kill(name, by))
      await untilAnswered(async () => {
        if (await canConnect("127.0.0.1", record.port)) throw new StackError(`${name} still accepts connections after ${by}`)
      }, 20_000)
    } else if (record.process !== undefined) await end(record.process, by)
  })

/** For failure tests: starts it again, on the same port and data, and waits until it serves. */
export const restart = (name: Name): Promise<void> =>
  withLock(silent, async () => {
    const record = ours(name)
    if (record.process !== undefined && isRunning(record.process)) return
    await (record.source === "compose" ? startCompose(servers[name], record) : startNative(servers[name], record, silent))
  })

const send = async (name: Name, by: NodeJS.Signals): Promise<void> => {
  const record = ours(name)
  if (record.source === "compose") await compose.kill(name, by)
  else if (record.process !== undefined) signal(record.process, by)
}

/** For failure tests: a server that keeps its connections and answers nothing, until `resume`. */
export const pause = (name: Name) => send(name, "SIGSTOP")
export const resume = (name: Name) => send(name, "SIGCONT")

/** Where the server keeps its files, for tests that damage them. */
export const dataFolder = (name: Name): string => dataOf(name)
