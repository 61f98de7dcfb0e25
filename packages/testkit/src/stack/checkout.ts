/**
 * What the stack keeps of this checkout, under `.sluice/stack/`: for each server a record (`redis.json`), a log (`redis.log`) and its
 * data (`redis/`). Another checkout has another folder, so the two never share a port, a process or a row.
 */

import { createHash, randomBytes } from "node:crypto"
import { mkdirSync, readFileSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { isRunning, type Process, processOf } from "./processes.ts"

export const names = ["mariadb", "redis", "kafka", "mongodb"] as const
export type Name = (typeof names)[number]

export interface Record {
  readonly source: "compose" | "native"
  readonly port: number
  /** Kafka's controller listens on a port of its own. */
  readonly controllerPort?: number
  readonly password: string
  readonly process?: Process
}

export const root = resolve(import.meta.dirname, "../../../..")
export const folder = join(root, ".sluice/stack")
export const id = createHash("sha256").update(root).digest("hex").slice(0, 10)

export const dataOf = (name: Name) => join(folder, name)
export const logOf = (name: Name) => join(folder, `${name}.log`)
const recordOf = (name: Name) => join(folder, `${name}.json`)

export const readRecord = (name: Name): Record | undefined => {
  try {
    return JSON.parse(readFileSync(recordOf(name), "utf8"))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw error
  }
}

/** Written aside and moved into place, so that no reader sees half of it. */
export const writeRecord = (name: Name, record: Record): void => {
  mkdirSync(folder, { recursive: true })
  writeFileSync(`${recordOf(name)}.new`, JSON.stringify(record, null, 2), { mode: 0o600 })
  renameSync(`${recordOf(name)}.new`, recordOf(name))
}

export const newPassword = () => randomBytes(18).toString("base64url")

const lock = `${folder}.lock`
const stamp = ({ pid, start }: Process) => `${pid}:${start}`
const holderOf = (file: string): string | undefined => {
  try {
    return readlinkSync(file)
  } catch {
    return undefined
  }
}

/** One at a time changes what runs. The lock is a symbolic link that names its holder: made in one step, void once the holder has ended. */
export const withLock = async <A>(tell: (line: string) => void, change: () => Promise<A>): Promise<A> => {
  mkdirSync(dirname(lock), { recursive: true })
  for (let told = false; !tryLock(); ) {
    const holder = holderOf(lock)
    if (holder === undefined) continue
    const [pid = "", start = ""] = holder.split(":")
    if (!isRunning({ pid: Number(pid), start })) {
      removeVoid(holder)
      continue
    }
    if (!told) tell(`waiting for process ${pid}, which is changing the stack of this checkout`)
    told = true
    await sleep(100)
  }
  try {
    return await change()
  } finally {
    rmSync(lock, { force: true })
  }
}

const tryLock = (): boolean => {
  try {
    symlinkSync(stamp(processOf(process.pid) ?? { pid: process.pid, start: "" }), lock)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false
    throw error
  }
}

/** Another who waits may have removed it and taken the lock meanwhile: that one is put back. */
const removeVoid = (holder: string): void => {
  const aside = `${lock}.${process.pid}`
  try {
    renameSync(lock, aside)
    if (holderOf(aside) === holder) rmSync(aside)
    else renameSync(aside, lock)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error
  }
}
