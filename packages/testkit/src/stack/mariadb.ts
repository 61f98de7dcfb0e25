/**
 * MariaDB from Debian's packages, with the durability it has by default. The user `sluice` owns the database `sluice` and every other
 * whose name begins with `sluice_`; `root` has the same password, for tests of what only an administrator can do.
 */

import { existsSync, readFileSync } from "node:fs"
import { mkdir, rename, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"
import { dataOf, folder, id } from "./checkout.ts"
import { systemProgram } from "./packages.ts"
import { run } from "./processes.ts"
import { addressesOfUrl, type Server } from "./server.ts"

const packages = ["mariadb-server"]
const asRoot = process.getuid?.() === 0 ? ["--user=root"] : []

/** A socket's path holds 107 bytes; a checkout may lie deeper than that. */
const socket = () => {
  const beside = join(folder, "mariadb.sock")
  return Buffer.byteLength(beside) <= 107 ? beside : join(tmpdir(), `sluice-${id}.sock`)
}

/** Run at every start, so that a start that was cut off before it is made up for. */
const accounts = (password: string) => `
CREATE DATABASE IF NOT EXISTS sluice;
CREATE USER IF NOT EXISTS 'sluice'@'%', 'root'@'127.0.0.1';
ALTER USER 'sluice'@'%' IDENTIFIED BY '${password}', 'root'@'127.0.0.1' IDENTIFIED BY '${password}';
GRANT ALL PRIVILEGES ON sluice.* TO 'sluice'@'%';
${readFileSync(join(import.meta.dirname, "mariadb.sql"), "utf8")}
GRANT ALL PRIVILEGES ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;
`

const makeData = async (install: string) => {
  const data = dataOf("mariadb")
  if (existsSync(data)) return
  const fresh = `${data}.new`
  await rm(fresh, { recursive: true, force: true })
  await mkdir(fresh, { recursive: true })
  // The script does not quote the path, which may hold spaces: it gets one that does not.
  const options = [`--datadir=./${basename(fresh)}`, "--auth-root-authentication-method=socket", "--skip-test-db", ...asRoot]
  await run({ program: install, args: ["--no-defaults", ...options], cwd: dirname(fresh) })
  await rename(fresh, data)
}

export const mariadb: Server = {
  name: "mariadb",
  title: "MariaDB",
  variable: "SLUICE_MARIADB_URL",
  valueOf: ({ password, port }) => `mysql://sluice:${password}@127.0.0.1:${port}/sluice`,
  addressesOf: addressesOfUrl(3306),
  ask: async ({ password, port }) => {
    const { createConnection } = await import("mysql2/promise")
    const connection = await createConnection({
      host: "127.0.0.1",
      port,
      user: "sluice",
      password,
      database: "sluice",
      connectTimeout: 3000
    })
    try {
      const [[row]] =
        await connection.query<Array<{ version: string } & import("mysql2").RowDataPacket>>("SELECT VERSION() AS version")
      return row!.version.replace(/-.*$/, "")
    } finally {
      connection.destroy()
    }
  },
  prepare: async ({ password, port }, tell) => {
    const program = await systemProgram("mariadbd", "MariaDB", packages, tell)
    await makeData(await systemProgram("mariadb-install-db", "MariaDB", packages, tell))
    const initFile = join(folder, "mariadb.sql")
    await writeFile(initFile, accounts(password), { mode: 0o600 })
    const args = [
      "--no-defaults",
      ...asRoot,
      `--datadir=${dataOf("mariadb")}`,
      `--port=${port}`,
      `--socket=${socket()}`,
      `--pid-file=${join(dataOf("mariadb"), "mariadbd.pid")}`,
      `--init-file=${initFile}`,
      "--bind-address=127.0.0.1",
      "--skip-name-resolve",
      "--local-infile=ON",
      "--character-set-server=utf8mb4",
      "--collation-server=utf8mb4_general_ci",
      "--max-connections=300",
      "--innodb-buffer-pool-size=256M"
    ]
    return { program, args, cwd: dataOf("mariadb") }
  }
}
