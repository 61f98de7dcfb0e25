/** The programs that load: ours, the `mariadb` client, the JDBC program and the libraries of Node. */
import { execFileSync } from "node:child_process"
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import type { Program } from "../measure/child.ts"

const peer = (name: string) => fileURLToPath(new URL(`../peers/load/${name}`, import.meta.url))
const main = fileURLToPath(new URL("../../packages/app/bin/sluice.mjs", import.meta.url))

const partsOf = (url: string) => {
  const { hostname, password, pathname, port, username } = new URL(url)
  return {
    host: hostname,
    port: port || "3306",
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
    database: pathname.slice(1)
  }
}

const oursProgram = (url: string, args: ReadonlyArray<string>): Program => ({
  command: process.execPath,
  args: [main, "load", "people", ...args],
  env: { SLUICE_ENGINES: "cluster", SLUICE_MARIADB_URL: url }
})

let jobs = 0
const job = () => ["--job", `bench-${process.pid}-${++jobs}`]

export const oursFile = (url: string, file: string, args: ReadonlyArray<string>) => oursProgram(url, [file, ...job(), ...args])

export const oursGenerator = (url: string, rows: number, seed: number, args: ReadonlyArray<string>) =>
  oursProgram(url, ["--generate", "people", "--rows", String(rows), "--seed", String(seed), ...job(), ...args])

/** What `sluice load` can do so far. */
export const oursKnows = (): ReadonlySet<string> => {
  const text = execFileSync(process.execPath, [main, "load", "--help"], { env: { ...process.env, NO_COLOR: "1" } }).toString()
  return new Set(["--generate", "--connections"].filter((flag) => text.includes(flag)))
}

export const mariadbClient = (url: string, file: string, columns: string): Program => {
  const { database, host, password, port, user } = partsOf(url)
  const sql =
    `LOAD DATA LOCAL INFILE '${file}' INTO TABLE people CHARACTER SET utf8mb4 FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '"' ` +
    `ESCAPED BY '' LINES TERMINATED BY '\\n' IGNORE 1 LINES (${columns})`
  return {
    command: "mariadb",
    args: ["--no-defaults", "--local-infile=1", `--host=${host}`, `--port=${port}`, `--user=${user}`, database, "-e", sql],
    env: { MYSQL_PWD: password }
  }
}

export const mariadbClientVersion = (): string => {
  try {
    return (
      execFileSync("mariadb", ["--version"])
        .toString()
        .match(/[\d.]+-MariaDB/)?.[0]
        .replace("-MariaDB", "") ?? "unknown"
    )
  } catch {
    throw new Error("The mariadb client is not installed: `apt-get install mariadb-client`")
  }
}

export type Jdbc = (url: string, heap: string, args: ReadonlyArray<string>) => Program

/** Built by Maven where it has not been; undefined where there is no Java or no Maven. */
export const buildJdbc = (): Jdbc | undefined => {
  const folder = peer("jdbc")
  const jar = `${folder}/target/load.jar`
  try {
    if (!existsSync(jar)) execFileSync("mvn", ["-q", "-B", "-f", `${folder}/pom.xml`, "package"], { stdio: "inherit" })
    execFileSync("java", ["-version"], { stdio: "ignore" })
  } catch {
    console.error("The JDBC program is left out: it needs Java 17 and Maven (`apt-get install openjdk-17-jdk-headless maven`).")
    return undefined
  }
  return (url, heap, args) => {
    const { database, host, password, port, user } = partsOf(url)
    return {
      command: "java",
      args: [`-Xmx${heap}`, "-jar", jar, ...args],
      env: {
        JDBC_URL: `jdbc:mariadb://${host}:${port}/${database}?useBulkStmts=true`,
        JDBC_USER: user,
        JDBC_PASSWORD: password
      }
    }
  }
}

export const libraries = ["mysql2", "mariadb", "knex", "drizzle", "typeorm", "sequelize", "prisma"] as const
export type Library = (typeof libraries)[number]

export const libraryTitles: Readonly<Record<Library, string>> = {
  mysql2: "mysql2, multi-row INSERT of 5,000",
  mariadb: "npm mariadb, batch of 10,000",
  knex: "Knex, batchInsert of 5,000",
  drizzle: "Drizzle, insert().values() of 5,000",
  typeorm: "TypeORM, insert query builder of 5,000",
  sequelize: "Sequelize, bulkCreate of 5,000",
  prisma: "Prisma, createMany of 5,000"
}

export interface Libraries {
  readonly versions: Readonly<Record<string, string>>
  readonly missing: ReadonlyArray<string>
  readonly program: (library: Library, url: string, file: string, rows: number) => Program
}

/** Installed by npm from their own lock file where they have not been. Prisma's client is generated without its schema engine, which npm has not. */
export const installLibraries = (): Libraries => {
  const folder = peer("node")

  if (!existsSync(`${folder}/node_modules/mysql2`))
    execFileSync("npm", ["ci", "--no-audit", "--no-fund"], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] })
  const missing: Array<string> = []
  try {
    if (!existsSync(`${folder}/node_modules/.bench-prisma`)) {
      const env = { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: "/bin/true", CHECKPOINT_DISABLE: "1" }
      execFileSync(process.execPath, ["node_modules/.bin/prisma", "generate"], { cwd: folder, stdio: "ignore", env })
    }
  } catch {
    missing.push("prisma")
  }
  const list = JSON.parse(execFileSync("npm", ["ls", "--json", "--depth=0"], { cwd: folder }).toString()) as {
    readonly dependencies: Readonly<Record<string, { readonly version: string }>>
  }
  return {
    versions: Object.fromEntries(Object.entries(list.dependencies).map(([name, { version }]) => [name, version])),
    missing,
    program: (library, url, file, rows) => ({
      command: process.execPath,
      args: [`${folder}/load.mjs`, library, file, String(rows)],
      env: { MARIADB_URL: url, NODE_ENV: "production" }
    })
  }
}
