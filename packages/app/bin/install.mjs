/**
 * Installs what package-lock.json names and node_modules lacks, so that every command works as the first one on a fresh clone.
 *
 * Silent and instant when there is nothing to do. Runs on the machine's own Node (20 or newer) and needs no package. Two at once are
 * safe: the second waits, and then finds nothing left to do. Everything goes to stderr, because stdout belongs to the command after it.
 */

import { spawnSync } from "node:child_process"
import { mkdirSync, readFileSync, readlinkSync, renameSync, rmSync, statSync, symlinkSync, utimesSync } from "node:fs"
import { delimiter, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../../..", import.meta.url))
const wanted = join(root, "package-lock.json")
const installed = join(root, "node_modules/.package-lock.json")
const lock = join(root, ".sluice/install.lock")

const modified = (file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0
const looksInstalled = () => modified(installed) >= modified(wanted)
const touch = () => utimesSync(installed, new Date(), new Date())

/** Whether each package is there in its version: a newer file alone (a checkout, a merge) is no reason to install all of it again. */
const isInstalled = () => {
  if (modified(installed) === 0) return false
  const packages = (file) =>
    new Map(Object.entries(JSON.parse(readFileSync(file, "utf8")).packages).filter(([path]) => path.includes("node_modules/")))
  const there = packages(installed)
  const named = packages(wanted)
  const same = (a, b) => a.version === b.version && a.integrity === b.integrity && a.link === b.link
  return (
    [...named].every(([path, it]) => (there.has(path) ? same(it, there.get(path)) : it.optional === true)) &&
    [...there.keys()].every((path) => named.has(path))
  )
}

const fail = (message) => {
  console.error(message)
  process.exit(1)
}

/** A process by its id and its start, since ids are used again; undefined once it has ended. */
const processOf = (pid) => {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (error.code === "ESRCH") return undefined
  }
  try {
    return `${pid}:${readFileSync(`/proc/${pid}/stat`, "latin1").split(") ").pop().split(" ")[19]}`
  } catch {
    return `${pid}:`
  }
}

const holderOf = (file) => {
  try {
    return readlinkSync(file)
  } catch {
    return undefined
  }
}

/** The lock is a symbolic link that names its holder: made in one step, and void once the holder has ended. */
const takeLock = () => {
  mkdirSync(dirname(lock), { recursive: true })
  for (let told = false; ; ) {
    try {
      symlinkSync(processOf(process.pid), lock)
      process.on("exit", () => rmSync(lock, { force: true }))
      return
    } catch (error) {
      if (error.code !== "EEXIST") throw error
    }
    const holder = holderOf(lock)
    if (holder === undefined) continue
    const pid = Number(holder.split(":")[0])
    if (processOf(pid) !== holder) {
      removeVoid(holder)
      continue
    }
    if (!told) console.error(`Waiting for the installation that process ${pid} has under way (${lock})`)
    told = true
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
  }
}

/** Another who waits may have removed it and taken the lock meanwhile: that one is put back. */
const removeVoid = (holder) => {
  const aside = `${lock}.${process.pid}`
  try {
    renameSync(lock, aside)
    if (holderOf(aside) === holder) rmSync(aside)
    else renameSync(aside, lock)
  } catch (error) {
    if (error.code !== "ENOENT") throw error
  }
}

/** npm replaces node_modules, so neither it nor what it runs may use the node in there. */
const outside = (process.env.PATH ?? "")
  .split(delimiter)
  .filter((directory) => !directory.endsWith("node_modules/.bin"))
  .join(delimiter)

const install = () => {
  if (looksInstalled()) return
  if (isInstalled()) return touch()
  console.error("Installing packages (npm ci)")
  const { error, signal, status } = spawnSync(
    "npm",
    ["ci", "--include=dev", "--include=optional", "--no-audit", "--no-fund", "--loglevel=error"],
    { cwd: root, env: { ...process.env, PATH: outside }, stdio: ["ignore", 2, 2] }
  )
  if (error?.code === "ENOENT") fail("npm is not on the PATH. Install Node.js 20 or newer with npm: https://nodejs.org")
  if (error) throw error
  if (status !== 0) fail(`npm ci ended with ${signal ?? `code ${status}`}: see above. Once mended, run the same command again.`)
  touch()
}

if (Number(process.versions.node.split(".")[0]) < 20) {
  fail(
    `Sluice needs Node.js 20 or newer to install itself; this is ${process.version} (${process.execPath}). See https://nodejs.org`
  )
}
if (!looksInstalled()) {
  takeLock()
  install()
}
