/**
 * The database that a load goes into, from the environment and `--database`: of the cluster's addresses only MariaDB's is needed.
 */
import { existsSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { StartError } from "../StartError.ts"

export type Database =
  | { readonly kind: "mariadb"; readonly url: Redacted.Redacted; readonly name: string }
  /** `dataDir`: the folder that belongs to a server, where the file is one's. */
  | { readonly kind: "sqlite"; readonly file: string; readonly dataDir: string | undefined; readonly name: string }

type Env = Readonly<Record<string, string | undefined>>

const example = "SLUICE_MARIADB_URL=mysql://sluice:secret@127.0.0.1:3306/sluice"

const urlOf = (env: Env): string | undefined => {
  const value = env.SLUICE_MARIADB_URL?.trim()
  const file = env.SLUICE_MARIADB_URL_FILE?.trim()
  if (value && file) throw new Error("SLUICE_MARIADB_URL and SLUICE_MARIADB_URL_FILE are both set: only one can be meant")
  return value || (file ? readFileSync(file, "utf8").trim() : undefined)
}

const mariaDb = (text: string): Database => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !["mysql:", "mariadb:"].includes(url.protocol) || !url.hostname || !/^\/[^/]+$/.test(url.pathname)) {
    throw new Error(`SLUICE_MARIADB_URL: its value (not shown) is not such a URL; for example ${example}`)
  }
  return { kind: "mariadb", url: Redacted.make(text), name: `MariaDB ${url.host}${url.pathname}` }
}

const sqlite = (file: string, dataDir: string | undefined): Database => {
  if (!existsSync(file)) {
    throw new Error(
      dataDir === undefined
        ? `there is no SQLite file ${file}`
        : `there is no database at ${file} yet: start Sluice once, name a file with --database, or set SLUICE_MARIADB_URL`
    )
  }
  return { kind: "sqlite", file, dataDir, name: `SQLite ${file}` }
}

const choose = (env: Env, database: string | undefined): Database => {
  const dataDir = resolve(env.SLUICE_DATA_DIR?.trim() || ".sluice")
  const own = join(dataDir, "sluice.db")
  if (database !== undefined) {
    const file = resolve(database)
    return sqlite(file, file === own ? dataDir : undefined)
  }
  const engines = env.SLUICE_ENGINES?.trim() || undefined
  if (engines !== undefined && engines !== "embedded" && engines !== "cluster") {
    throw new Error(`SLUICE_ENGINES: ${JSON.stringify(engines)} is not understood; for example SLUICE_ENGINES=embedded|cluster`)
  }
  const url = engines === "embedded" ? undefined : urlOf(env)
  if (url !== undefined) return mariaDb(url)
  if (engines === "cluster") throw new Error(`SLUICE_MARIADB_URL is missing; for example ${example}`)
  return sqlite(own, dataDir)
}

export const databaseOf = (env: Env, database: string | undefined): Effect.Effect<Database, StartError> =>
  Effect.try({ try: () => choose(env, database), catch: (cause) => new StartError({ message: (cause as Error).message }) })
