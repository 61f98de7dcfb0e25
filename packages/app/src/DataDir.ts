/**
 * The folder in which one checkout's process keeps what is its own: with the embedded engines all data, and always the admin key that was
 * made where none was set.
 */

import { randomBytes } from "node:crypto"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { Data, Effect, Redacted } from "effect"

export class DataDirError extends Data.TaggedError("DataDirError")<{ readonly message: string }> {}

const attempt = <A>(dataDir: string, f: () => A) =>
  Effect.try({
    try: f,
    catch: (cause) => new DataDirError({ message: `the data folder ${dataDir} can't be used: ${(cause as Error).message}` })
  })

/** `mkdirSync` with `recursive` never returns where a folder is there and takes no others, as `/proc`. */
const makeFolder = (path: string): void => {
  if (existsSync(path)) return
  makeFolder(dirname(path))
  try {
    mkdirSync(path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause
  }
}

export const adminKeyFile = (dataDir: string): string => join(dataDir, "admin-key")

/** The key of this folder, made at the first call; readable by its owner alone. */
export const adminKey = (dataDir: string) =>
  attempt(dataDir, () => {
    makeFolder(dataDir)
    try {
      writeFileSync(adminKeyFile(dataDir), `${randomBytes(24).toString("hex")}\n`, { mode: 0o600, flag: "wx" })
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause
    }
    return Redacted.make(readFileSync(adminKeyFile(dataDir), "utf8").trim())
  })

/** Held until the scope closes or the process ends, however it ends: the lock is the operating system's. */
export const lock = (dataDir: string) =>
  Effect.acquireRelease(
    attempt(dataDir, () => {
      makeFolder(dataDir)
      const db = new DatabaseSync(join(dataDir, "lock.db"), { timeout: 0 })
      try {
        db.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE")
      } catch (cause) {
        db.close()
        if ((cause as { errcode?: number }).errcode === 5) {
          throw new Error("another Sluice runs on it; stop that one, or set another SLUICE_DATA_DIR", { cause })
        }
        throw cause
      }
      return db
    }),
    (db) => Effect.sync(() => db.close())
  )
