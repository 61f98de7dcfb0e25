/** The folder and the file on which the embedded engines stand. */
import { accessSync, constants, existsSync, rmSync, statfsSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { Effect } from "effect"
import { type Finding, findings } from "./Finding.ts"
import { type Engine, ownName } from "./Trying.ts"

export interface DataFolderFacts {
  readonly dataDir: string
  /** Whether it was there before. */
  readonly exists: boolean
  /** Why nothing can be written there; undefined where it can. */
  readonly unwritable: string | undefined
  readonly freeBytes: number
  /** As Linux numbers them (statfs). */
  readonly fileSystem: number
  readonly sqlite: string
  /** The journal mode of the file, or that which a new file would have. */
  readonly journalMode: string
}

const { ok, problem, warning } = findings("sqlite")

const remote: Readonly<Record<number, string>> = {
  26985: "NFS",
  20859: "SMB",
  4283649346: "CIFS",
  4266872130: "SMB2",
  16914839: "9p",
  12805120: "Ceph"
}
const tmpfs = 16914836

const gibibytes = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`

export const judgeDataFolder = (facts: DataFolderFacts): ReadonlyArray<Finding> => {
  const { dataDir, exists, fileSystem, freeBytes, journalMode, sqlite, unwritable } = facts
  if (unwritable !== undefined) {
    return [
      problem(
        "data folder",
        `${dataDir} can't be written to: ${unwritable}`,
        `mkdir -p ${dataDir} && chown "$(id -u)" ${dataDir}, or set SLUICE_DATA_DIR to a folder of yours`
      )
    ]
  }
  return [
    ok("data folder", exists ? `${dataDir} can be written to` : `${dataDir} will be made at the first start`),
    judgeFree(freeBytes),
    judgeFileSystem(fileSystem),
    ok("version", `SQLite ${sqlite} comes with Node.js`),
    journalMode === "wal"
      ? ok("journal", "WAL: readers and the writer don't wait for each other")
      : problem(
          "journal",
          `${journalMode}: the file system does not let SQLite keep a WAL, so every read waits for writes`,
          "set SLUICE_DATA_DIR to a folder on a local disk"
        )
  ]
}

const judgeFree = (bytes: number): Finding => {
  const mend = "make room there, or set SLUICE_DATA_DIR to a folder with more"
  if (bytes < 200 * 2 ** 20) return problem("disk space", `${gibibytes(bytes)} are free: soon nothing more can be stored`, mend)
  return bytes < 2 * 2 ** 30
    ? warning("disk space", `${gibibytes(bytes)} are free, which a bulk load may fill`, mend)
    : ok("disk space", `${gibibytes(bytes)} are free`)
}

const judgeFileSystem = (type: number): Finding => {
  const name = remote[type]
  if (name !== undefined) {
    return problem(
      "file system",
      `${name}: SQLite's locks can't be relied on over a network, and two processes may write at once`,
      "set SLUICE_DATA_DIR to a folder on a local disk"
    )
  }
  return type === tmpfs
    ? warning(
        "file system",
        "tmpfs: everything is in memory, and gone with the next start of the machine",
        "set SLUICE_DATA_DIR to a folder on a disk"
      )
    : ok("file system", "a local one")
}

const nearestThere = (path: string): string => (existsSync(path) ? path : nearestThere(dirname(path)))

/** Writes a file and takes it away again, in the folder or in the one in which it would be made. */
const tryWriting = (folder: string): string | undefined => {
  const file = join(folder, `.${ownName()}`)
  try {
    accessSync(folder, constants.W_OK | constants.X_OK)
    writeFileSync(file, "x", { flag: "wx", flush: true })
    rmSync(file)
    return undefined
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code ?? (cause as Error).message
  }
}

const journalModeOf = (folder: string, dataDir: string): string => {
  const own = join(dataDir, "sluice.db")
  const isNew = !existsSync(own)
  const file = isNew ? join(folder, `.${ownName()}.db`) : own
  try {
    const db = new DatabaseSync(file, { readOnly: !isNew, timeout: 1000 })
    try {
      const row = db.prepare(isNew ? "PRAGMA journal_mode = WAL" : "PRAGMA journal_mode").get()
      return String(row?.journal_mode)
    } finally {
      db.close()
    }
  } finally {
    if (isNew) for (const suffix of ["", "-wal", "-shm"]) rmSync(`${file}${suffix}`, { force: true })
  }
}

const lookAt = (dataDir: string): DataFolderFacts => {
  const folder = nearestThere(dataDir)
  const { bavail, bsize, type } = statfsSync(folder)
  const unwritable = tryWriting(folder)
  return {
    dataDir,
    exists: folder === dataDir,
    unwritable,
    freeBytes: bavail * bsize,
    fileSystem: type >>> 0,
    sqlite: process.versions.sqlite ?? "unknown",
    journalMode: unwritable === undefined ? journalModeOf(folder, dataDir) : "unknown"
  }
}

export const dataFolder = (dataDir: string): Engine => ({
  about: "sqlite",
  address: dataDir,
  setting: "SLUICE_DATA_DIR",
  examine: Effect.try({ try: () => judgeDataFolder(lookAt(dataDir)), catch: (cause) => cause })
})
